/** Line icons of a 20 by 20 grid. They are decoration: what they stand beside or on says it. */

const PATHS = {
  menu: "M3 5h14M3 10h14M3 15h14",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM13 13l4 4",
  people:
    "M7.5 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM2 16.5c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5" +
    "M13 4.3a3 3 0 0 1 0 5.4M15 12.3c1.6.6 2.7 2 3 4.2",
  timeline: "M2.5 10h15M5 7v6M10 5v10M15 7v6",
  close: "M5 5l10 10M15 5L5 15",
  reply: "M8 5L3.5 9.5 8 14M4 9.5h7c3.5 0 5.5 1.8 5.5 5.5",
  edit: "M4 16l.8-3.6L13.5 3.7a1.6 1.6 0 0 1 2.3 0l.5.5a1.6 1.6 0 0 1 0 2.3L7.6 15.2 4 16Z",
  remove: "M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4.5M11.5 9v4.5",
  redact:
    "M7.5 16.5h9M3.5 12.5l8-8a1.5 1.5 0 0 1 2.1 0l2.9 2.9a1.5 1.5 0 0 1 0 2.1l-7 7H7.5l-4-4Z" +
    "M8 8l5 5",
  smile:
    "M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15ZM7 8v.5M13 8v.5M6.8 12c1.6 2.3 4.8 2.3 6.4 0",
  history: "M3.2 8.5A7 7 0 1 1 3 11M3 4.5v4h4M10 6.5V10l2.5 2",
  link:
    "M8.5 11.5l3-3M7 9.5L4.8 11.7a2.5 2.5 0 0 0 3.5 3.5L10.5 13" +
    "M13 10.5l2.2-2.2a2.5 2.5 0 0 0-3.5-3.5L9.5 7",
  play: "M6 4l10 6-10 6V4Z",
  pause: "M6.5 4v12M13.5 4v12",
  back: "M14 4l-7 6 7 6V4ZM5 4v12",
  forward: "M6 4l7 6-7 6V4ZM15 4v12",
  earlier: "M11 4l-6 6 6 6M16 4l-6 6 6 6",
  later: "M9 4l6 6-6 6M4 4l6 6-6 6",
  send: "M3 10l14-6.5L13 17l-3-5.5L3 10ZM10 11.5l3-3.5",
  down: "M10 4v12M5 11l5 5 5-5",
  up: "M10 16V4M5 9l5-5 5 5",
  file: "M5 2.5h6l4 4v11H5v-15ZM11 2.5v4h4",
  image: "M3 4h14v12H3V4ZM3 14l4-4.5 3 3 3-4 4 5M7 8v.1",
  data: "M3 16V9M8 16V4M13 16v-5M18 16H2M17 16V7",
  theme: "M10 2.5a7.5 7.5 0 1 0 0 15V2.5Z",
  out: "M8 3.5H4v13h4M8 10h9M14 6.5l3.5 3.5-3.5 3.5",
  keys: "M2.5 6h15v8h-15V6ZM5 8.5v.1M8 8.5v.1M11 8.5v.1M14 8.5v.1M6.5 11.5h7",
  flag: "M5 17.5V3h10l-2.5 3.5L15 10H5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon(props: { readonly name: IconName }): React.ReactNode {
  return (
    <svg className="drawn" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[props.name]} />
    </svg>
  );
}

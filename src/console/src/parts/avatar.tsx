import { hueOf, initials, nameOf } from "../format";

/** Letters on a colour, always the same for a user; `online` adds a dot. */
export function Avatar(props: {
  readonly userId: string;
  readonly members?: ReadonlyMap<string, { readonly name: string | null }>;
  readonly online?: boolean;
}): React.ReactNode {
  const { userId, members, online = false } = props;
  return (
    <span className="avatar" data-hue={hueOf(userId)} aria-hidden="true">
      {initials(nameOf(userId, members))}
      {online && <span className="presence" />}
    </span>
  );
}

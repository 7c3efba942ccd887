import { exactTime, nameOf, timeWithSeconds } from "../format";
import { Panel } from "../panels/panel";
import { STATUS_NAMES } from "../parts/badges";
import { Icon, type IconName } from "../parts/icon";
import { useRoomView } from "../room-context";
import type { Mark, MarkKind, Story } from "./story";

const AROUND = 150;
const ICONS: Readonly<Record<MarkKind, IconName>> = {
  edit: "edit",
  delete: "remove",
  redact: "remove",
  status: "flag",
  member: "people",
};

/** What the timeline marks, as a list: each leads to its moment. */
export function Changes(props: {
  readonly story: Story;
  readonly sequence: number;
  readonly onMark: (mark: Mark) => void;
  readonly onVersions: (message_id: string) => void;
  readonly onClose: () => void;
}): React.ReactNode {
  const { story, sequence, onMark, onVersions, onClose } = props;
  const { members } = useRoomView();
  const { marks } = story;
  const passed = marks.filter((mark) => mark.sequence <= sequence).length;
  const shown = marks.slice(Math.max(0, passed - AROUND), passed + AROUND);
  return (
    <Panel title="Changes" onClose={onClose}>
      <p className="quiet summary">
        {marks.length === 0
          ? "Nothing was edited or deleted, and the status never changed."
          : `${passed} of ${marks.length} by this moment`}
      </p>
      <ol className="changes">
        {shown.map((mark) => (
          <li key={mark.sequence} className={mark.sequence > sequence ? "to-come" : undefined}>
            <button
              type="button"
              className="change"
              data-kind={mark.kind}
              aria-current={mark.sequence === sequence ? "step" : undefined}
              onClick={() => onMark(mark)}
            >
              <Icon name={ICONS[mark.kind]} />
              <span>{told(mark, (user) => nameOf(user, members))}</span>
              <time title={exactTime(mark.at_ms)}>{timeWithSeconds(mark.at_ms)}</time>
            </button>
            {(mark.kind === "edit" || mark.kind === "delete") && (
              <button type="button" className="link" onClick={() => onVersions(mark.about)}>
                Versions
              </button>
            )}
          </li>
        ))}
      </ol>
    </Panel>
  );
}

const CHARS_MAX = 90;

function told({ kind, detail, actor: by, about }: Mark, name: (user: string) => string): string {
  const actor = name(by);
  const text = detail.length > CHARS_MAX ? `${detail.slice(0, CHARS_MAX)}…` : detail;
  switch (kind) {
    case "edit":
      return `${actor} edited: ${text}`;
    case "delete":
      return `${actor} deleted: ${text}`;
    case "redact":
      return `${actor} redacted a message`;
    case "status":
      return `${actor} set ${STATUS_NAMES[detail as keyof typeof STATUS_NAMES] ?? detail}`;
    case "member":
      return `${name(about)} ${detail} by ${actor}`;
  }
}

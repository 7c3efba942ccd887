import { Fragment } from "react";
import { Dialog } from "./parts/dialog";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "Send what was written"],
  ["Shift Enter", "Begin a new line"],
  ["↑ in an empty field", "Edit the last message of your own"],
  ["@", "Mention somebody: ↑ ↓ choose, Tab or Enter takes"],
  ["Ctrl K", "Search this room"],
  ["Alt ↑ / Alt ↓", "Go to the room above or below"],
  ["Esc", "Leave what was begun, or close what is open"],
  ["↑ ↓ Home End on messages", "Go from message to message"],
  ["R, E, + on a message", "Reply, edit, react"],
  ["← → on the timeline", "Go from event to event"],
  ["Page ↑ / Page ↓ on the timeline", "Go a twentieth of its length"],
  ["Space on the timeline", "Play, or stop"],
];

export function KeysHelp(props: { readonly onClose: () => void }): React.ReactNode {
  return (
    <Dialog title="Keys" onClose={props.onClose}>
      <dl className="keys">
        {KEYS.map(([keys, does]) => (
          <Fragment key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </Fragment>
        ))}
      </dl>
      <div className="choices">
        <button type="button" className="primary" onClick={props.onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

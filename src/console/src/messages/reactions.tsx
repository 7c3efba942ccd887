import type { RoomMessage } from "roomlog-js";
import { listOf, nameOf } from "../format";
import { useRoomView } from "../room-context";

/** How others took a message; a press joins one of them, or takes one's own back. */
export function Reactions(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { userId, members, canWrite, actions } = useRoomView();
  if (message.reactions.length === 0) {
    return null;
  }
  return (
    <ul className="reactions" aria-label="Reactions">
      {message.reactions.map(({ emoji, count, users }) => {
        const names = listOf(
          users.map((user) => (user === userId ? "you" : nameOf(user, members))),
          6,
        );
        return (
          <li key={emoji}>
            <button
              type="button"
              className="reaction"
              aria-pressed={users.includes(userId)}
              disabled={!canWrite || message.deleted_at !== null}
              title={`${names} reacted with ${emoji}`}
              onClick={() => actions.react(message, emoji)}
            >
              <span>{emoji}</span> {count}
              <span className="visually-hidden"> from {names}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

import { useState } from "react";
import type { Room, RoomMessage } from "roomlog-js";
import { useMessages } from "roomlog-js/react";
import { Dialog } from "./parts/dialog";

/** Asks before a message is deleted, and why it is. */
export function Removal(props: {
  readonly room: Room;
  readonly message: RoomMessage;
  readonly onClose: () => void;
}): React.ReactNode {
  const { room, message, onClose } = props;
  const { remove } = useMessages(room.id);
  const [reason, setReason] = useState("");
  return (
    <Dialog title="Delete this message?" onClose={onClose}>
      <blockquote>{message.content.slice(0, 400)}</blockquote>
      <p className="quiet">
        It is hidden from the present. What it said stays in the log, and in the timeline.
      </p>
      <form
        onSubmit={(form) => {
          form.preventDefault();
          void remove(message.message_id, reason.trim() === "" ? {} : { reason: reason.trim() });
          onClose();
        }}
      >
        <label>
          Reason (may be left out)
          <input
            value={reason}
            maxLength={1000}
            onChange={(change) => setReason(change.target.value)}
          />
        </label>
        <div className="choices">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="danger">
            Delete
          </button>
        </div>
      </form>
    </Dialog>
  );
}

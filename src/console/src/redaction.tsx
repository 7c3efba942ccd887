import { useState } from "react";
import type { MemberState, Room, RoomlogError, RoomMessage } from "roomlog-js";
import { exactTime, nameOf, timeOf } from "./format";
import { Dialog } from "./parts/dialog";
import { say } from "./say";

const REASON_CHARS_MAX = 1000;
const SHOWN_CHARS_MAX = 400;

/** Asks an admin before what a message said is removed for good, and why it is. */
export function Redaction(props: {
  readonly room: Room;
  readonly message: RoomMessage;
  readonly members: ReadonlyMap<string, MemberState>;
  readonly onClose: () => void;
}): React.ReactNode {
  const { room, message, members, onClose } = props;
  const [reason, setReason] = useState("");
  const [isSure, setSure] = useState(false);
  const { isUnderWay, error, redact } = useRedact(room, message.message_id, onClose);
  return (
    <Dialog title="Redact this message?" onClose={onClose}>
      {message.content !== "" && (
        <blockquote>{message.content.slice(0, SHOWN_CHARS_MAX)}</blockquote>
      )}
      <p className="warning">
        <b>This can’t be undone.</b> All that the message said is erased from the log itself, with
        its earlier versions and the reasons given for them: from history, search, timeline, and
        whatever is exported later. Whoever has it open loses it at once.
      </p>
      <Afterwards message={message} members={members} />
      <p className="quiet">
        Whoever has read it has read it: change a password that was pasted here. Copies in other
        messages have to be redacted too.
      </p>
      <form
        onSubmit={(form) => {
          form.preventDefault();
          void redact(reason.trim());
        }}
      >
        <label>
          Reason
          <input
            value={reason}
            required
            maxLength={REASON_CHARS_MAX}
            aria-describedby="redaction-reason"
            onChange={(change) => setReason(change.target.value)}
          />
        </label>
        <p id="redaction-reason" className="quiet">
          It stays on record for good: don’t repeat in it what is to be removed.
        </p>
        <label className="sure">
          <input
            type="checkbox"
            checked={isSure}
            onChange={(change) => setSure(change.target.checked)}
          />
          I know that this can’t be undone
        </label>
        {error !== null && (
          <p className="error" role="alert">
            {error}
          </p>
        )}
        <div className="choices">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            className="danger"
            disabled={!isSure || reason.trim() === "" || isUnderWay}
          >
            {isUnderWay ? "Redacting…" : "Redact for good"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The message as everybody sees it from then on, and what stays known of it. */
function Afterwards(props: {
  readonly message: RoomMessage;
  readonly members: ReadonlyMap<string, MemberState>;
}): React.ReactNode {
  const { message, members } = props;
  const { sender_id, created_at } = message;
  const name = nameOf(sender_id, members);
  return (
    <section className="afterwards" aria-label="What everybody sees afterwards">
      <h3>What everybody sees afterwards</h3>
      <div>
        <strong>{name}</strong> <time dateTime={created_at}>{timeOf(created_at)}</time>
        <p className="tombstone">This message was deleted.</p>
      </div>
      <p className="quiet">
        On record stays that {name} said something on {exactTime(created_at)}, and who redacted it,
        when and why. The proofs of the room hold as before.
      </p>
    </section>
  );
}

function useRedact(
  room: Room,
  message_id: string,
  onDone: () => void,
): {
  readonly isUnderWay: boolean;
  readonly error: string | null;
  readonly redact: (reason: string) => Promise<void>;
} {
  const [isUnderWay, setUnderWay] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const redact = async (reason: string): Promise<void> => {
    setUnderWay(true);
    setError(null);
    try {
      await room.redact(message_id, reason);
      say("The message is redacted");
      onDone();
    } catch (refusal) {
      setError((refusal as RoomlogError).detail);
      setUnderWay(false);
    }
  };
  return { isUnderWay, error, redact };
}

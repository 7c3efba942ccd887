import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { RoomMessage } from "roomlog-js";
import { useTyping } from "roomlog-js/react";
import { listOf, nameOf } from "../format";
import { Icon } from "../parts/icon";
import { useRoomView } from "../room-context";
import { completed, mentionables, mentionAt, matching, type Mentionable } from "./mentions";

/** What is being done with the field: something new, an answer, or an edit. */
export type Writing =
  | { readonly kind: "new" }
  | { readonly kind: "reply"; readonly to: RoomMessage }
  | { readonly kind: "edit"; readonly of: RoomMessage };

const TYPING_EVERY_MS = 1500;
const ROWS_PX_MAX = 240;

/** The field in which messages are written, with its mentions. `draft` outlives the field. */
export function Composer(props: {
  readonly roomId: string;
  readonly writing: Writing;
  readonly draft: string;
  readonly onDraft: (draft: string) => void;
  readonly onSend: (content: string) => void;
  readonly onCancel: () => void;
  readonly onEditLast: () => void;
}): React.ReactNode {
  const { roomId, writing, draft, onDraft, onSend, onCancel, onEditLast } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const [caret, setCaret] = useState(0);
  const { members, userId } = useRoomView();
  const id = useId();
  const isTyping = useTypingTold(roomId);
  const all = useMemo(
    () => mentionables(members).filter((one) => one.id !== userId),
    [members, userId],
  );
  const mentions = useMentions(all, draft, caret);

  useLayoutEffect(() => {
    const element = field.current;
    if (element !== null) {
      element.style.height = "auto";
      element.style.height = `${Math.min(element.scrollHeight, ROWS_PX_MAX)}px`;
    }
  }, [draft]);

  useEffect(() => {
    if (writing.kind !== "new") {
      field.current?.focus();
    }
  }, [writing]);

  const put = (text: string, at: number): void => {
    onDraft(text);
    setCaret(at);
    requestAnimationFrame(() => field.current?.setSelectionRange(at, at));
  };
  const take = (chosen: Mentionable): void => {
    const { text, caret: at } = completed(draft, caret, chosen);
    put(text, at);
    mentions.close();
  };
  const send = (): void => {
    if (draft.trim() !== "") {
      isTyping(false);
      onSend(draft);
      setCaret(0);
    }
  };
  const onKeyDown = (key: React.KeyboardEvent): void => {
    if (key.nativeEvent.isComposing) {
      return;
    }
    if (mentions.found.length > 0 && mentions.onKey(key, take)) {
      key.preventDefault();
      key.stopPropagation();
    } else if (key.key === "Enter" && !key.shiftKey && !key.altKey) {
      key.preventDefault();
      send();
    } else if (key.key === "Escape" && writing.kind !== "new") {
      key.preventDefault();
      key.stopPropagation();
      onCancel();
    } else if (key.key === "ArrowUp" && draft === "" && writing.kind === "new") {
      key.preventDefault();
      onEditLast();
    }
  };
  const open = mentions.found.length > 0;
  return (
    <form
      className="composer"
      onSubmit={(form) => {
        form.preventDefault();
        send();
      }}
    >
      <WritingNote writing={writing} onCancel={onCancel} />
      {open && <MentionList id={id} mentions={mentions} onChosen={take} />}
      <div className="field">
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          value={draft}
          placeholder="Write a message"
          aria-label={writing.kind === "edit" ? "Edit the message" : "Message"}
          role="combobox"
          aria-autocomplete="list"
          aria-expanded={open}
          aria-controls={open ? `${id}-list` : undefined}
          aria-activedescendant={open ? `${id}-${mentions.chosen}` : undefined}
          onChange={(change) => {
            onDraft(change.target.value);
            setCaret(change.target.selectionStart);
            isTyping(change.target.value.trim() !== "" && writing.kind !== "edit");
          }}
          onSelect={(selection) => setCaret(selection.currentTarget.selectionStart)}
          onBlur={() => isTyping(false)}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          className="primary icon"
          disabled={draft.trim() === ""}
          title={writing.kind === "edit" ? "Save" : "Send"}
          aria-label={writing.kind === "edit" ? "Save" : "Send"}
        >
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}

function WritingNote(props: {
  readonly writing: Writing;
  readonly onCancel: () => void;
}): React.ReactNode {
  const { writing, onCancel } = props;
  const { members } = useRoomView();
  if (writing.kind === "new") {
    return null;
  }
  const message = writing.kind === "edit" ? writing.of : writing.to;
  return (
    <div className="writing">
      <Icon name={writing.kind === "edit" ? "edit" : "reply"} />
      <span>
        {writing.kind === "edit" ? "Editing" : `Replying to ${nameOf(message.sender_id, members)}`}
      </span>
      <span className="quoted">{message.content.slice(0, 200)}</span>
      <button type="button" className="icon" aria-label="Cancel" title="Cancel" onClick={onCancel}>
        <Icon name="close" />
      </button>
    </div>
  );
}

interface Mentions {
  readonly found: readonly Mentionable[];
  readonly chosen: number;
  readonly choose: (index: number) => void;
  readonly close: () => void;
  /** Whether the key was one of the list's. */
  readonly onKey: (key: React.KeyboardEvent, take: (chosen: Mentionable) => void) => boolean;
}

function useMentions(all: readonly Mentionable[], text: string, caret: number): Mentions {
  const begun = mentionAt(text, caret);
  const found = useMemo(() => (begun === null ? [] : matching(all, begun)), [all, begun]);
  const [chosen, setChosen] = useState(0);
  const [closed, setClosed] = useState<string | null>(null);
  useEffect(() => {
    setChosen(0);
    setClosed((now) => (begun === null ? null : now));
  }, [begun]);
  // Whoever closed the list, or has the name complete, is left alone until they write on.
  const isComplete = found.length === 1 && found[0]?.written === begun;
  const shown = begun === null || begun === closed || isComplete ? [] : found;
  return {
    found: shown,
    chosen: Math.min(chosen, Math.max(0, shown.length - 1)),
    choose: setChosen,
    close: () => setClosed(begun),
    onKey: (key, take) => {
      switch (key.key) {
        case "ArrowDown":
          setChosen((chosen + 1) % shown.length);
          return true;
        case "ArrowUp":
          setChosen((chosen + shown.length - 1) % shown.length);
          return true;
        case "Tab":
        case "Enter": {
          const one = shown[chosen];
          if (key.shiftKey || one === undefined) {
            return false;
          }
          take(one);
          return true;
        }
        case "Escape":
          setClosed(begun);
          return true;
        default:
          return false;
      }
    },
  };
}

function MentionList(props: {
  readonly id: string;
  readonly mentions: Mentions;
  readonly onChosen: (chosen: Mentionable) => void;
}): React.ReactNode {
  const { id, mentions, onChosen } = props;
  return (
    <ul className="mentions" id={`${id}-list`} role="listbox" aria-label="Mention">
      {mentions.found.map((one, index) => (
        <li
          key={one.id}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === mentions.chosen}
          onPointerEnter={() => mentions.choose(index)}
          onPointerDown={(press) => {
            press.preventDefault();
            onChosen(one);
          }}
        >
          <b>@{one.written}</b>{" "}
          <span className="quiet">{one.name === one.written ? one.id : one.name}</span>
        </li>
      ))}
    </ul>
  );
}

/** Says that somebody types while they do, now and then, and that they stopped, once. */
function useTypingTold(roomId: string): (active: boolean) => void {
  const { setTyping } = useTyping(roomId);
  const told = useRef({ active: false, at_ms: 0 });
  return (active) => {
    const now_ms = Date.now();
    const { active: before, at_ms } = told.current;
    if (active ? !before || now_ms - at_ms > TYPING_EVERY_MS : before) {
      told.current = { active, at_ms: now_ms };
      setTyping(active);
    }
  };
}

/** Who else types. Always there, so that nothing moves when somebody begins. */
export function Typists(props: { readonly roomId: string }): React.ReactNode {
  const { users } = useTyping(props.roomId);
  const { members } = useRoomView();
  const names = users.map((user) => nameOf(user, members));
  const verb = names.length === 1 ? "is" : "are";
  return (
    <p className="typists" role="status">
      {names.length > 0 && (
        <>
          <span className="dots" aria-hidden="true" /> {listOf(names)} {verb} typing…
        </>
      )}
    </p>
  );
}

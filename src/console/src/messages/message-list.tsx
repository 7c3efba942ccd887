import { type Ref, useCallback, useImperativeHandle, useMemo, useRef } from "react";
import type { RoomMessage } from "roomlog-js";
import { dayOf } from "../format";
import { useRoomView } from "../room-context";
import { MessageRow } from "./message-row";
import { estimatedHeight, type Row, rowsOf } from "./rows";
import { type ListHandle, type Seen, WindowedList } from "./windowed-list";

/** What is seen of a room's messages. */
export interface SeenMessages {
  readonly isAtEnd: boolean;
  /** The sequence of the last message that is at least partly seen; 0 for none. */
  readonly last: number;
  readonly firstUnread: boolean;
}

const ROWS_BEFORE_MORE = 25;
const MORE_MESSAGES = 200;
/** Whoever has gone back so far goes further: fewer, larger pages. */
const FAR_BACK = 1000;
const FAR_MESSAGES = 500;

/** A room's messages, of which only those in sight exist; older ones are loaded on the way up. */
export function MessageList(props: {
  readonly messages: readonly RoomMessage[];
  readonly firstUnread: string | null;
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  readonly loadMore: (limit?: number) => Promise<void>;
  /** A message that was looked for. */
  readonly marked: string | null;
  readonly onSeen: (seen: SeenMessages) => void;
  readonly handle: Ref<ListHandle>;
  readonly label: string;
}): React.ReactNode {
  const { messages, firstUnread, hasMore, loadingMore, loadMore, marked, label } = props;
  const { onSeen, handle } = props;
  const list = useRef<ListHandle>(null);
  useImperativeHandle(handle, () => list.current as ListHandle);
  const rows = useMemo(() => rowsOf(messages, firstUnread), [messages, firstUnread]);
  const onKeyDown = useMessageKeys(rows, list);

  const seen = useCallback(
    ({ isAtEnd, first, end }: Seen) => {
      if (first < ROWS_BEFORE_MORE && hasMore && !loadingMore) {
        void loadMore(rows.length > FAR_BACK ? FAR_MESSAGES : MORE_MESSAGES);
      }
      const shown = rows.slice(first, end);
      const last = shown.findLast((row) => row.kind === "message" && row.message.logged);
      onSeen({
        isAtEnd,
        last: last?.kind === "message" ? last.message.sequence_number : 0,
        firstUnread: shown.some(({ kind }) => kind === "unread"),
      });
    },
    [rows, hasMore, loadingMore, loadMore, onSeen],
  );
  const render = useCallback(
    (row: Row) => {
      switch (row.kind) {
        case "top":
          return <Top key={row.key} hasMore={hasMore} />;
        case "day":
          return (
            <h2 key={row.key} data-row={row.key} className="day">
              <span>{dayOf(row.at)}</span>
            </h2>
          );
        case "unread":
          return (
            <h2 key={row.key} data-row={row.key} className="unread-line">
              <span>New</span>
            </h2>
          );
        case "message": {
          const { key, message, goesOn } = row;
          return (
            <MessageRow key={key} message={message} goesOn={goesOn} marked={key === marked} />
          );
        }
      }
    },
    [hasMore, marked],
  );
  return (
    <WindowedList
      rows={rows}
      estimate={estimatedHeight}
      render={render}
      onSeen={seen}
      handle={list}
      onKeyDown={onKeyDown}
      label={label}
      busy={loadingMore}
    />
  );
}

function Top(props: { readonly hasMore: boolean }): React.ReactNode {
  return (
    <p data-row="top" className="top quiet">
      {props.hasMore ? "Loading older messages…" : "The room begins here."}
    </p>
  );
}

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };

/** Arrow keys go from message to message, letters do what the message's buttons do. */
function useMessageKeys(
  rows: readonly Row[],
  list: React.RefObject<ListHandle | null>,
): (key: React.KeyboardEvent) => void {
  const { canWrite, userId, actions } = useRoomView();
  const focus = (key: string): void => {
    const there = list.current?.element(key);
    if (there != null && isInSight(there)) {
      there.focus({ preventScroll: true });
      return;
    }
    list.current?.show(key);
    requestAnimationFrame(() => list.current?.element(key)?.focus({ preventScroll: true }));
  };
  return (key) => {
    const target = key.target as HTMLElement;
    const isRow = target.dataset["row"] !== undefined;
    if (key.ctrlKey || key.metaKey || key.altKey || !(isRow || target === key.currentTarget)) {
      return;
    }
    const now = rows.findIndex((row) => row.key === target.dataset["row"]);
    const step = STEPS[key.key];
    const next =
      key.key === "Home" || key.key === "End"
        ? beside(rows, key.key === "Home" ? -1 : rows.length, key.key === "Home" ? 1 : -1)
        : step === undefined
          ? undefined
          : beside(rows, isRow ? now : rows.length, isRow ? step : -1);
    if (next !== undefined) {
      key.preventDefault();
      focus(next);
      return;
    }
    const row = rows[now];
    if (row?.kind !== "message" || !canWrite || !row.message.logged) {
      return;
    }
    const { message } = row;
    if (message.deleted_at !== null || message.message_type === "system") {
      return;
    }
    if (key.key === "r") {
      key.preventDefault();
      actions.reply(message);
    } else if (key.key === "e" && message.sender_id === userId) {
      key.preventDefault();
      actions.edit(message);
    } else if (key.key === "+") {
      key.preventDefault();
      target.querySelector<HTMLButtonElement>('[data-act="react"]')?.click();
    }
  };
}

/** The message next to a row, in one direction. */
function beside(rows: readonly Row[], from: number, step: number): string | undefined {
  for (let n = from + step; n >= 0 && n < rows.length; n += step) {
    const row = rows[n];
    if (row?.kind === "message") {
      return row.key;
    }
  }
  return undefined;
}

function isInSight(element: HTMLElement): boolean {
  const outer = element.closest(".scroller")?.getBoundingClientRect();
  const own = element.getBoundingClientRect();
  return outer !== undefined && own.top >= outer.top && own.bottom <= outer.bottom;
}

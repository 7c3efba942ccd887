import { useEffect, useState } from "react";
import type { Room, SearchHit, SearchOrder } from "roomlog-js";
import { useMessages } from "roomlog-js/react";
import { exactTime, nameOf, timeOf } from "../format";
import { useRoomView } from "../room-context";
import { stretches } from "./highlight";
import { Panel } from "./panel";

const PAUSE_MS = 250;
const PAGE_HITS = 30;

interface Found {
  readonly hits: readonly SearchHit[];
  readonly next: string | null;
}

type Outcome =
  | { readonly state: "idle" | "asking" }
  | { readonly state: "found"; readonly found: Found }
  | { readonly state: "failed"; readonly detail: string };

/** Searches the room; a hit leads to its message. */
export function Search(props: {
  readonly room: Room;
  readonly onHit: (hit: SearchHit) => void;
  readonly onClose: () => void;
}): React.ReactNode {
  const { room, onHit, onClose } = props;
  const [text, setText] = useState("");
  const [order, setOrder] = useState<SearchOrder>("newest");
  const { gone, loads } = useMessages(room.id);
  const { outcome, more } = useSearch(room, text.trim(), order, loads);
  // What was deleted or redacted since is not shown any longer, nor said to be found.
  const hits =
    outcome.state === "found"
      ? outcome.found.hits.filter(({ message }) => !gone.has(message.message_id))
      : [];
  const next = outcome.state === "found" ? outcome.found.next : null;
  return (
    <Panel title="Search" onClose={onClose}>
      <form role="search" className="search" onSubmit={(form) => form.preventDefault()}>
        <input
          type="search"
          aria-label="Search this room"
          placeholder={'pool "too many clients" -test'}
          value={text}
          onChange={(change) => setText(change.target.value)}
        />
        <label>
          <span className="visually-hidden">Order</span>
          <select value={order} onChange={(change) => setOrder(change.target.value as SearchOrder)}>
            <option value="newest">Newest first</option>
            <option value="relevance">Best first</option>
          </select>
        </label>
      </form>
      <p className="quiet summary" role="status">
        {told(outcome, text, hits.length)}
      </p>
      <ol className="hits">
        {hits.map((hit) => (
          <li key={hit.message.message_id}>
            <Hit hit={hit} onHit={onHit} />
          </li>
        ))}
      </ol>
      {next !== null && (
        <button type="button" className="more" onClick={() => void more()}>
          More
        </button>
      )}
    </Panel>
  );
}

function told(outcome: Outcome, text: string, count: number): string {
  switch (outcome.state) {
    case "idle":
      return text === "" ? "Words, “phrases in quotes”, -not this, this or that." : "";
    case "asking":
      return "Searching…";
    case "failed":
      return outcome.detail;
    case "found": {
      const { next } = outcome.found;
      if (count === 0 && next === null) {
        return "Nothing was found.";
      }
      return `${count}${next === null ? "" : "+"} found`;
    }
  }
}

function Hit(props: {
  readonly hit: SearchHit;
  readonly onHit: (hit: SearchHit) => void;
}): React.ReactNode {
  const { hit, onHit } = props;
  const { members } = useRoomView();
  const { sender_id, created_at } = hit.message;
  return (
    <button type="button" className="hit" onClick={() => onHit(hit)}>
      <span className="by">
        <b>{nameOf(sender_id, members)}</b>
        <time dateTime={created_at} title={exactTime(created_at)}>
          {timeOf(created_at)}
        </time>
      </span>
      <span className="text">
        {stretches(hit.highlight).map(({ text, marked }, n) =>
          marked ? <mark key={n}>{text}</mark> : <span key={n}>{text}</span>,
        )}
      </span>
    </button>
  );
}

function useSearch(
  room: Room,
  text: string,
  order: SearchOrder,
  loads: number,
): { readonly outcome: Outcome; readonly more: () => Promise<void> } {
  const [outcome, setOutcome] = useState<Outcome>({ state: "idle" });
  useEffect(() => {
    if (text === "") {
      setOutcome({ state: "idle" });
      return;
    }
    const giveUp = new AbortController();
    const ask = async (): Promise<void> => {
      setOutcome({ state: "asking" });
      try {
        const query = { order, limit: PAGE_HITS, signal: giveUp.signal };
        const { items, next } = await room.search(text, query);
        setOutcome({ state: "found", found: { hits: items, next } });
      } catch (error) {
        if (!giveUp.signal.aborted) {
          setOutcome({ state: "failed", detail: (error as Error).message });
        }
      }
    };
    const timer = setTimeout(() => void ask(), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      giveUp.abort();
    };
  }, [room, text, order, loads]);

  const more = async (): Promise<void> => {
    if (outcome.state !== "found" || outcome.found.next === null) {
      return;
    }
    const { found } = outcome;
    try {
      const { items, next } = await room.search(text, { cursor: found.next });
      setOutcome((now) =>
        now === outcome
          ? { state: "found", found: { hits: [...found.hits, ...items], next } }
          : now,
      );
    } catch (error) {
      setOutcome({ state: "failed", detail: (error as Error).message });
    }
  };
  return { outcome, more };
}

import { useEffect, useState } from "react";
import type { Room, RoomMessage } from "roomlog-js";
import { RoomlogError } from "roomlog-js";
import { exactTime, nameOf } from "../format";
import { useRoomView } from "../room-context";
import type { Version } from "../timeline/story";
import { difference } from "./diff";
import { Panel } from "./panel";

/** What a message said, version by version, with what is different in each. */
export function Versions(props: {
  readonly versions: readonly Version[] | null;
  readonly error: string | null;
  readonly onClose: () => void;
  /** Show the room at a version's moment, where that can be done. */
  readonly onMoment?: (sequence: number) => void;
}): React.ReactNode {
  const { versions, error, onClose, onMoment } = props;
  return (
    <Panel title="Versions" onClose={onClose}>
      {error !== null && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
      {versions === null && error === null && <p className="quiet summary">Reading…</p>}
      {versions?.length === 1 && <p className="quiet summary">It was never changed.</p>}
      <ol className="versions">
        {versions?.map((version, n) => (
          <li key={version.sequence}>
            <VersionHead version={version} number={n + 1} />
            <Change before={versions[n - 1]} version={version} />
            {onMoment !== undefined && (
              <button type="button" className="link" onClick={() => onMoment(version.sequence)}>
                Show the room then
              </button>
            )}
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function VersionHead(props: {
  readonly version: Version;
  readonly number: number;
}): React.ReactNode {
  const { number, version } = props;
  const { members } = useRoomView();
  const { by, at, deleted, reason } = version;
  const did = deleted ? "deleted" : number === 1 ? "written" : "edited";
  return (
    <header>
      <b>{number}</b> {did} by {nameOf(by, members)}
      <time dateTime={at}>{exactTime(at)}</time>
      {reason !== null && <q>{reason}</q>}
    </header>
  );
}

function Change(props: {
  readonly before: Version | undefined;
  readonly version: Version;
}): React.ReactNode {
  const { before, version } = props;
  if (before === undefined) {
    return <p className="text">{version.content}</p>;
  }
  return (
    <p className="text">
      {difference(before.content, version.content).map(({ kind, text }, n) => {
        if (kind === "same") {
          return <span key={n}>{text}</span>;
        }
        return kind === "added" ? (
          <ins key={n}>
            <span className="visually-hidden">[added: </span>
            {text}
            <span className="visually-hidden">]</span>
          </ins>
        ) : (
          <del key={n}>
            <span className="visually-hidden">[removed: </span>
            {text}
            <span className="visually-hidden">]</span>
          </del>
        );
      })}
    </p>
  );
}

/** The versions of a message that is there, as the server has them; read anew when it changes. */
export function useVersions(
  room: Room,
  message: RoomMessage | null,
): { readonly versions: readonly Version[] | null; readonly error: string | null } {
  const [versions, setVersions] = useState<readonly Version[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const id = message?.message_id;
  const newest = message?.version;
  const isGone = message !== null && message.deleted_at !== null;
  useEffect(() => {
    if (id === undefined || newest === undefined) {
      return;
    }
    if (isGone) {
      setVersions(null); // whatever the server answers, and when
    }
    const giveUp = new AbortController();
    const read = async (): Promise<void> => {
      setError(null);
      try {
        setVersions(await allVersions(room, id, giveUp.signal));
      } catch (refusal) {
        if (!giveUp.signal.aborted) {
          setVersions(null);
          setError(refusal instanceof RoomlogError ? refusal.detail : String(refusal));
        }
      }
    };
    void read();
    return () => giveUp.abort();
  }, [room, id, newest, isGone]);
  return { versions, error };
}

async function allVersions(room: Room, id: string, signal: AbortSignal): Promise<Version[]> {
  const found: Version[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Room["versions"]>> = await room.versions(id, {
      limit: 100,
      cursor,
      signal,
    });
    for (const { version, content, edited_by, edited_at, reason } of page.items) {
      found.push({
        sequence: version,
        at: edited_at,
        by: edited_by,
        content,
        deleted: false,
        reason,
      });
    }
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

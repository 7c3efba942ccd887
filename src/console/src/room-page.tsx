import { useCallback, useEffect, useRef, useState } from "react";
import type { Room, RoomlogError, RoomMessage, RoomState } from "roomlog-js";
import { useMessages, useRoom } from "roomlog-js/react";
import { Announcer } from "./announcer";
import { Composer, Typists, type Writing } from "./composer/composer";
import { counted } from "./format";
import { MessageList, type SeenMessages } from "./messages/message-list";
import type { ListHandle } from "./messages/windowed-list";
import { People } from "./panels/people";
import { Search } from "./panels/search";
import { useVersions, Versions } from "./panels/versions";
import { Icon } from "./parts/icon";
import { Redaction } from "./redaction";
import { Removal } from "./removal";
import { RoomContext } from "./room-context";
import { NO_PANEL, type PanelShown, PeopleButton, RoomHeader, ToolButton } from "./room-header";
import { go, hrefOf } from "./routes";
import { say } from "./say";
import { useSession } from "./session-context";
import { useFirstUnread } from "./use-first-unread";
import { useLiveView } from "./use-live-view";
import { useSeen } from "./use-seen";
import { useShownMessage } from "./use-shown-message";

/** A room as it is now: what is said, and the field to say something. */
export function RoomPage(props: {
  readonly roomId: string;
  readonly message: string | null;
  readonly onList: () => void;
}): React.ReactNode {
  const { roomId, message, onList } = props;
  const { room, status, error, info } = useRoom(roomId);
  if (status === "ended" || info === null) {
    return (
      <main id="main" tabIndex={-1} className="welcome">
        {status === "ended" ? (
          <>
            <h1>This room can't be read</h1>
            <p className="quiet">{error?.detail}</p>
          </>
        ) : (
          <p className="quiet" role="status">
            Opening the room…{error !== null && ` (${error.detail})`}
          </p>
        )}
        <a href={hrefOf({ view: "rooms" })} className="to-list">
          To the rooms
        </a>
      </main>
    );
  }
  return <OpenRoom room={room} info={info} message={message} onList={onList} />;
}

const drafts = new Map<string, string>();
const NEW: Writing = { kind: "new" };

function OpenRoom(props: {
  readonly room: Room;
  readonly info: RoomState;
  readonly message: string | null;
  readonly onList: () => void;
}): React.ReactNode {
  const { room, info, message, onList } = props;
  const { claims } = useSession();
  const { messages, hasMore, loadingMore, loadMore, send, edit } = useMessages(room.id);
  const [writing, setWriting] = useState(NEW);
  const [draft, setDraft] = useState(drafts.get(room.id) ?? "");
  const [panel, setPanel] = useState(NO_PANEL);
  const [removing, setRemoving] = useState<RoomMessage | null>(null);
  const [redacting, setRedacting] = useState<RoomMessage | null>(null);
  const [seen, setSeen] = useState<SeenMessages | null>(null);
  const list = useRef<ListHandle>(null);
  const closePanel = useCallback(() => setPanel(NO_PANEL), []);
  const { marked, show } = useShownMessage(room, messages, list, message);
  const view = useLiveView(room, show, {
    ...{ setWriting, setDraft, setPanel, setRemoving, setRedacting },
  });
  const unread = useFirstUnread(room, messages, true, claims.sub);
  const toFirstUnread = async (): Promise<void> => {
    const id = await unread.find();
    if (id !== null) {
      show(id);
    }
    unread.lookedAt();
  };
  useSeen(room, seen);
  useSearchKey(setPanel);
  const onSeen = useCallback((now: SeenMessages) => {
    setSeen((before) => (before !== null && isSame(before, now) ? before : now));
  }, []);
  useEffect(() => {
    if (seen?.firstUnread === true) {
      unread.lookedAt();
    }
  }, [seen, unread.lookedAt]);

  const keep = (text: string): void => {
    setDraft(text);
    if (writing.kind !== "edit") {
      drafts.set(room.id, text);
    }
  };
  const stop = (): void => {
    setDraft(writing.kind === "edit" ? (drafts.get(room.id) ?? "") : draft);
    setWriting(NEW);
  };
  const about = aboutOf(writing);
  const isGone = messages.some((one) => one.message_id === about && one.deleted_at !== null);
  useEffect(() => {
    if (isGone) {
      // What was said there is not shown any longer, nor kept in the field to be said again.
      setDraft((before) => (writing.kind === "edit" ? (drafts.get(room.id) ?? "") : before));
      setWriting(NEW);
    }
  }, [isGone, writing, room.id]);
  const onSend = (content: string): void => {
    if (writing.kind === "edit") {
      const { message_id, version } = writing.of;
      if (content !== writing.of.content) {
        void edit(message_id, content, { expected_version: version });
      }
      setDraft(drafts.get(room.id) ?? "");
    } else {
      const reply = writing.kind === "reply" ? { reply_to: writing.to.message_id } : {};
      drafts.delete(room.id);
      setDraft("");
      send(content, reply).catch((refusal: RoomlogError) => {
        // Of all that may go wrong only this does not show in the list.
        if (refusal.code === "queue_full") {
          say("Too much is on its way already: this was not taken. Try again later.");
          keep(content);
        }
      });
      list.current?.showEnd();
    }
    setWriting(NEW);
  };
  const editLast = (): void => {
    const own = messages.findLast(
      (one) =>
        one.sender_id === claims.sub &&
        one.logged &&
        one.deleted_at === null &&
        one.message_type !== "system",
    );
    if (own !== undefined) {
      view.actions.edit(own);
    }
  };
  return (
    <RoomContext value={view}>
      <div className="room">
        <main id="main" tabIndex={-1} aria-label={info.name}>
          <RoomHeader
            info={info}
            status={info.status}
            mayChange={view.role === "commander" || claims.roles.includes("admin")}
            onList={onList}
          >
            <RoomTools room={room} panel={panel} onPanel={setPanel} />
          </RoomHeader>
          <div className="messages">
            {unread.count > 0 && (
              <button type="button" className="jump up" onClick={() => void toFirstUnread()}>
                <Icon name="up" /> {counted(unread.count, "unread message")}
              </button>
            )}
            <MessageList
              messages={messages}
              firstUnread={unread.id}
              hasMore={hasMore}
              loadingMore={loadingMore}
              loadMore={loadMore}
              marked={marked}
              onSeen={onSeen}
              handle={list}
              label={`Messages in ${info.name}`}
            />
            {seen?.isAtEnd === false && (
              <button type="button" className="jump down" onClick={() => list.current?.showEnd()}>
                <Icon name="down" /> To the latest
              </button>
            )}
          </div>
          <Typists roomId={room.id} />
          {view.canWrite && info.status !== "closed" ? (
            <Composer
              roomId={room.id}
              writing={writing}
              draft={draft}
              onDraft={keep}
              onSend={onSend}
              onCancel={stop}
              onEditLast={editLast}
            />
          ) : (
            <p className="note closed">
              {info.status === "closed"
                ? "This room is closed: nothing more is said here."
                : "You can read here, but not write."}
            </p>
          )}
          <Announcer messages={messages} />
        </main>
        <Shown room={room} panel={panel} onClose={closePanel} onHit={show} />
        {removing !== null && (
          <Removal
            room={room}
            message={asItIs(room, removing)}
            onClose={() => setRemoving(null)}
          />
        )}
        {redacting !== null && (
          <Redaction
            room={room}
            message={asItIs(room, redacting)}
            members={view.members}
            onClose={() => setRedacting(null)}
          />
        )}
      </div>
    </RoomContext>
  );
}

/** A message as it is by now: whoever is asked about it must not be shown what is gone. */
function asItIs(room: Room, message: RoomMessage): RoomMessage {
  return room.store.message(message.message_id) ?? message;
}

/** The id of the message that is edited or replied to. */
function aboutOf(writing: Writing): string | null {
  if (writing.kind === "new") {
    return null;
  }
  return (writing.kind === "edit" ? writing.of : writing.to).message_id;
}

function isSame(one: SeenMessages, other: SeenMessages): boolean {
  return (
    one.isAtEnd === other.isAtEnd &&
    one.last === other.last &&
    one.firstUnread === other.firstUnread
  );
}

function RoomTools(props: {
  readonly room: Room;
  readonly panel: PanelShown;
  readonly onPanel: (panel: PanelShown) => void;
}): React.ReactNode {
  const { room, panel, onPanel } = props;
  const toggle = (kind: "people" | "search"): void => {
    onPanel(panel.kind === kind ? NO_PANEL : { kind });
  };
  return (
    <>
      <PeopleButton open={panel.kind === "people"} onClick={() => toggle("people")} />
      <ToolButton
        name="Search"
        icon="search"
        open={panel.kind === "search"}
        onClick={() => toggle("search")}
      />
      <a
        className="button"
        href={hrefOf({ view: "timeline", room: room.id, at: null })}
        title="The room as it stood at any moment"
      >
        <Icon name="history" /> <span>Timeline</span>
      </a>
    </>
  );
}

function Shown(props: {
  readonly room: Room;
  readonly panel: PanelShown;
  readonly onClose: () => void;
  readonly onHit: (message_id: string) => void;
}): React.ReactNode {
  const { room, panel, onClose, onHit } = props;
  switch (panel.kind) {
    case "people":
      return <People onClose={onClose} />;
    case "search":
      return (
        <Search room={room} onHit={(hit) => onHit(hit.message.message_id)} onClose={onClose} />
      );
    case "versions":
      return <LiveVersions room={room} message={panel.of} onClose={onClose} />;
    default:
      return null;
  }
}

function LiveVersions(props: {
  readonly room: Room;
  readonly message: RoomMessage;
  readonly onClose: () => void;
}): React.ReactNode {
  const { room, message, onClose } = props;
  const { versions, error } = useVersions(room, room.store.message(message.message_id) ?? message);
  const onMoment = (at: number): void => go({ view: "timeline", room: room.id, at });
  return <Versions versions={versions} error={error} onClose={onClose} onMoment={onMoment} />;
}

function useSearchKey(setPanel: (panel: PanelShown) => void): void {
  useEffect(() => {
    const onKey = (key: KeyboardEvent): void => {
      if ((key.ctrlKey || key.metaKey) && key.key === "k") {
        key.preventDefault();
        setPanel({ kind: "search" });
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [setPanel]);
}

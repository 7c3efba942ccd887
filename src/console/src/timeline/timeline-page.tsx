import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Room, RoomMessage, RoomState } from "roomlog-js";
import { useRoom } from "roomlog-js/react";
import { exactTime } from "../format";
import { MessageList } from "../messages/message-list";
import type { ListHandle } from "../messages/windowed-list";
import { People } from "../panels/people";
import { Versions } from "../panels/versions";
import { Icon } from "../parts/icon";
import { Redaction } from "../redaction";
import { RoomContext, type RoomView } from "../room-context";
import { NO_PANEL, type PanelShown, RoomHeader, ToolButton } from "../room-header";
import { hrefOf } from "../routes";
import { copyAddress } from "../say";
import { useSession } from "../session-context";
import { Changes } from "./changes";
import { Scrubber } from "./scrubber";
import type { Mark, Story } from "./story";
import { usePast } from "./use-past";
import { usePlayback } from "./use-playback";
import { useStory } from "./use-story";

/** A room as it stood at any moment. */
export function TimelinePage(props: {
  readonly roomId: string;
  readonly at: number | null;
  readonly onList: () => void;
}): React.ReactNode {
  const { roomId, at, onList } = props;
  const { room, status, error, info } = useRoom(roomId);
  if (info === null || status === "ended") {
    return (
      <main id="main" tabIndex={-1} className="welcome">
        <p className="quiet" role="status">
          {status === "ended" ? `This room can't be read: ${error?.detail}` : "Opening the room…"}
        </p>
      </main>
    );
  }
  return <OpenTimeline room={room} info={info} at={at} onList={onList} />;
}

function OpenTimeline(props: {
  readonly room: Room;
  readonly info: RoomState;
  readonly at: number | null;
  readonly onList: () => void;
}): React.ReactNode {
  const { room, info, at, onList } = props;
  const { position } = useRoom(room.id);
  const { story, version, isWhole, share, error, retry } = useStory(room);
  const playback = usePlayback(story, at, position ?? 0);
  const { sequence, isPlaying, goTo } = playback;
  const past = usePast(room, sequence, story.erased);
  const [panel, setPanel] = useState(NO_PANEL);
  const [redacting, setRedacting] = useState<RoomMessage | null>(null);
  const list = useRef<ListHandle>(null);
  const view = usePastView(room, past.sequence, past.find, { setPanel, setRedacting }, list);
  useAddress(room, sequence, isPlaying);
  const marked = useMarked(story, past.sequence, past.messages, list);
  const closePanel = useCallback(() => setPanel(NO_PANEL), []);
  const toggle = (kind: "people" | "changes"): void => {
    setPanel((now) => (now.kind === kind ? NO_PANEL : { kind }));
  };
  return (
    <RoomContext value={view}>
      <div className="room past">
        <main id="main" tabIndex={-1} aria-label={`${info.name}, timeline`}>
          <RoomHeader
            info={info}
            status={story.statusAt(sequence) ?? info.status}
            mayChange={false}
            onList={onList}
          >
            <ToolButton
              name="People"
              icon="people"
              open={panel.kind === "people"}
              onClick={() => toggle("people")}
            />
            <ToolButton
              name="Changes"
              icon="history"
              open={panel.kind === "changes"}
              onClick={() => toggle("changes")}
            />
            <a className="button" href={hrefOf({ view: "room", room: room.id, message: null })}>
              <span>Back to now</span>
            </a>
          </RoomHeader>
          <p className="as-of" role="status">
            <Icon name="history" />
            {story.isEmpty || (!isWhole && story.head < sequence)
              ? "Reading the room's course…"
              : `As it stood on ${exactTime(playback.time_ms)}`}
          </p>
          <div className="messages">
            <MessageList
              messages={past.messages}
              firstUnread={null}
              hasMore={past.hasMore}
              loadingMore={past.loadingMore}
              loadMore={past.loadMore}
              marked={marked}
              onSeen={nothing}
              handle={list}
              label={`Messages in ${info.name} as they stood`}
            />
          </div>
          {(error ?? past.error) !== null && (
            <p className="error note" role="alert">
              {error ?? past.error}{" "}
              <button type="button" onClick={retry}>
                Try again
              </button>
            </p>
          )}
          {!isWhole && <progress aria-label="Reading the room's course" value={share} />}
          <Scrubber story={story} version={version} playback={playback} />
        </main>
        <Shown
          panel={panel}
          story={story}
          sequence={sequence}
          onMark={({ sequence: to }) => goTo(to)}
          onVersions={view.actions.versions}
          find={past.find}
          onMoment={goTo}
          onClose={closePanel}
        />
        {redacting !== null && (
          <Redaction
            room={room}
            message={redacting}
            members={view.members}
            onClose={() => setRedacting(null)}
          />
        )}
      </div>
    </RoomContext>
  );
}

function nothing(): void {}

function Shown(props: {
  readonly panel: PanelShown;
  readonly story: Story;
  readonly sequence: number;
  readonly onMark: (mark: Mark) => void;
  readonly onVersions: RoomView["actions"]["versions"];
  readonly find: RoomView["find"];
  readonly onMoment: (sequence: number) => void;
  readonly onClose: () => void;
}): React.ReactNode {
  const { panel, story, sequence, onMark, onMoment, onClose } = props;
  const [about, setAbout] = useState<string | null>(null);
  if (panel.kind === "people") {
    return <People onClose={onClose} />;
  }
  if (panel.kind === "changes" && about === null) {
    return (
      <Changes
        story={story}
        sequence={sequence}
        onMark={onMark}
        onVersions={setAbout}
        onClose={onClose}
      />
    );
  }
  const message = panel.kind === "versions" ? panel.of.message_id : about;
  if (message === null || panel.kind === "none") {
    return null;
  }
  const close = panel.kind === "changes" ? () => setAbout(null) : onClose;
  return (
    <Versions
      key={message}
      versions={story.versions(message)}
      error={null}
      onMoment={onMoment}
      onClose={close}
    />
  );
}

interface PastSetters {
  readonly setPanel: (panel: PanelShown) => void;
  readonly setRedacting: (message: RoomMessage) => void;
}

function usePastView(
  room: Room,
  sequence: number,
  find: RoomView["find"],
  { setPanel, setRedacting }: PastSetters,
  list: React.RefObject<ListHandle | null>,
): RoomView {
  const { claims } = useSession();
  const { members, role } = useRoom(room.id);
  return useMemo(
    () => ({
      userId: claims.sub,
      members,
      online: new Set<string>(),
      role,
      canWrite: false,
      canDelete: false,
      canRedact: claims.roles.includes("admin"),
      isPast: true,
      find,
      onFound: () => nothing, // another `find` comes with each page
      actions: {
        ...{ reply: nothing, edit: nothing, remove: nothing, react: nothing },
        ...{ retry: nothing, dismiss: nothing },
        redact: setRedacting,
        versions: (of) => setPanel({ kind: "versions", of }),
        copyLink: () => {
          void copyAddress(hrefOf({ view: "timeline", room: room.id, at: sequence }));
        },
        show: (message_id) => list.current?.show(message_id),
      },
    }),
    [room, sequence, claims, members, role, find, setPanel, setRedacting, list],
  );
}

const ADDRESS_PAUSE_MS = 400;

/** The address names the moment, so that it can be given to others. */
function useAddress(room: Room, sequence: number, isPlaying: boolean): void {
  useEffect(() => {
    if (isPlaying) {
      return;
    }
    const timer = setTimeout(() => {
      const href = hrefOf({ view: "timeline", room: room.id, at: sequence });
      window.history.replaceState(null, "", href);
    }, ADDRESS_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [room, sequence, isPlaying]);
}

/** The message that the moment's own event changed, put into sight. */
function useMarked(
  story: Story,
  sequence: number,
  messages: readonly unknown[],
  list: React.RefObject<ListHandle | null>,
): string | null {
  const mark = story.marks.find((one) => one.sequence === sequence);
  const about = mark?.kind === "edit" || mark?.kind === "delete" ? mark.about : null;
  useEffect(() => {
    if (about !== null && list.current?.element(about) === null) {
      list.current.show(about);
    }
  }, [about, messages, list]);
  return about;
}

import { useCallback, useState } from "react";
import { ConnectionStatus } from "./connection-status";
import { RoomList } from "./room-list";
import { RoomPage } from "./room-page";
import { useRoute } from "./routes";
import { TimelinePage } from "./timeline/timeline-page";
import { Toasts } from "./toasts";

/** What is there for whoever is signed in: the rooms at the side, and one of them. */
export function Shell(): React.ReactNode {
  const route = useRoute();
  const [listOpen, setListOpen] = useState(false);
  const closeList = useCallback(() => setListOpen(false), []);
  const openList = useCallback(() => setListOpen(true), []);
  const showsList = listOpen || route.view === "rooms";
  return (
    <div className={showsList ? "shell shows-list" : "shell"} data-view={route.view}>
      <a className="skip" href="#main" onClick={skip}>
        Skip to the messages
      </a>
      <RoomList chosen={"room" in route ? route.room : null} onChosen={closeList} />
      <div className="beside">
        <ConnectionStatus />
        {route.view === "rooms" && <Welcome />}
        {route.view === "room" && (
          <RoomPage
            key={route.room}
            roomId={route.room}
            message={route.message}
            onList={openList}
          />
        )}
        {route.view === "timeline" && (
          <TimelinePage key={route.room} roomId={route.room} at={route.at} onList={openList} />
        )}
      </div>
      <Toasts />
    </div>
  );
}

function skip(click: React.MouseEvent): void {
  // The part behind # is the route's: the focus is moved without it.
  click.preventDefault();
  document.getElementById("main")?.focus();
}

function Welcome(): React.ReactNode {
  return (
    <main id="main" tabIndex={-1} className="welcome">
      <h1>Choose a room</h1>
      <p className="quiet">
        What is said there is on disk before its sender is told so, and shows as it stood at any
        moment.
      </p>
    </main>
  );
}

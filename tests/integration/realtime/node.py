"""A node that serves WebSockets by a real uvicorn on loopback, over a log in memory."""

import asyncio
import contextlib
import json
import secrets
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlencode

import jwt
import uvicorn
from litestar import Litestar
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from roomlog.core.decide import Limits
from roomlog.core.policy import Actor
from roomlog.ports import DatabaseUnavailableError
from roomlog.realtime.handlers import websocket_handlers
from roomlog.realtime.parts import RealtimeParts
from roomlog.realtime.server import server_config
from roomlog.realtime.websocket_manager import WebSocketManager
from roomlog.services import identity
from roomlog.services.effects import Effects
from roomlog.services.event_service import EventService
from roomlog.services.fresh_keys import FreshKeys
from roomlog.services.message_service import MessageService
from roomlog.services.notice_service import NoticeService
from roomlog.services.once import Once
from roomlog.services.presence_service import PresenceService
from roomlog.services.progress import ProjectionProgress
from roomlog.services.reaction_service import ReactionService
from roomlog.services.readers import Readers
from roomlog.services.room_cache import RoomCache
from roomlog.services.room_service import RoomService
from roomlog.services.tokens import TokenVerifier
from roomlog.services.trail import Trail
from roomlog.services.used_ids import UsedIds
from roomlog.services.user_names import UserNames
from roomlog.services.writer import Writer
from roomlog_contract import resources as rs
from roomlog_contract import stored as st
from roomlog_contract.types import MessageType, RoomRole
from tests.asyncapi.conformance import server_frame_problems
from tests.integration.memory_trail import MemoryTrail
from tests.integration.realtime.memory_bus import MemoryBus
from tests.integration.realtime.memory_log import (
    MemoryKeyMarks,
    MemoryLog,
    MemoryMarkers,
    MemoryNames,
    MemoryRequests,
    NoSnapshots,
)
from tests.within import within

WAIT_S = 30.0
SECRET = secrets.token_hex(32)
COMMANDER = "ann@example.org"
MEMBERS = ("bob@example.org", "cid@example.org", "dee@example.org")


def token(user: str = COMMANDER, *roles: str, ttl_s: float = 3600) -> str:
    claims = {"sub": user, "exp": time.time() + ttl_s, "roles": list(roles)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


class GoneTables:
    """A read model whose database is away."""

    def __getattr__(self, name: str) -> Any:
        async def unavailable(*args: Any, **kwargs: Any) -> None:
            raise DatabaseUnavailableError(name)

        return unavailable


class Node:
    def __init__(self, log: MemoryLog, bus: MemoryBus | None = None, **parts: Any) -> None:
        self.log = log
        self.bus = bus or MemoryBus()
        self.presence = PresenceService(self.bus, typing_s=parts.pop("typing_s", 3))
        once = Once(MemoryRequests())
        self.notices = NoticeService(self.bus, Limits(), once)
        clock = identity.SystemClock()
        nothing = cast("Any", GoneTables())
        self.room_cache = RoomCache(cast("Any", log), NoSnapshots())
        progress = ProjectionProgress(cast("Any", log), nothing, nothing, clock)
        used = UsedIds(cast("Any", log), nothing, progress)
        writer = Writer(cast("Any", log), used, FreshKeys(MemoryKeyMarks()), clock)
        effects = Effects(cast("Any", log), nothing, progress, self.room_cache)
        self.markers = MemoryMarkers()
        self.trail = MemoryTrail()
        readers = Readers(self.room_cache, Trail(self.trail, clock, span_s=600))
        self.events = EventService(log=cast("Any", log), readers=readers)
        self.rooms = RoomService(
            log=cast("Any", log),
            read_model=nothing,
            snapshots=NoSnapshots(),
            rooms=self.room_cache,
            readers=readers,
            writer=writer,
            progress=progress,
            markers=self.markers,
            notices=self.notices,
            once=once,
            names=UserNames(MemoryNames()),
        )
        connections_max = parts.pop("connections_max", 1000)
        self.manager = WebSocketManager(self.events, self.presence, connections_max=connections_max)
        self.manager.listen(self.notices)
        self.parts = RealtimeParts(
            manager=self.manager,
            messages=MessageService(
                log=cast("Any", log),
                read_model=nothing,
                rooms=self.room_cache,
                readers=readers,
                writer=writer,
                effects=effects,
                progress=progress,
                clock=clock,
                limits=Limits(),
                notices=self.notices,
            ),
            reactions=ReactionService(
                read_model=nothing,
                rooms=self.room_cache,
                readers=readers,
                writer=writer,
                effects=effects,
                progress=progress,
            ),
            rooms=self.rooms,
            events=self.events,
            tokens=TokenVerifier(SECRET, clock),
            **parts,
        )
        self.port = 0
        self.server: uvicorn.Server | None = None

    async def new_room(self) -> str:
        members = [rs.NewMember(user, RoomRole.RESPONDER) for user in MEMBERS]
        command = rs.RoomCreate("incident", members=members)
        return (await self.rooms.create_room(Actor(COMMANDER), command, None)).room_id

    def put_messages(self, room_id: str, count: int, size: int = 20) -> None:
        """Put messages into the log without telling the feed; `deliver` does."""
        for number in range(count):
            self.log.put(room_id, message(room_id, f"{number:0{size}d}"))

    def url(self, room_id: str | None, **query: Any) -> str:
        path = "/ws" if room_id is None else f"/ws/{room_id}"
        return f"ws://127.0.0.1:{self.port}{path}" + ((query and "?" + urlencode(query)) or "")

    @asynccontextmanager
    async def client(
        self,
        room_id: str | None,
        user: str = COMMANDER,
        *,
        roles: tuple[str, ...] = (),
        **query: Any,
    ) -> AsyncIterator["Client"]:
        headers = {"Authorization": f"Bearer {token(user, *roles)}"}
        async with connect(
            self.url(room_id, **query),
            additional_headers=headers,
            max_size=None,
            proxy=None,
        ) as websocket:
            yield Client(websocket)


def message(room_id: str, content: str, actor: str = COMMANDER) -> bytes:
    body = st.MessageSentBody(content=content, message_type=MessageType.TEXT, salt="00")
    return st.encode_stored(
        type="message.sent",
        id=identity.new_id(),
        room_id=room_id,
        actor=actor,
        at="2026-01-01T00:00:00.000Z",
        body=body,
    )


class Client:
    """Frames one by one; what is passed over by `until` is gone, events are kept in `events`."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.lines: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    async def send(self, *frames: dict[str, Any]) -> None:
        await self.websocket.send("\n".join(json.dumps(frame) for frame in frames))

    async def next(self) -> dict[str, Any]:
        while not self.lines:
            text = await within(self.websocket.recv(), WAIT_S)
            assert isinstance(text, str)
            self.lines = [json.loads(line) for line in reversed(text.split("\n"))]
        frame = self.lines.pop()
        # Whatever a test is about, it only ever sees frames that are documented as they are.
        assert server_frame_problems(frame) == []
        if frame["type"] == "event":
            self.events.append(frame)
        return frame

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        while True:
            frame = await self.next()
            if frame["type"] == kind and fields.items() <= frame.items():
                return frame

    async def closed(self) -> tuple[int | None, str | None]:
        """Read to the end: the close code and reason."""
        await within(self._read_to_end(), WAIT_S)
        await self.websocket.wait_closed()
        return self.websocket.close_code, self.websocket.close_reason

    async def _read_to_end(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.next()


@asynccontextmanager
async def running_node(
    log: MemoryLog | None = None, bus: MemoryBus | None = None, **parts: Any
) -> AsyncGenerator[Node]:
    """A node on a free port until the block ends."""
    node = Node(log or MemoryLog(), bus, **parts)
    node.presence.start()
    app = Litestar(route_handlers=websocket_handlers(node.parts), logging_config=None)
    listener = socket.create_server(("127.0.0.1", 0))
    node.port = listener.getsockname()[1]
    node.server = uvicorn.Server(server_config(app, lifespan="off"))
    # serve() would take the signals of the test run.
    serving = asyncio.create_task(node.server._serve([listener]))
    await eventually(lambda: node.server is not None and node.server.started)
    try:
        yield node
    finally:
        node.server.should_exit = True
        await within(serving, WAIT_S)
        await node.presence.close()


async def eventually(condition: Any, timeout_s: float = WAIT_S) -> None:
    """Return when `condition()` holds; fail after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.005)


def assert_chain(events: list[dict[str, Any]], after: int) -> None:
    """Every event once, in order, each linked to the one before it."""
    previous = after
    for number, event in enumerate(events):
        linked = event["prev_sequence"]
        assert linked <= previous if number == 0 else linked == previous
        assert event["sequence"] > previous
        previous = event["sequence"]

"""The client: one connection, many rooms, whole again by itself after any outage."""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from roomlog_client.connection import Socket, Take
from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.command_queue import QUEUE_MAX
from roomlog_client.core.machine import Config, Machine
from roomlog_client.core.states import Reason, State
from roomlog_client.driver import Driver, Outward
from roomlog_client.errors import (
    ClosedError,
    RoomEndedError,
    RoomlogError,
    UnavailableError,
)
from roomlog_client.keys import new_key
from roomlog_client.queue_file import QueueFile
from roomlog_client.rest import Rest, load
from roomlog_client.room import OnReset, Pending, Room
from roomlog_client.signals import OnSignal, Signal
from roomlog_client.tokens import Tokens, TokenSource
from roomlog_client.waiters import Sent, Waiters
from roomlog_contract import frames as fr
from roomlog_contract import resources as rs
from roomlog_contract.types import RoomRole

_logger = logging.getLogger(__name__)


class RoomlogClient:
    """A client of the server at `url` (http, https, ws or wss).

    `token` is a JWT, or a function (async or not) that gives one whenever a new one is needed.
    `queue_file` keeps what is on its way over the end of this process. `on_signal` hears of the
    connection's state, presence, typing, notifications, and of what happens to commands that
    nobody waits for; it must be quick and is called on the event loop. `read_timeout_s` is how
    long a question by REST may wait for an answer. `tls` is for servers with certificates of
    their own.

    Use it as an async context manager, or call `connect` and `close`. It connects in the
    background: what it is asked meanwhile waits.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource,
        queue_file: str | Path | None = None,
        queue_max: int = QUEUE_MAX,
        read_timeout_s: float = 30.0,
        on_signal: OnSignal | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url, self._ws_url = _urls(url)
        self._tokens = Tokens(token)
        self._queue_path = None if queue_file is None else Path(queue_file)
        self._queue_file: QueueFile | None = None
        self._on_signal = on_signal
        self._machine = Machine(
            Config(
                queue_max=queue_max,
                persistent=queue_file is not None,
                user_id=self._tokens.user_id,
            )
        )
        self._driver: Driver | None = None
        self._rooms: dict[str, Room] = {}
        self._waiters = Waiters(self.post)
        self._changed = asyncio.Event()
        self._tls = tls
        self._over: ClosedError | None = None
        self.rest = Rest(self._base_url, self._tokens, timeout_s=read_timeout_s, tls=tls)

    # Its life

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Begin to connect; or connect at once, where it waits to try again or was closed for
        another reason than `close`. Raises QueueFileError and OSError for the queue file."""
        if self._driver is None:
            if self._queue_path is not None:
                self._queue_file = await asyncio.to_thread(QueueFile, self._queue_path)
            self._driver = Driver(
                self._machine,
                self._new_socket,
                self._tokens,
                self._queue_file,
                tell=self._tell,
                failed=self._failed,
            )
            self._driver.start()
            if self._queue_file is not None:
                self.post(inp.Restore(list(self._queue_file.items.values())))
        self.post(inp.Connect())
        await self._driver.settled()

    async def close(self) -> None:
        """End it for good. Who waits for a command is told UnsentError, who asks by REST
        ClosedError."""
        driver = self._driver
        if driver is not None:
            driver.post(inp.Close())
            await driver.settled()
            self._over = self._over or ClosedError("closed_by_user", "the client was closed")
            await driver.stop()
        await self.rest.close()
        if self._queue_file is not None:
            self._queue_file.close()
            self._queue_file = None

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._machine.state

    @property
    def reason(self) -> Reason | None:
        """Why it is not connected, where it is not."""
        return self._machine.reason

    @property
    def user_id(self) -> str | None:
        """Who the user is, as soon as that is known."""
        return self._machine.queue.user_id

    async def wait_for(self, *states: State) -> State:
        """Return when the connection is in one of these states. Raises ClosedError where it gets
        closed and that is none of them."""
        if self._driver is not None:
            await self._driver.settled()
        while self.state not in states:
            if self.state is State.CLOSED:
                raise self._closed()
            self._changed.clear()
            await self._changed.wait()
        return self.state

    def online(self) -> None:
        """The device has a network again: try at once."""
        self.post(inp.Online())

    def offline(self) -> None:
        """The device has no network: don't try."""
        self.post(inp.Offline())

    async def set_token(self, token: TokenSource) -> None:
        """Go on with another token of the same user. Raises what its function raises."""
        self._tokens.replace(token)
        if self._driver is not None:
            self.post(await self._tokens.fetch())
            await self._driver.settled()

    # Rooms

    async def room(
        self,
        room_id: str,
        *,
        after: int | None = None,
        epoch: str | None = None,
        html: bool = False,
        on_reset: OnReset | None = None,
    ) -> Room:
        """Follow a room: everything after the sequence `after`, or what comes from now on.

        Returns when the server has taken it in; what is appended from then on will be delivered.
        `epoch` is the one that `after` was seen in. `html` adds `content_html` to events.
        `on_reset` is called in the reader's order where the log is not the continuation of what
        the reader has seen, with the room as it stands; later events follow. A room that is open
        already is given as it is. Raises RoomEndedError, ClosedError, and ValueError for an id
        that is no UUID or an `after` for a room that is open.
        """
        named = str(UUID(room_id))
        room = self._rooms.get(named)
        if room is not None and not room.is_over:
            if after is not None:
                raise ValueError("the room is open already: leave it first")
        else:
            joined = inp.Join(named, after, epoch, html)
            self.post(joined)
            room = self._rooms[named] = Room(self, joined, on_reset)
            if self.state is State.CLOSED:
                room.end(self._closed())
        await room.subscribed.wait()
        if room.ended is not None:
            raise room.ended
        return room

    async def rooms(self) -> list[rs.RoomResponse]:
        """All rooms of the user. Raises RefusedError, UnavailableError and ClosedError."""
        found: list[rs.RoomResponse] = []
        cursor: str | None = None
        while True:
            query = {"limit": rs.PAGE_LIMIT_MAX, "cursor": cursor}
            page = await self.rest.get("/api/rooms", rs.Page[rs.RoomResponse], query)
            found += page.items
            if page.next is None:
                return found
            cursor = page.next

    async def create_room(
        self,
        name: str,
        *,
        title: str | None = None,
        severity: str | None = None,
        members: dict[str, RoomRole | str] | None = None,
        idempotency_key: str | None = None,
    ) -> rs.RoomResponse:
        """Create a room with these members (user id to role). Raises as `rooms`."""
        body = rs.RoomCreate(
            name=name,
            title=title,
            severity=severity,
            members=[rs.NewMember(who, RoomRole(role)) for who, role in (members or {}).items()],
        )
        key = new_key() if idempotency_key is None else idempotency_key
        return await self.rest.post("/api/rooms", rs.RoomResponse, body, key)

    # What rooms ask for

    def post(self, *inputs: inp.Input) -> None:
        """Have inputs taken by the machine."""
        if self._driver is None:
            raise ClosedError("not_started", "use it as a context manager, or call connect")
        if self._over is not None:
            raise self._over
        self._driver.post(*inputs)

    def post_next(self, given: inp.Input) -> None:
        """Have an input taken next, from within what the machine tells."""
        assert self._driver is not None
        self._driver.post_next(given)

    def forget(self, room: Room) -> None:
        """The room is not followed any more."""
        if self._rooms.get(room.room_id) is room:
            del self._rooms[room.room_id]

    def pending(self, room_id: str) -> Iterator[Pending]:
        """The room's commands whose events have not come, in order."""
        for item in self._machine.queue:
            if item.room_id == room_id and not item.echoed:
                yield Pending(item.name[1], item.status.value, item.command)

    async def command(self, room_id: str, key: str | None, command: inp.Command) -> Sent:
        """Have a command carried out; returns at its ack. Raises as `Waiters.command`, and
        ClosedError where the client is closed already."""
        if self.state is State.CLOSED:
            raise self._closed()
        name = (room_id, new_key() if key is None else key)
        return await self._waiters.command(name, command)

    def _new_socket(self, token: str, take: Take) -> Socket:
        return Socket(self._ws_url, token, take, tls=self._tls)

    # What the machine tells

    def _tell(self, effect: Outward) -> None:
        match effect:
            case ef.Acked() | ef.Refused() | ef.Unsent() | ef.Withdrawn():
                self._settled(effect)
            case ef.Pass():
                self._heard(effect)
            case ef.Load():
                assert self._driver is not None
                self._driver.spawn(self._load(effect))
            case ef.StateChanged():
                self._state_changed(effect)
            case ef.Deliver() | ef.Reset() | ef.RoomEnded():
                self._tell_room(effect)
            case ef.RoomLive() | ef.Held() | ef.Merged() | ef.Report():
                self._signal(effect)

    def _tell_room(self, effect: ef.Deliver | ef.Reset | ef.RoomEnded) -> None:
        deliver = isinstance(effect, ef.Deliver)
        room = self._rooms.get(effect.frame.room_id if deliver else effect.room_id)
        if room is not None:
            match effect:
                case ef.Deliver():
                    room.deliver(effect)
                case ef.Reset():
                    room.reset()
                case ef.RoomEnded():
                    room_id = effect.room_id
                    room.end(RoomEndedError(effect.code, effect.detail, room_id=room_id))
        if isinstance(effect, ef.RoomEnded):
            self._signal(effect)

    def _settled(self, effect: ef.Settlement) -> None:
        if self._waiters.settle(effect):
            return
        if isinstance(effect, ef.Refused):
            _logger.warning("a command that nobody waits for was refused: %s", effect)
        if isinstance(effect, ef.Acked | ef.Refused):
            self._signal(effect)

    def _heard(self, effect: ef.Pass) -> None:
        frame = effect.frame
        if isinstance(frame, fr.Subscribed | fr.Presence | fr.TypingUsers):
            room = self._rooms.get(frame.room_id)
            if room is not None:
                room.hear(frame)
        self._signal(frame)

    def _state_changed(self, effect: ef.StateChanged) -> None:
        self._changed.set()
        closed = self._closed() if effect.state is State.CLOSED else None
        for room in self._rooms.values():
            if closed is not None or isinstance(room.ended, ClosedError):
                room.end(closed)
        self._signal(effect)

    async def _load(self, effect: ef.Load) -> None:
        room_id, load_id = effect.room_id, effect.load
        try:
            reload = await load(
                self.rest, room_id, effect.epoch, effect.position, rs.PAGE_LIMIT_MAX
            )
        except UnavailableError as error:
            retry_ms = None if error.retry_after_s is None else int(error.retry_after_s * 1000)
            failed = inp.LoadFailed(room_id, load_id, error.code, error.detail, retry_ms)
            self.post(failed)
        except RoomlogError as error:
            self.post(inp.LoadFailed(room_id, load_id, error.code, error.detail))
        except Exception as error:  # noqa: BLE001 - the application's token function may raise it
            self.post(inp.LoadFailed(room_id, load_id, "token_failed", str(error)))
        else:
            room = self._rooms.get(room_id)
            if room is not None:
                room.loaded(reload)
            self.post(inp.Loaded(room_id, load_id))

    def _signal(self, signal: Signal) -> None:
        if self._on_signal is None:
            return
        try:
            self._on_signal(signal)
        except Exception:
            _logger.exception("on_signal failed")

    def _closed(self) -> ClosedError:
        if self._over is not None:
            return self._over
        reason = self._machine.reason
        assert reason is not None
        return ClosedError(reason.code.value, reason.detail, close_code=reason.close_code)

    def _failed(self, error: BaseException) -> None:
        self._over = ClosedError("client_failed", f"{type(error).__name__}: {error}")
        self._waiters.give_up(self._over.code, self._over.detail)
        for room in self._rooms.values():
            room.end(self._over)
        self._changed.set()


def _urls(url: str) -> tuple[str, str]:
    """Where REST and where the WebSocket is. Raises ValueError."""
    parts = urlsplit(url.rstrip("/"))
    pairs = {"http": "ws", "https": "wss"}
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in pairs or not parts.netloc:
        raise ValueError(f"not the address of a server: {url!r}")
    base = urlunsplit((scheme, parts.netloc, parts.path, "", ""))
    return base, urlunsplit((pairs[scheme], parts.netloc, f"{parts.path}/ws", "", ""))

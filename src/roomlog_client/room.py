"""One room as an application sees it."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, Self

import msgspec

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.errors import ClosedError, RoomEndedError, RoomlogError
from roomlog_client.keys import new_key
from roomlog_client.rest import Reload, Rest
from roomlog_client.room_reads import RoomReads
from roomlog_client.waiters import Sent
from roomlog_contract import frames as fr
from roomlog_contract import resources as rs
from roomlog_contract.types import MessageType

BUFFERED_EVENTS_MAX = 1000
_GO_ON_AT = BUFFERED_EVENTS_MAX // 4

OnReset = Callable[[Reload], Awaitable[None] | None]

_logger = logging.getLogger(__name__)


class Pending(msgspec.Struct, frozen=True):
    """A command whose event has not come yet; `status` as in the specification."""

    key: str
    status: str
    command: inp.Command


class RoomClient(Protocol):
    """What a room needs of its client."""

    rest: Rest

    def post(self, *inputs: inp.Input) -> None:
        """Have inputs taken."""
        ...

    def post_next(self, given: inp.Input) -> None:
        """Have one taken before any other."""
        ...

    async def command(self, room_id: str, key: str | None, command: inp.Command) -> Sent:
        """Have a command carried out."""
        ...

    def pending(self, room_id: str) -> Iterator[Pending]:
        """The room's commands that are not settled or not seen."""
        ...

    def forget(self, room: "Room") -> None:
        """The room is not followed any more."""
        ...


class Room(RoomReads):
    """A room that is followed. `async for event in room` gives each event once, in order, through
    any outage; one reader at a time.

    A reader that is slow holds nobody up and misses nothing: beyond BUFFERED_EVENTS_MAX waiting
    events the room is left, and taken up again where the reader is.

    `position` and `epoch` say how far the reader has come: write both down after an event is
    handled, and give them to `RoomlogClient.room` next time. `online` and `typists` are what was
    last told of presence.
    """

    def __init__(
        self,
        client: RoomClient,
        joined: inp.Join,
        on_reset: OnReset | None,
    ) -> None:
        super().__init__(client.rest, joined.room_id)
        self._client = client
        self._on_reset = on_reset
        self._buffer: deque[fr.MessageBroadcast | Reload] = deque()
        self._wake = asyncio.Event()
        self._end: RoomlogError | None = None
        self._paused = False
        self._reading = False
        self._reload: Reload | None = None
        self.subscribed = asyncio.Event()
        self.position = joined.after
        self.epoch = joined.epoch
        self.online: set[str] = set()
        self.typists: list[str] = []

    # Events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> fr.MessageBroadcast:
        """The next event. Raises RoomEndedError, and ClosedError where the client was closed for
        another reason than `close`."""
        if self._reading:
            raise RuntimeError("a room has one reader at a time")
        self._reading = True
        try:
            while True:
                if self._buffer:
                    event = await self._take(self._buffer.popleft())
                    if event is not None:
                        return event
                elif self._end is not None:
                    if isinstance(self._end, ClosedError) and self._end.code == "closed_by_user":
                        raise StopAsyncIteration
                    raise self._end
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._reading = False

    async def _take(self, first: fr.MessageBroadcast | Reload) -> fr.MessageBroadcast | None:
        if self._paused and len(self._buffer) <= _GO_ON_AT:
            self._paused = False
            self._client.post(inp.Unpause(self.room_id))
        if isinstance(first, fr.MessageBroadcast):
            self.position = first.sequence
            return first
        _logger.warning("room %s begins anew in epoch %s", self.room_id, first.epoch)
        if self._on_reset is not None and (handled := self._on_reset(first)) is not None:
            try:
                await handled
            except asyncio.CancelledError:
                # Whoever reads on must hear of it all the same.
                self._buffer.appendleft(first)
                raise
        self.position, self.epoch = first.position, first.epoch
        return None

    # Commands: each returns when it is on disk in the log, through any outage

    async def send(
        self,
        content: str,
        *,
        message_type: MessageType | str = MessageType.TEXT,
        metadata: dict[str, Any] | None = None,
        reply_to: str | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Say something. Raises RefusedError, UnsentError, ClosedError, and ValueError for a
        `message_type` that there is not."""
        command = fr.Send(
            ref="",
            content=content,
            message_type=MessageType(message_type),
            metadata=metadata or {},
            reply_to=reply_to,
        )
        return await self._client.command(self.room_id, idempotency_key, command)

    async def edit(
        self,
        message_id: str,
        content: str,
        *,
        metadata: dict[str, Any] | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Say it otherwise. With `expected_version`, only where nobody did so meanwhile. Raises as
        `send`: `version_mismatch`, `already_deleted`, `edit_window_closed`…"""
        command = fr.Edit(
            ref="",
            message_id=message_id,
            content=content,
            metadata=metadata,
            reason=reason,
            expected_version=expected_version,
        )
        return await self._client.command(self.room_id, idempotency_key, command)

    async def delete(
        self,
        message_id: str,
        *,
        reason: str | None = None,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Hide a message from the present. Raises as `send`."""
        command = fr.Delete(
            ref="", message_id=message_id, reason=reason, expected_version=expected_version
        )
        return await self._client.command(self.room_id, idempotency_key, command)

    async def redact(
        self, message_id: str, *, reason: str, idempotency_key: str | None = None
    ) -> rs.MessageResponse:
        """Remove for good what a message said, as `admin`; what is left, a tombstone. The reason
        stays on record. Raises RefusedError, UnavailableError when the time is over."""
        key = new_key() if idempotency_key is None else idempotency_key
        path = f"/api/messages/{message_id}/redact"
        body = rs.MessageRedact(reason)
        return await self._client.rest.post(path, rs.MessageResponse, body, key)

    async def react(
        self, message_id: str, emoji: str, *, idempotency_key: str | None = None
    ) -> Sent:
        """Add a reaction; one that is there already is a `duplicate`. Raises as `send`."""
        command = fr.React(ref="", message_id=message_id, emoji=emoji)
        return await self._client.command(self.room_id, idempotency_key, command)

    async def unreact(
        self, message_id: str, emoji: str, *, idempotency_key: str | None = None
    ) -> Sent:
        """Take a reaction back; one that is not there is a `duplicate`. Raises as `send`."""
        command = fr.Unreact(ref="", message_id=message_id, emoji=emoji)
        return await self._client.command(self.room_id, idempotency_key, command)

    @property
    def pending(self) -> list[Pending]:
        """One's own commands whose events have not come yet, in order: what to show as being
        on its way."""
        return list(self._client.pending(self.room_id))

    # What is told and not kept

    async def typing(self, active: bool = True) -> None:  # noqa: FBT001, FBT002 - reads well
        """Say that one types, or no more. It expires after seconds: say it again. Forgotten where
        there is no connection."""
        self._client.post(inp.Typing(self.room_id, active))

    async def seen(self, sequence: int) -> None:
        """Move the read marker to here, as soon as there is a connection; never back."""
        self._client.post(inp.Seen(self.room_id, sequence))

    async def leave(self) -> None:
        """Follow the room no more; `async for` ends."""
        self._client.post(inp.Leave(self.room_id))
        self._client.forget(self)
        self.end(ClosedError("closed_by_user", "the room was left"))

    # What the client tells the room

    def deliver(self, effect: ef.Deliver) -> None:
        """The next event is here."""
        if isinstance(effect.frame, fr.MessageBroadcast):
            self._buffer.append(effect.frame)
            self._wake.set()
            if len(self._buffer) >= BUFFERED_EVENTS_MAX and not self._paused:
                self._paused = True
                self._client.post_next(inp.Pause(self.room_id))

    def hear(self, frame: fr.Subscribed | fr.Presence | fr.TypingUsers) -> None:
        """Something was told about the room."""
        match frame:
            case fr.Subscribed():
                self.online, self.typists = set(frame.online), []
                self.epoch = self.epoch or frame.epoch
                if self.position is None and not frame.resumed:
                    self.position = frame.head
                self.subscribed.set()
            case fr.Presence():
                if frame.joined is not None:
                    self.online.add(frame.joined)
                if frame.left is not None:
                    self.online.discard(frame.left)
            case fr.TypingUsers():
                self.typists = frame.users

    def loaded(self, reload: Reload) -> None:
        """REST was read; `reset` follows where that still counts."""
        self._reload = reload

    def reset(self) -> None:
        """The room begins anew from what was loaded."""
        if self._reload is not None:
            self._buffer.append(self._reload)
            self._reload = None
            self._wake.set()

    def end(self, error: RoomlogError | None) -> None:
        """No event is to come, for this reason; None: they are to come again."""
        if error is None:
            self._end = None
            self.subscribed.clear()
        else:
            self._end = self._end or error
            self.subscribed.set()
        self._wake.set()

    @property
    def ended(self) -> RoomlogError | None:
        """Why no event is to come; None where they are."""
        return self._end

    @property
    def is_over(self) -> bool:
        """Whether the room itself ended, so that only joining anew helps."""
        return isinstance(self._end, RoomEndedError)

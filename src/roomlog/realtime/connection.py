"""One WebSocket connection: what its client says, and its subscriptions."""

import asyncio
import logging
from datetime import UTC, datetime

from roomlog import metrics
from roomlog.core import policy
from roomlog.core.decide import uuid
from roomlog.core.policy import Act, Actor, DeniedError
from roomlog.core.times import rfc3339
from roomlog.observability import tell
from roomlog.realtime.commands import Commands, Write, error_frame, refusal_of, turned_away
from roomlog.realtime.encoding import encode
from roomlog.realtime.inbound import MalformedBudget, UnusableFrameError, parse
from roomlog.realtime.lanes import Lanes, Work
from roomlog.realtime.listening import Listening
from roomlog.realtime.outbox import Outbox, Wire
from roomlog.realtime.parts import RealtimeParts
from roomlog.realtime.replay import replay
from roomlog.realtime.room_channel import RoomChannel, Subscription
from roomlog.realtime.seen import SeenMarks
from roomlog.realtime.sends import Sends
from roomlog.services import identity as ids
from roomlog.services.presence_service import PresenceService
from roomlog.services.tokens import Identity
from roomlog_contract import frames as fr
from roomlog_contract.errors import CloseCode, ErrorCode, RefusedError

COMMANDS_IN_FLIGHT_MAX = 64
SUBSCRIPTIONS_MAX = 256
ONLINE_USERS_MAX = 1000
_SETTLE_S = 4.0
_EXPIRY_CHECK_MAX_S = 3600.0

_logger = logging.getLogger(__name__)


class Connection:
    """One connection of an authenticated user.

    `room_id` is the room of `/ws/{room_id}`, None on `/ws`. Once `begin` is called, the wire
    calls `read` when messages wait, `resume` when the transport takes more, and `lost` when the
    end has begun.
    """

    def __init__(
        self, parts: RealtimeParts, wire: Wire, identity: Identity, room_id: str | None
    ) -> None:
        self._parts = parts
        self._wire = wire
        self._commands = Commands(parts.messages, parts.reactions)
        self._identity = identity
        self._loop = asyncio.get_running_loop()
        self.connection_id = ids.new_id()
        self.room_id = room_id
        self.subscriptions: dict[str, Subscription] = {}
        self.outbox = Outbox(
            wire,
            self._loop,
            lines_max=parts.outbox_lines,
            bytes_max=parts.outbox_bytes,
            on_overflow=self.too_slow,
        )
        self._closed = False
        self._made_s = self._loop.time()
        self._lanes = Lanes(COMMANDS_IN_FLIGHT_MAX)
        self._listening = Listening(
            wire,
            self._lanes,
            self.outbox,
            self,
            turns=parts.line_turns,
            room=room_id or self.connection_id,
            patience=parts.patience,
        )
        self._sends = Sends(self, self._commands, self._lanes, self.outbox.push, parts.ack_turns)
        self._seen_marks = SeenMarks(self._mark_read)
        self._replays: dict[Subscription, asyncio.Task[None]] = {}
        self._malformed = MalformedBudget()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def actor(self) -> Actor:
        """Whose connection it is."""
        return self._identity.actor

    # Its life

    async def begin(self, first: fr.Subscribe | None) -> None:
        """Say hello, and from then on take what the client says as it comes. `first` is what
        `/ws/{room_id}` subscribes to."""
        if self._closed:  # its client was gone before it could begin
            return
        tell(_logger, "connected", self._told())
        try:
            self._await_expiry()
            if first is not None:
                await self._subscribe_at_once(first)
            else:
                self._hello()
        except BaseException:
            self.close(CloseCode.INTERNAL_ERROR)
            raise
        self._listening.begin()
        self.outbox.flush()  # in this turn, so that it goes out with the handshake's answer

    def _told(self) -> dict[str, object]:
        return {
            "connection_id": self.connection_id,
            "user_id": self.actor.user_id,
            "room_id": self.room_id,
        }

    async def _subscribe_at_once(self, first: fr.Subscribe) -> None:
        assert self.room_id is not None
        try:
            await self._parts.events.open_room(self.actor, self.room_id)
            self._hello()
            await self._subscribe(self.room_id, first)
        except Exception as error:  # noqa: BLE001 - what is no refusal is logged there
            self._refuse_room(error)

    def _refuse_room(self, error: Exception) -> None:
        self._parts.denials.record(error, "websocket")
        refusal = refusal_of(error)
        if refusal is None:
            _logger.error("a room could not be opened", exc_info=error)
            self.close(CloseCode.INTERNAL_ERROR)
        elif refusal.code is ErrorCode.FORBIDDEN:
            self.close(CloseCode.NOT_A_MEMBER, refusal.detail)
        elif refusal.code is ErrorCode.NOT_FOUND:
            self.close(CloseCode.NO_SUCH_ROOM, refusal.detail)
        else:
            self._say(error_frame(refusal, None, self.room_id))
            self.close(CloseCode.POSITION_LOST, refusal.detail)

    def _hello(self) -> None:
        self._say(
            fr.Hello(
                connection_id=self.connection_id,
                user_id=self.actor.user_id,
                server_time=rfc3339(self._parts.clock.now()),
                heartbeat_seconds=self._parts.heartbeat_s,
                limits={
                    **self._parts.limits,
                    "commands_in_flight": COMMANDS_IN_FLIGHT_MAX,
                    "subscriptions": SUBSCRIPTIONS_MAX,
                },
            )
        )

    def read(self) -> None:
        """The wire has messages."""
        self._listening.read()

    def resume(self) -> None:
        """The transport takes more."""
        self.outbox.resume()

    def close(self, code: int, reason: str = "") -> None:
        """Send what still can be sent, then close with a code."""
        if not self._closed:
            self.outbox.flush()
            self.lost()
            self._wire.close(code, reason)

    def too_slow(self) -> None:
        """See Subscriber."""
        if not self._closed:
            metrics.SLOW_CONSUMER_CLOSES.inc()
            self.lost()
            self._wire.close(CloseCode.TOO_SLOW, "too slow: resume from the last sequence")

    def lost(self) -> None:
        """The connection is over: free everything that it holds."""
        if self._closed:
            return
        self._closed = True
        self.outbox.close()
        if self._expiry is not None:
            self._expiry.cancel()
        for task in self._replays.values():
            task.cancel()
        self._listening.end()
        self._parts.manager.disconnect(self)
        self.subscriptions.clear()
        if not self._lanes.idle or not self._seen_marks.idle:
            self._wire.keep(self._loop.create_task(self._settle()))
        lasted_s = round(self._loop.time() - self._made_s, 3)
        tell(_logger, "disconnected", {**self._told(), "lasted_s": lasted_s})

    async def _settle(self) -> None:
        await self._lanes.settle(_SETTLE_S)
        await self._seen_marks.settle(_SETTLE_S)

    def _await_expiry(self) -> None:
        left_s = self._identity.expires_at - self._parts.clock.now().timestamp()
        if left_s <= 0:
            self.close(CloseCode.UNAUTHENTICATED, "the token has expired")
        else:
            self._expiry = self._loop.call_later(
                min(left_s, _EXPIRY_CHECK_MAX_S), self._await_expiry
            )

    def _say(self, frame: fr.ServerFrame) -> None:
        self.outbox.push(encode(frame))

    # What the client says

    def take(self, line: str, *, late: bool) -> None:
        """See Listener. Only what writes is turned away."""
        try:
            frame = parse(line)
        except UnusableFrameError as error:
            if error.refusal.code is ErrorCode.UNKNOWN_TYPE:
                self._say(error_frame(error.refusal, error.ref, error.room_id))
            else:
                self.malformed(error.refusal, error.ref, error.room_id)
            return
        if late and isinstance(frame, Write):
            answer = self._sends.turn_away if isinstance(frame, fr.Send) else self.outbox.push
            answer(encode(turned_away(frame, frame.room_id or self.room_id)))
            return
        try:
            self._dispatch(frame)
        except RefusedError as refusal:
            self._parts.denials.record(refusal, "websocket")
            self._say(error_frame(refusal, frame.ref, getattr(frame, "room_id", None)))

    def malformed(
        self, refusal: RefusedError, ref: str | None = None, room_id: str | None = None
    ) -> None:
        """See Listener."""
        self._say(error_frame(refusal, ref, room_id))
        if not self._malformed.spend(self._loop.time()):
            self.close(CloseCode.MALFORMED, "too many malformed frames")

    def _dispatch(self, frame: fr.WebSocketMessage) -> None:
        if isinstance(frame, fr.Ping):
            self._pong(frame)
            return
        if isinstance(frame, fr.Auth):
            self._start(lambda: self._authenticate(frame), frame.ref, None, "auth")
            return
        room_id = self._room(frame.room_id)
        match frame:
            case fr.Send():
                self._sends.take(frame, room_id)
            case fr.Edit() | fr.Delete() | fr.React() | fr.Unreact():
                lane = f"message {frame.message_id.lower()}"
                self._start(lambda: self._write(frame, room_id), frame.ref, room_id, lane)
            case fr.Subscribe():
                lane = f"room {room_id}"
                self._start(lambda: self._subscribe(room_id, frame), frame.ref, room_id, lane)
            case fr.Unsubscribe():
                lane = f"room {room_id}"
                self._start(lambda: self._unsubscribe(room_id, frame), frame.ref, room_id, lane)
            case fr.Seen():
                lane = f"seen {room_id}"
                self._start(lambda: self._seen(room_id, frame), frame.ref, room_id, lane)
            case fr.Typing():
                self._types(room_id, active=frame.active)

    def _room(self, named: str | None) -> str:
        if named is None:
            if self.room_id is None:
                raise RefusedError(ErrorCode.INVALID, "must name the room", field="room_id")
            return self.room_id
        room_id = uuid(named, "room_id")
        if self.room_id not in {None, room_id}:
            raise RefusedError(
                ErrorCode.INVALID, "is not this connection's room: use /ws", field="room_id"
            )
        return room_id

    def _start(
        self, work: Work, ref: str | None, room_id: str | None, lane: str, *, holds: bool = True
    ) -> None:
        self._lanes.start(lambda: self._answered(work, ref, room_id), lane, holds=holds)

    async def _answered(self, work: Work, ref: str | None, room_id: str | None = None) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - what is no refusal is logged there
            if (line := self.failed(error, ref, room_id)) is not None:
                self.outbox.push(line)

    def defect(self, error: Exception) -> None:
        """See Listener."""
        _logger.error("what a client said could not be handled", exc_info=error)
        self.close(CloseCode.INTERNAL_ERROR)

    def failed(self, error: Exception, ref: str | None, room_id: str | None) -> bytes | None:
        """See Sender. What is no refusal ends the connection."""
        self._parts.denials.record(error, "websocket")
        refusal = refusal_of(error)
        if refusal is not None:
            return encode(error_frame(refusal, ref, room_id))
        _logger.error("a command failed", exc_info=error)
        self.close(CloseCode.INTERNAL_ERROR)
        return None

    def has_sent(self, room_id: str) -> None:
        """See Sender."""
        self._presence.stopped(room_id, self.actor.user_id)

    async def _write(self, frame: Write, room_id: str) -> None:
        self._say(await self._commands.write(self.actor, room_id, frame))

    def _types(self, room_id: str, *, active: bool) -> None:
        channel = self._parts.manager.channels.get(room_id)
        if room_id not in self.subscriptions or channel is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "not subscribed to this room")
        policy.require(Act.TYPE, self.actor, channel.room.state)
        self._presence.types(room_id, self.actor.user_id, active=active)

    @property
    def _presence(self) -> PresenceService:
        return self._parts.manager.presence

    async def _seen(self, room_id: str, frame: fr.Seen) -> None:
        await self._parts.rooms.check_read(self.actor, room_id, frame.sequence)
        self._seen_marks.note(room_id, frame.sequence)

    async def _mark_read(self, room_id: str, sequence: int) -> None:
        try:
            await self._parts.rooms.mark_read(self.actor, room_id, sequence)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                _logger.exception("a read marker could not be moved")
            else:
                self._say(error_frame(refusal, None, room_id))

    def _pong(self, frame: fr.Ping) -> None:
        heads: dict[str, int] = {}
        for room_id in list(self.subscriptions):
            channel = self._parts.manager.channels.get(room_id)
            if channel is not None:
                channel.flush()  # what the head counts is sent before it
                heads[room_id] = channel.room.position
        self._say(fr.Pong(heads=heads, **({} if frame.ref is None else {"ref": frame.ref})))

    async def _authenticate(self, frame: fr.Auth) -> None:
        identity = await self._parts.tokens.verify(frame.token)
        if identity.actor.user_id != self.actor.user_id:
            raise DeniedError(
                "the token is another user's",
                user_id=self.actor.user_id,
                act="go on as another user",
                room_id=None,
            )
        if self._closed:
            return
        self._identity = identity
        if self._expiry is not None:
            self._expiry.cancel()
        self._await_expiry()
        if frame.ref is not None:
            until = datetime.fromtimestamp(identity.expires_at, UTC)
            self._say(fr.Authenticated(ref=frame.ref, expires_at=rfc3339(until)))
        for room_id in list(self.subscriptions):
            channel = self._parts.manager.channels.get(room_id)
            if channel and not policy.allows(Act.READ, identity.actor, channel.room.state):
                self.membership_ended(room_id)

    # Subscriptions

    async def _subscribe(self, room_id: str, asked: fr.Subscribe) -> None:
        if len(self.subscriptions) >= SUBSCRIPTIONS_MAX and room_id not in self.subscriptions:
            raise RefusedError(
                ErrorCode.INVALID, f"at most {SUBSCRIPTIONS_MAX} rooms on one connection"
            )
        resumed, head = await self._resumable(room_id, asked)
        channel = await self._parts.manager.open_channel(self.actor, room_id)
        if self._closed:
            self._parts.manager.release(channel)
            return
        head = max(head, channel.room.position)
        position = asked.after if resumed and asked.after is not None else head
        subscription = Subscription(self, html=asked.html, position=position)
        channel.join(subscription)
        self._leave(room_id)  # an earlier one goes now: a room without any is let go
        self.subscriptions[room_id] = subscription
        self._say(
            fr.Subscribed(
                room_id=room_id,
                epoch=self._parts.events.epoch,
                head=head,
                role=policy.role_of(self.actor, channel.room.state),
                resumed=resumed,
                online=self._presence.online(room_id)[:ONLINE_USERS_MAX],
                **({} if asked.ref is None else {"ref": asked.ref}),
            )
        )
        if resumed:
            task = asyncio.create_task(self._replay(channel, subscription))
            self._replays[subscription] = task
            task.add_done_callback(lambda _: self._replays.pop(subscription, None))
        else:
            channel.go_live(subscription)

    async def _resumable(self, room_id: str, asked: fr.Subscribe) -> tuple[bool, int]:
        """Whether everything after `after` can follow, and the room's head as far as known."""
        events = self._parts.events
        room = await events.open_room(self.actor, room_id)
        if asked.after is None or asked.epoch not in {None, events.epoch}:
            return False, room.position
        head = room.position
        if asked.after > head:  # the feed may be a little behind the log
            head = await events.head(room_id)
        return asked.after <= head, head

    async def _replay(self, channel: RoomChannel, subscription: Subscription) -> None:
        try:
            await replay(self._parts.events, channel, subscription, self._parts.replay_slots)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                _logger.exception("a replay failed")
            self.close(CloseCode.POSITION_LOST, refusal.detail if refusal else "replay failed")

    async def _unsubscribe(self, room_id: str, frame: fr.Unsubscribe) -> None:
        if not self._leave(room_id):
            raise RefusedError(ErrorCode.NOT_FOUND, "not subscribed to this room")
        self._say(
            fr.Unsubscribed(room_id=room_id, code="unsubscribed", detail="as asked", ref=frame.ref)
        )

    def _leave(self, room_id: str) -> bool:
        subscription = self.subscriptions.pop(room_id, None)
        if subscription is None:
            return False
        if (task := self._replays.pop(subscription, None)) is not None:
            task.cancel()
        self._parts.manager.leave(room_id, subscription)
        return True

    def membership_ended(self, room_id: str) -> None:
        """The user may not read the room any more."""
        if self.room_id is not None:
            self.close(CloseCode.NOT_A_MEMBER, "membership ended")
        elif self._leave(room_id):
            self._say(
                fr.Unsubscribed(
                    room_id=room_id, code=ErrorCode.FORBIDDEN, detail="membership ended"
                )
            )

"""The rooms that a client follows: subscribing, events in order, gaps, resets."""

from collections.abc import Iterator

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.states import Phase
from roomlog_client.core.turn import RETRIED, RETRY_MS_DEFAULT, Refs, Turn, retry_ms
from roomlog_contract import frames as fr
from roomlog_contract.errors import ErrorCode

TIMER = "room:"

_SUBSCRIBED = frozenset({Phase.SUBSCRIBING, Phase.REPLAYING, Phase.LIVE, Phase.RELOADING})
_HEARS = frozenset({Phase.REPLAYING, Phase.LIVE})
_UNFOLLOWED = frozenset({Phase.PAUSED, Phase.ENDED})


class ReplayBrokenError(Exception):
    """A gap within a replay: the connection is to be given up."""


class Room:
    """One room. `position`: nothing is missing up to there; None until that is known."""

    def __init__(self, joined: inp.Join) -> None:
        self.room_id = joined.room_id
        self.position = joined.after
        self.epoch = joined.epoch
        self.html = joined.html
        self.phase = Phase.IDLE
        self.ref: str | None = None
        self.asked_ms = 0
        self.load: ef.Load | None = None
        self.retrying = False
        self.seen: int | None = None

    @property
    def followed(self) -> bool:
        """Whether its events are wanted now."""
        return self.phase not in _UNFOLLOWED

    @property
    def whole(self) -> bool:
        """Whether nothing that is wanted is missing."""
        return self.phase is Phase.LIVE or not self.followed


class Rooms:
    """All rooms that were joined, in the order of joining."""

    def __init__(self, refs: Refs) -> None:
        self._refs = refs
        self._rooms: dict[str, Room] = {}

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def get(self, room_id: str) -> Room | None:
        """The room, where it was joined."""
        return self._rooms.get(room_id)

    @property
    def whole(self) -> bool:
        """Whether every room that is followed is live."""
        return all(room.whole for room in self)

    def may_be_sent_to(self, room_id: str) -> bool:
        """Whether commands may go to the room now, on a connection that stands."""
        room = self._rooms.get(room_id)
        return room is None or room.whole

    def awaits(self, room_id: str, sequence: int) -> bool:
        """Whether the event at this sequence is still to be delivered."""
        room = self._rooms.get(room_id)
        if room is None or not room.followed:
            return False
        return room.position is None or room.position < sequence

    def asked_ms(self) -> Iterator[int]:
        """When each `subscribe` was sent that has no answer yet."""
        return (room.asked_ms for room in self if room.phase is Phase.SUBSCRIBING)

    # What the user wants

    def wanted(self, turn: Turn, given: inp.WantedOfRoom, *, connected: bool) -> None:
        """Take it in, and tell the server where there is a connection."""
        room = self._rooms.get(given.room_id)
        if isinstance(given, inp.Join):
            if room is None or room.phase is Phase.ENDED:
                self._join(turn, given, connected=connected)
        elif room is None:
            pass
        elif isinstance(given, inp.Seen | inp.Typing):
            self._say(turn, room, given, hears=connected and room.phase in _HEARS)
        else:
            self._change(turn, room, given, connected=connected)

    def _join(self, turn: Turn, joined: inp.Join, *, connected: bool) -> None:
        room = self._rooms[joined.room_id] = Room(joined)
        if connected:
            self._subscribe(turn, room)

    def _change(
        self,
        turn: Turn,
        room: Room,
        given: inp.Leave | inp.Pause | inp.Unpause,
        *,
        connected: bool,
    ) -> None:
        match given:
            case inp.Leave():
                del self._rooms[room.room_id]
                self._stop(turn, room, connected=connected)
            case inp.Pause():
                if room.followed:
                    self._stop(turn, room, connected=connected)
                    room.phase = Phase.PAUSED
            case inp.Unpause():
                if room.phase is Phase.PAUSED:
                    room.phase = Phase.IDLE
                    if connected:
                        self._subscribe(turn, room)

    def _say(self, turn: Turn, room: Room, given: inp.Seen | inp.Typing, *, hears: bool) -> None:
        if isinstance(given, inp.Typing):
            if hears:
                turn.emit(ef.Send(fr.Typing(room_id=room.room_id, active=given.active)))
        elif room.seen is None or given.sequence > room.seen:
            room.seen = given.sequence
            if hears:
                self._tell_seen(turn, room)

    # The connection

    def connected(self, turn: Turn) -> None:
        """Subscribe to all that are followed."""
        for room in self:
            if room.followed:
                self._subscribe(turn, room)

    def lost(self) -> None:
        """The connection is gone, and every timer with it."""
        for room in self:
            room.ref, room.load, room.retrying = None, None, False
            if room.followed:
                room.phase = Phase.IDLE

    def timer(self, turn: Turn, room_id: str) -> None:
        """Try again what failed for now."""
        room = self._rooms.get(room_id)
        if room is None or not room.retrying:
            return
        room.retrying = False
        if room.phase is Phase.RELOADING and room.load is not None:
            self._load(turn, room, room.load.epoch, room.load.position)
        elif room.phase is Phase.IDLE:
            self._subscribe(turn, room)

    def pong(self, turn: Turn, frame: fr.Pong) -> None:
        """Subscribe anew where the head says that something was missed."""
        for room in self:
            if room.phase is Phase.LIVE and room.position is not None:
                head = frame.heads.get(room.room_id)
                if head is None or head > room.position:
                    self._subscribe(turn, room)

    # What the server says of a room

    def told(self, turn: Turn, frame: fr.Subscribed | fr.Live | fr.Unsubscribed) -> None:
        """Take in what is no event."""
        room = self._rooms.get(frame.room_id)
        if room is None:
            return
        match frame:
            case fr.Subscribed():
                if room.phase is Phase.SUBSCRIBING and frame.ref == room.ref:
                    self._subscribed(turn, room, frame)
            case fr.Live():
                if room.phase is Phase.REPLAYING and room.position is not None:
                    room.position = max(room.position, frame.sequence)
                    self._live(turn, room)
            case fr.Unsubscribed():
                if frame.ref is None and room.phase in _SUBSCRIBED:
                    self._end(turn, room, frame.code, frame.detail)

    def _subscribed(self, turn: Turn, room: Room, frame: fr.Subscribed) -> None:
        turn.emit(ef.Pass(frame))
        if frame.resumed:
            room.epoch = frame.epoch
            room.phase = Phase.REPLAYING
            self._tell_seen(turn, room)
        elif room.position is None:
            room.epoch = frame.epoch
            room.position = frame.head
            self._live(turn, room)
            self._tell_seen(turn, room)
        else:
            room.phase = Phase.RELOADING
            self._load(turn, room, frame.epoch, frame.head)

    def event(self, frame: fr.MessageBroadcast | inp.UnreadableEvent, turn: Turn) -> bool:
        """Whether to deliver it: it is next. Raises ReplayBrokenError."""
        room = self._rooms.get(frame.room_id)
        if room is None or room.phase not in _HEARS or room.position is None:
            return False
        if frame.sequence <= room.position:
            return False
        if frame.prev_sequence > room.position:
            if room.phase is Phase.REPLAYING:
                raise ReplayBrokenError
            self._subscribe(turn, room)
            return False
        room.position = frame.sequence
        return True

    def refused(self, turn: Turn, frame: fr.Error) -> bool:
        """Whether the error answers a `subscribe`; where it does, it is taken in."""
        if frame.ref is None:
            return False
        room = next((room for room in self if room.ref == frame.ref), None)
        if room is None:
            return False
        if room.phase is Phase.SUBSCRIBING:
            if frame.code in RETRIED:
                room.phase = Phase.IDLE
                self._retry(turn, room, retry_ms(frame.retry_after))
            else:
                self._end(turn, room, frame.code, frame.detail)
        return True

    # What REST says of a room

    def loaded(self, turn: Turn, given: inp.Loaded) -> str | None:
        """Begin anew from what was loaded; the room, where that was asked for."""
        room = self._rooms.get(given.room_id)
        if room is None or room.load is None or room.load.load != given.load:
            return None
        room.position, room.epoch = room.load.position, room.load.epoch
        room.load, room.seen = None, None
        turn.emit(ef.Reset(room.room_id, room.epoch, room.position))
        return room.room_id

    def begin_anew(self, turn: Turn, room_id: str) -> None:
        """Subscribe from where `loaded` left the room."""
        self._subscribe(turn, self._rooms[room_id])

    def load_failed(self, turn: Turn, given: inp.LoadFailed) -> None:
        room = self._rooms.get(given.room_id)
        if room is None or room.load is None or room.load.load != given.load or room.retrying:
            return
        if given.code in {ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND}:
            self._stop(turn, room, connected=True)
            self._end(turn, room, given.code, given.detail)
        else:
            wait_ms = given.retry_after_ms
            self._retry(turn, room, RETRY_MS_DEFAULT if wait_ms is None else wait_ms)

    # Steps

    def _subscribe(self, turn: Turn, room: Room) -> None:
        room.phase = Phase.SUBSCRIBING
        room.ref = self._refs.next("sub")
        room.asked_ms = turn.at_ms
        frame = fr.Subscribe(
            room_id=room.room_id,
            ref=room.ref,
            after=room.position,
            epoch=room.epoch,
            html=room.html,
        )
        turn.emit(ef.Send(frame))

    def _stop(self, turn: Turn, room: Room, *, connected: bool) -> None:
        if not connected:
            return
        if room.retrying:
            room.retrying = False
            turn.emit(ef.CancelTimer(TIMER + room.room_id))
        if room.phase in _SUBSCRIBED:
            turn.emit(ef.Send(fr.Unsubscribe(room_id=room.room_id, ref=self._refs.next("unsub"))))
        room.ref, room.load = None, None

    @staticmethod
    def _live(turn: Turn, room: Room) -> None:
        assert room.position is not None
        room.phase = Phase.LIVE
        turn.emit(ef.RoomLive(room.room_id, room.position))

    @staticmethod
    def _tell_seen(turn: Turn, room: Room) -> None:
        if room.seen is not None:
            turn.emit(ef.Send(fr.Seen(room_id=room.room_id, sequence=room.seen)))

    def _load(self, turn: Turn, room: Room, epoch: str, position: int) -> None:
        room.load = ef.Load(room.room_id, self._refs.next("load"), epoch, position)
        turn.emit(room.load)

    @staticmethod
    def _retry(turn: Turn, room: Room, wait_ms: int) -> None:
        room.retrying = True
        turn.emit(ef.SetTimer(TIMER + room.room_id, turn.spread(wait_ms)))

    @staticmethod
    def _end(turn: Turn, room: Room, code: str, detail: str) -> None:
        room.phase, room.ref, room.load = Phase.ENDED, None, None
        turn.emit(ef.RoomEnded(room.room_id, str(code), detail))

"""A server as small as the protocol allows, for the laws: logs, one session, faults on demand."""

from collections import deque
from dataclasses import dataclass, field

from roomlog_client.core.inputs import Command
from roomlog_contract import events as ev
from roomlog_contract import frames as fr
from roomlog_contract.errors import ErrorCode
from roomlog_contract.ids import keyed_event_id
from roomlog_contract.types import MessageType, RoomRole

USER = "ada@example.org"
OTHER = "bob@example.org"
ROOMS = [f"018f0000-0000-7000-8000-00000000000{n}" for n in range(3)]
AT = "2026-01-01T00:00:00.000Z"
HEARTBEAT_S = 30.0


@dataclass
class Session:
    """One connection: what waits on its way to either side, and where each room's replay is."""

    user: str = USER
    to_server: deque[fr.WebSocketMessage] = field(default_factory=deque)
    to_client: deque[fr.ServerFrame] = field(default_factory=deque)
    rooms: set[str] = field(default_factory=set)


class SimulatedServer:
    """`logs` by room; `fault` is the code that the next command is refused with (None: none), and
    `appended` whether it is in the log all the same."""

    def __init__(self) -> None:
        self.epoch = 1
        self.logs: dict[str, list[fr.MessageBroadcast]] = {room: [] for room in ROOMS}
        self.sequence = 0
        self.session: Session | None = None
        self.fault: ErrorCode | None = None
        self.fault_appended = False
        self.denied: set[str] = set()

    def connect(self) -> None:
        """A socket is open: say hello."""
        self.session = Session()
        hello = fr.Hello(
            connection_id="c",
            user_id=self.session.user,
            server_time=AT,
            heartbeat_seconds=HEARTBEAT_S,
            limits={},
        )
        self.session.to_client.append(hello)

    def head(self, room_id: str) -> int:
        log = self.logs[room_id]
        return log[-1].sequence if log else 0

    def append(self, room_id: str, event: ev.Event) -> fr.MessageBroadcast:
        """Put an event into the log and on its way to who is subscribed."""
        self.sequence += 1
        logged = fr.MessageBroadcast(
            room_id=room_id,
            sequence=self.sequence,
            prev_sequence=self.head(room_id),
            at=AT,
            event=event,
        )
        self.logs[room_id].append(logged)
        if self.session is not None and room_id in self.session.rooms:
            self.session.to_client.append(logged)
        return logged

    def say(self, room_id: str, event_id: str, actor: str = OTHER) -> fr.MessageBroadcast:
        """Somebody sends a message."""
        sent = ev.MessageSent(
            id=event_id,
            actor=actor,
            message_id=event_id,
            message_type=MessageType.TEXT,
            content=event_id,
        )
        return self.append(room_id, sent)

    def begin_anew(self, kept: int) -> None:
        """Another log: the first `kept` sequences of the old one. Connections are closed."""
        self.epoch += 1
        for log in self.logs.values():
            log[:] = [event for event in log if event.sequence <= kept]
        self.sequence = max([self.head(room) for room in ROOMS])
        self.session = None

    def find(self, room_id: str, event_id: str) -> fr.MessageBroadcast | None:
        """The event with this id."""
        found = (logged for logged in self.logs[room_id] if logged.event.id == event_id)
        return next(found, None)

    def take(self) -> None:
        """Handle the next frame that came."""
        session = self.session
        assert session is not None
        frame = session.to_server.popleft()
        match frame:
            case fr.Subscribe():
                self._subscribe(session, frame)
            case fr.Unsubscribe():
                assert frame.room_id is not None
                session.rooms.discard(frame.room_id)
                left = fr.Unsubscribed(
                    room_id=frame.room_id, code="unsubscribed", detail="", ref=frame.ref
                )
                session.to_client.append(left)
            case fr.Ping():
                heads = {room_id: self.head(room_id) for room_id in session.rooms}
                session.to_client.append(fr.Pong(heads=heads))
            case fr.Auth():
                assert frame.ref is not None
                session.to_client.append(fr.Authenticated(ref=frame.ref, expires_at=AT))
            case fr.Typing() | fr.Seen():
                pass
            case _:
                session.to_client.append(self._carry_out(frame))

    def _subscribe(self, session: Session, frame: fr.Subscribe) -> None:
        room_id = frame.room_id
        assert room_id is not None
        assert frame.ref is not None
        if room_id in self.denied:
            refused = fr.Error(ref=frame.ref, code=ErrorCode.FORBIDDEN, detail="")
            session.to_client.append(refused)
            return
        same = frame.epoch in {None, str(self.epoch)}
        resumed = frame.after is not None and same and frame.after <= self.head(room_id)
        session.rooms.add(room_id)
        subscribed = fr.Subscribed(
            room_id=room_id,
            epoch=str(self.epoch),
            head=self.head(room_id),
            role=RoomRole.RESPONDER,
            resumed=resumed,
            online=[],
            ref=frame.ref,
        )
        session.to_client.append(subscribed)
        if resumed:
            assert frame.after is not None
            replayed = [e for e in self.logs[room_id] if e.sequence > frame.after]
            session.to_client.extend(replayed)
            session.to_client.append(fr.Live(room_id=room_id, sequence=self.head(room_id)))

    def _carry_out(self, frame: Command) -> fr.Ack | fr.Error:
        room_id, key = frame.room_id, frame.idempotency_key
        assert room_id is not None
        assert key is not None
        event_id = keyed_event_id(room_id, USER, key)
        before = self.find(room_id, event_id)
        fault, self.fault = self.fault, None
        if fault is None or self.fault_appended:
            logged = before or self._write(room_id, event_id, frame)
            if fault is None:
                return fr.Ack(
                    ref=frame.ref,
                    room_id=room_id,
                    sequence=logged.sequence,
                    message_id=event_id,
                    at=AT,
                    duplicate=before is not None,
                )
        self.fault_appended = False
        return fr.Error(ref=frame.ref, code=fault, detail="", retry_after=0.5)

    def _write(self, room_id: str, event_id: str, frame: Command) -> fr.MessageBroadcast:
        if isinstance(frame, fr.Send):
            return self.say(room_id, event_id, USER)
        return self.append(
            room_id,
            ev.ReactionAdded(id=event_id, actor=USER, message_id=frame.message_id, emoji="x"),
        )

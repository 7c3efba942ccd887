"""The client as a state machine: input, time and chance in; effects out.

    offline --connect--> connecting --hello--> replaying --all rooms live--> live
                           ^   |                   |  ^                       |
              backoff over |   | socket closed     |  +------ gap ------------+
                           |   v                   v                          |
                          waiting <---------- socket closed <-----------------+

Everything else is in `docs/client/specification.md`.
"""

import re
from math import ceil
from typing import Any, assert_never

import msgspec

from roomlog_client.core import command_queue, rooms, tokens
from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.states import Reason, ReasonCode, State
from roomlog_client.core.turn import Refs, Turn, oldest
from roomlog_contract import frames as fr
from roomlog_contract.errors import CloseCode

BACKOFF_BASE_MS = 1000
BACKOFF_MAX_MS = 30_000
OPENING_MS = 20_000
PONG_MS_MAX = 10_000
ANSWER_MS_MAX = 120_000
_ATTEMPT_MAX = 5
_NORMAL = 1000
_RETRY_AFTER = re.compile(r"retry_after=([0-9]+(?:\.[0-9]+)?)")


class Config(msgspec.Struct, frozen=True):
    """`persistent`: the shell keeps a persistent queue. `user_id`: who the user is, where that is
    known before the first `hello`."""

    queue_max: int = command_queue.QUEUE_MAX
    persistent: bool = False
    user_id: str | None = None


class Machine:
    """One client. Duty of the caller: carry out the effects of each input in order, before the
    next input."""

    def __init__(self, config: Config) -> None:
        refs = Refs()
        self.state = State.OFFLINE
        self.reason: Reason | None = Reason(ReasonCode.NOT_STARTED, None, "")
        self.attempt = 0
        self.rooms = rooms.Rooms(refs)
        self.queue = command_queue.CommandQueue(
            refs,
            items_max=config.queue_max,
            persistent=config.persistent,
            user_id=config.user_id,
        )
        self._tokens = tokens.Tokens(refs)
        self._socket = False
        self._connected = False
        self._heartbeat_ms = 0
        self._pinged = False
        self._heard = False

    def handle(self, given: inp.Input, at_ms: int, chance: float) -> list[ef.Effect]:
        """Take one input; what is to be done about it.

        `at_ms` is the time in milliseconds since 1970; `chance` is random, in [0, 1).
        """
        turn = Turn(at_ms, chance)
        self._take(turn, given)
        if self.queue.awaits_events:
            self.queue.merge(turn, self.rooms.awaits)
        if self._connected and not turn.quiet:
            self.queue.send(turn, self.rooms.may_be_sent_to)
            self._judge(turn)
        return turn.effects

    def _take(self, turn: Turn, given: inp.Input) -> None:
        match given:
            case inp.Frame() | inp.UnreadableFrame():
                self._frame(turn, given.frame)
            case inp.Timer():
                self._timer(turn, given.timer)
            case inp.Opened():
                pass
            case inp.Closed():
                self._socket_closed(turn, given)
            case inp.Connect() | inp.Close() | inp.Online() | inp.Offline():
                self._signal(turn, given)
            case inp.Token() | inp.TokenFailed():
                self._token(turn, given)
            case inp.Enqueue() | inp.Restore() | inp.Withdraw():
                self._command(turn, given)
            case _:
                self._room(turn, given)

    # Signals and tokens

    def _signal(
        self, turn: Turn, given: inp.Connect | inp.Close | inp.Online | inp.Offline
    ) -> None:
        state = self.state
        match given:
            case inp.Connect():
                if state in {State.OFFLINE, State.WAITING, State.CLOSED}:
                    self._connect(turn)
            case inp.Online():
                if state in {State.OFFLINE, State.WAITING}:
                    self._connect(turn)
                elif self._connected and not self._pinged:
                    self._ping(turn)
            case inp.Offline():
                if state not in {State.OFFLINE, State.CLOSED}:
                    self._drop_socket(turn, _NORMAL, "offline")
                    self._enter(turn, State.OFFLINE, Reason(ReasonCode.OFFLINE, None, ""))
            case inp.Close():
                if state is not State.CLOSED:
                    self._drop_socket(turn, _NORMAL, "closed by the user")
                    self._close(turn, Reason(ReasonCode.CLOSED_BY_USER, None, ""))

    def _token(self, turn: Turn, given: inp.Token | inp.TokenFailed) -> None:
        if isinstance(given, inp.TokenFailed):
            if self._connected:
                turn.emit(ef.Report(ReasonCode.TOKEN_FAILED, given.detail))
                self._tokens.failed(turn)
            elif self.state is State.CONNECTING and not self._socket:
                self._wait(turn, Reason(ReasonCode.TOKEN_FAILED, None, given.detail))
        elif self._connected:
            self._tokens.renew(turn, given)
        elif self.state is State.CONNECTING and self._socket:
            self._tokens.keep(given)
        elif self.state is State.CONNECTING:
            if self._tokens.was_refused(given):
                code = CloseCode.UNAUTHENTICATED
                self._close(turn, Reason(ReasonCode.UNAUTHENTICATED, code, "no other token"))
            else:
                self._open(turn, given)
        elif self._closed_for_its_token and not self._tokens.was_refused(given):
            self._tokens.reopened()
            self._enter(turn, State.CONNECTING, None)
            turn.emit(ef.SetTimer("opening", OPENING_MS))
            self._open(turn, given)

    @property
    def _closed_for_its_token(self) -> bool:
        reason = self.reason
        return (
            self.state is State.CLOSED
            and reason is not None
            and reason.code is ReasonCode.UNAUTHENTICATED
        )

    def _command(self, turn: Turn, given: inp.Enqueue | inp.Restore | inp.Withdraw) -> None:
        match given:
            case inp.Enqueue():
                if self.state is State.CLOSED and self.reason is not None:
                    code, detail = self.reason.code.value, self.reason.detail
                    turn.emit(ef.Refused(given.room_id, given.key, code, detail))
                else:
                    self.queue.enqueue(turn, given)
            case inp.Restore():
                self.queue.restore(turn, given)
            case inp.Withdraw():
                self.queue.withdraw(turn, given)

    def _room(self, turn: Turn, given: inp.RoomInput) -> None:
        match given:
            case inp.Loaded():
                room_id = self.rooms.loaded(turn, given)
                if room_id is not None:
                    self.queue.reset(turn, room_id)
                    self.rooms.begin_anew(turn, room_id)
            case inp.LoadFailed():
                self.rooms.load_failed(turn, given)
            case _:
                self.rooms.wanted(turn, given, connected=self._connected)

    # Timers

    def _timer(self, turn: Turn, timer: str) -> None:
        if timer == "backoff" and self.state is State.WAITING:
            self._connect(turn)
        elif timer == "opening" and self.state is State.CONNECTING:
            self._drop_socket(turn, CloseCode.HEARTBEAT, "no hello")
            self._wait(turn, Reason(ReasonCode.NO_HELLO, None, ""))
        elif not self._connected:
            return
        elif timer == "heartbeat":
            self._heartbeat(turn)
        elif timer == "pong":
            self._no_pong(turn)
        elif timer == tokens.TIMER:
            self._tokens.fetch(turn)
        elif timer.startswith(rooms.TIMER):
            self.rooms.timer(turn, timer.removeprefix(rooms.TIMER))
        elif timer.startswith(command_queue.TIMER):
            self.queue.timer(turn, timer.removeprefix(command_queue.TIMER))

    def _heartbeat(self, turn: Turn) -> None:
        asked_ms = oldest([*self.queue.asked_ms(), *self.rooms.asked_ms()])
        if asked_ms is not None and turn.at_ms - asked_ms > ANSWER_MS_MAX:
            self._drop_socket(turn, CloseCode.HEARTBEAT, "no answer")
            self._wait(turn, Reason(ReasonCode.NO_ANSWER, None, ""))
            return
        if not self._pinged:
            self._ping(turn)
        turn.emit(ef.SetTimer("heartbeat", self._heartbeat_ms))

    def _ping(self, turn: Turn) -> None:
        self._pinged, self._heard = True, False
        turn.emit(ef.Send(fr.Ping()), ef.SetTimer("pong", min(self._heartbeat_ms, PONG_MS_MAX)))

    def _no_pong(self, turn: Turn) -> None:
        if self._heard:
            self._heard = False
            turn.emit(ef.SetTimer("pong", min(self._heartbeat_ms, PONG_MS_MAX)))
        else:
            self._drop_socket(turn, CloseCode.HEARTBEAT, "no pong")
            self._wait(turn, Reason(ReasonCode.NO_PONG, None, ""))

    # What the server says

    def _frame(self, turn: Turn, frame: fr.ServerFrame | inp.UnreadableEvent) -> None:
        if not self._connected:
            self._first_frame(turn, frame)
            return
        self._heard = True
        match frame:
            case fr.MessageBroadcast() | inp.UnreadableEvent():
                self._event(turn, frame)
            case fr.Ack() | fr.Error():
                self._answer(turn, frame)
            case fr.Subscribed() | fr.Live() | fr.Unsubscribed():
                self.rooms.told(turn, frame)
            case fr.Pong():
                self._pinged = False
                turn.emit(ef.CancelTimer("pong"))
                self.rooms.pong(turn, frame)
            case fr.Authenticated():
                self._tokens.authenticated(turn, frame)
            case fr.Presence() | fr.TypingUsers() | fr.Notification() | fr.Notice():
                turn.emit(ef.Pass(frame))
            case fr.Hello():
                pass
            case _:
                assert_never(frame)

    def _first_frame(self, turn: Turn, frame: fr.ServerFrame | inp.UnreadableEvent) -> None:
        if not self._socket:
            return
        if isinstance(frame, fr.Error):
            turn.emit(ef.Report(frame.code.value, frame.detail, frame.room_id))
        if not isinstance(frame, fr.Hello):
            return
        if self.queue.user_id not in {None, frame.user_id}:
            self._drop_socket(turn, _NORMAL, "another user")
            detail = "the token is another user's"
            self._close(turn, Reason(ReasonCode.USER_CHANGED, None, detail))
            return
        self._connected, self._pinged = True, False
        self._heartbeat_ms = ceil(frame.heartbeat_seconds * 1000)
        turn.emit(ef.CancelTimer("opening"), ef.SetTimer("heartbeat", self._heartbeat_ms))
        self._tokens.connected(turn)
        self.queue.belongs_to(turn, frame.user_id)
        self.rooms.connected(turn)

    def _event(self, turn: Turn, frame: fr.MessageBroadcast | inp.UnreadableEvent) -> None:
        try:
            wanted = self.rooms.event(frame, turn)
        except rooms.ReplayBrokenError:
            self._drop_socket(turn, CloseCode.POSITION_LOST, "a gap within a replay")
            self._wait(turn, Reason(ReasonCode.REPLAY_BROKEN, None, ""))
            return
        turn.quiet = wanted
        if wanted:
            mine = isinstance(frame, fr.MessageBroadcast)
            turn.emit(ef.Deliver(frame, self.queue.event(frame.event.id) if mine else None))

    def _answer(self, turn: Turn, frame: fr.Ack | fr.Error) -> None:
        if isinstance(frame, fr.Ack):
            awaited = self.rooms.awaits(frame.room_id, frame.sequence)
            self.queue.acked(turn, frame, awaited=awaited)
        elif not (self.queue.refused(turn, frame) or self.rooms.refused(turn, frame)):
            self._tokens.refused(frame)
            turn.emit(ef.Report(frame.code.value, frame.detail, frame.room_id))

    # Transitions

    def _socket_closed(self, turn: Turn, given: inp.Closed) -> None:
        if not self._socket:
            return
        self._socket = False
        code, detail = given.code, given.reason
        if code == CloseCode.UNAUTHENTICATED:
            if self._tokens.turned_away():
                self._connect(turn)
            else:
                self._close(turn, Reason(ReasonCode.UNAUTHENTICATED, code, detail))
        elif 4500 <= code <= 4999:
            self._close(turn, Reason(ReasonCode.REFUSED, code, detail))
        else:
            told = _RETRY_AFTER.search(detail) if code == CloseCode.RATE_LIMITED else None
            least_ms = ceil(float(told[1]) * 1000) if told else 0
            self._wait(turn, Reason(ReasonCode.CONNECTION_LOST, code, detail), least_ms)

    def _connect(self, turn: Turn) -> None:
        self._enter(turn, State.CONNECTING, None)
        turn.emit(ef.SetTimer("opening", OPENING_MS))
        self._tokens.fetch(turn)

    def _open(self, turn: Turn, token: inp.Token) -> None:
        self._socket = True
        self._tokens.opens(turn, token)

    def _wait(self, turn: Turn, reason: Reason, least_ms: int = 0) -> None:
        self._enter(turn, State.WAITING, reason)
        limit_ms = min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2**self.attempt)
        turn.emit(ef.SetTimer("backoff", least_ms + turn.share_of(limit_ms)))
        self.attempt = min(self.attempt + 1, _ATTEMPT_MAX)

    def _close(self, turn: Turn, reason: Reason) -> None:
        self._enter(turn, State.CLOSED, reason)
        self.queue.close(turn, reason.code.value, reason.detail)

    def _drop_socket(self, turn: Turn, code: int, why: str) -> None:
        if self._socket:
            self._socket = False
            turn.emit(ef.CloseSocket(code, why))

    def _enter(self, turn: Turn, state: State, reason: Reason | None) -> None:
        """Be in a state without a connection."""
        turn.emit(ef.CancelTimers())
        self._connected = self._pinged = False
        self.rooms.lost()
        self.queue.lost()
        self.state, self.reason = state, reason
        turn.emit(ef.StateChanged(state, reason))

    def _judge(self, turn: Turn) -> None:
        """Connected: whole or not?"""
        state = State.LIVE if self.rooms.whole else State.REPLAYING
        if state is State.LIVE:
            self.attempt = 0
        if state is not self.state:
            self.state, self.reason = state, None
            turn.emit(ef.StateChanged(state, None))

    def snapshot(self) -> dict[str, Any]:
        """Where everything stands, as the table of cases writes it."""
        return {
            "state": self.state.value,
            "reason": msgspec.to_builtins(self.reason),
            "attempt": self.attempt,
            "rooms": {
                room.room_id: {
                    "phase": room.phase.value,
                    "position": room.position,
                    "epoch": room.epoch,
                }
                for room in self.rooms
            },
            "queue": [
                {
                    "room_id": item.room_id,
                    "key": item.name[1],
                    "status": item.status.value,
                    "echoed": item.echoed,
                    "maybe_sent": item.maybe_sent,
                }
                for item in self.queue
            ],
        }

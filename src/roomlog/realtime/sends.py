"""The messages that one connection sends: appended in the order in which they came, and answered
in that order.

Most reach the log in the turn in which they came. Any other looks something up before, and those
after it wait until it has begun.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from roomlog.core.policy import Actor
from roomlog.realtime.answers import Answer, OrderedAnswers
from roomlog.realtime.commands import Commands, Sending
from roomlog.realtime.encoding import encode
from roomlog.realtime.lanes import Lanes
from roomlog.services.turns import Turns
from roomlog_contract import frames as fr


class Sender(Protocol):
    """The connection that sends."""

    @property
    def actor(self) -> Actor:
        """Whose connection it is."""
        ...

    def failed(self, error: Exception, ref: str | None, room_id: str | None) -> bytes | None:
        """What to say of a command that failed, if anything."""
        ...

    def has_sent(self, room_id: str) -> None:
        """A message of the user's has come to be in the room."""
        ...


class Sends:
    """Sends messages for a connection. Each counts as work of `lanes` until it is answered."""

    def __init__(
        self,
        sender: Sender,
        commands: Commands,
        lanes: Lanes,
        say: Callable[[bytes], None],
        turns: Turns,
    ) -> None:
        """`turns` are for the acks of all connections."""
        self._sender = sender
        self._commands = commands
        self._lanes = lanes
        self._turns = turns
        self._say = say
        self._answers = OrderedAnswers(self._answered)
        self._waiting: deque[tuple[fr.Send, str, Answer]] | None = None

    def take(self, frame: fr.Send, room_id: str) -> None:
        """Send a message to the room; the answer follows."""
        answer = self._expect()
        if self._waiting is not None:
            self._waiting.append((frame, room_id, answer))
        elif not self._begin(frame, room_id, answer):
            self._waiting = deque([(frame, room_id, answer)])
            self._lanes.start(self._in_turn, "send", holds=True)

    def turn_away(self, line: bytes) -> None:
        """Answer with this line what is not sent."""
        self._answers.give(self._expect(), line)

    def _expect(self) -> Answer:
        self._lanes.enter()
        return self._answers.expect()

    def _answered(self, line: bytes | None) -> None:
        # Not before: answers that wait for those before them must stay few.
        self._lanes.leave()
        if line is not None:
            self._say(line)

    async def _in_turn(self) -> None:
        while self._waiting:
            frame, room_id, answer = self._waiting.popleft()
            if not self._begin(frame, room_id, answer):
                writing = self._commands.write(self._sender.actor, room_id, frame)
                await self._finish(writing, frame, room_id, answer)
        self._waiting = None

    def _begin(self, frame: fr.Send, room_id: str, answer: Answer) -> bool:
        """Send at once, if that goes; whether nothing is left to be done for it here."""
        try:
            sending = self._commands.begin_send(self._sender.actor, room_id, frame)
        except Exception as error:  # noqa: BLE001 - what is no refusal is logged there
            self._answers.give(answer, self._sender.failed(error, frame.ref, room_id))
            return True
        if sending is not None:
            sending.appended.add_done_callback(
                lambda _: self._turns.do(room_id, lambda: self._conclude(sending, answer))
            )
        return sending is not None

    def _conclude(self, sending: Sending, answer: Answer) -> None:
        frame, room_id = sending.asked, sending.room_id
        try:
            ack = self._commands.sent(sending)
        except Exception as error:  # noqa: BLE001 - what is no refusal is logged there
            self._answers.give(answer, self._sender.failed(error, frame.ref, room_id))
            return
        if ack is not None:
            self._answers.give(answer, encode(ack))
            self._sender.has_sent(room_id)
        else:
            self._lanes.start(
                lambda: self._finish(self._commands.conclude(sending), frame, room_id, answer),
                f"sent {frame.ref}",
                holds=False,
            )

    async def _finish(
        self, ack: Awaitable[fr.Ack], frame: fr.Send, room_id: str, answer: Answer
    ) -> None:
        line = None
        try:
            line = encode(await ack)
            self._sender.has_sent(room_id)
        except Exception as error:  # noqa: BLE001 - what is no refusal is logged there
            line = self._sender.failed(error, frame.ref, room_id)
        finally:
            self._answers.give(answer, line)

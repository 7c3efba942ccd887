"""What all clients of a run share: the history, its clock, and whose turn it is to do what."""

import random
import time
from collections import deque

from uuid_utils import uuid7

from tests.histories.history import Act, History, Outcome, Write

EMOJI = ("👍", "🎉", "👀")
PASSING = {"log_unavailable", "projection_behind", "database_unavailable", "rate_limited"}
_ACTS = [Act.SEND] * 6 + [Act.EDIT] * 2 + [Act.DELETE] + [Act.REACT] * 2 + [Act.UNREACT]
_KNOWN_MAX = 40


class Recording:
    """The history of a run as it is made. `stopping`: begin nothing new."""

    def __init__(self, seed: int) -> None:
        self.history = History(about={"seed": seed})
        self.seed = seed
        self.rooms: list[str] = []
        self.stopping = False
        self.began_s = time.monotonic()
        self.told_at_s = time.monotonic()

    @staticmethod
    def now() -> float:
        """The one clock of all that is written down."""
        return time.monotonic()

    def key(self) -> str:
        """A new idempotency key that tells when it was made."""
        return str(uuid7())

    def chance(self, name: str) -> random.Random:
        """A source of chance for one client, the same in each run of a seed."""
        return random.Random(f"{self.seed} {name}")

    @property
    def acked(self) -> int:
        """How many writes were acked so far."""
        return sum(w.outcome is Outcome.ACKED for w in self.history.writes)


class Author:
    """Makes up what one client asks for in one room, and writes down what it is told."""

    def __init__(
        self, recording: Recording, name: str, user: str, room: str, *, in_order: bool = False
    ) -> None:
        self.recording = recording
        self.name = name
        self.user = user
        self.room = room
        self.mine: deque[str] = deque(maxlen=_KNOWN_MAX)
        self.known: deque[tuple[str, int]] = deque(maxlen=_KNOWN_MAX)
        self._chance = recording.chance(name)
        self._in_order = in_order
        self._count = 0

    def new_write(self) -> Write:
        """What to ask for next, written down as begun."""
        self._count += 1
        act = self._chance.choice(_ACTS)
        of = self.mine if act in {Act.EDIT, Act.DELETE} else [one for one, _ in self.known]
        about = self._chance.choice(of) if of and act is not Act.SEND else ""
        if not about:
            act = Act.SEND
        content = f"{self.name} {self._count}"
        if act in {Act.REACT, Act.UNREACT}:
            content = self._chance.choice(EMOJI)
        write = Write(
            self.name,
            self.user,
            self.room,
            act,
            # Keys of every kind: made now, and such as say nothing of their age.
            self.recording.key()
            if self._chance.random() < 0.8
            else f"key {self.name} {self._count}",
            self.recording.now(),
            content="" if act is Act.DELETE else content,
            about=about,
            in_order=self._in_order,
        )
        if act is Act.EDIT and self._chance.random() < 0.3:
            write.expected_version = dict(self.known).get(about)
        self.recording.history.writes.append(write)
        return write

    def acked(self, write: Write, sequence: int, message_id: str, *, duplicate: bool) -> None:
        """It was acked."""
        write.ended_s = self.recording.now()
        write.outcome = Outcome.ACKED
        write.sequence, write.message_id, write.duplicate = sequence, message_id, duplicate
        self.recording.told_at_s = write.ended_s
        if write.act is Act.SEND:
            self.mine.append(message_id)

    def refused(self, write: Write, code: str, detail: str, *, ends: bool) -> bool:
        """It was refused; whether it is to be asked for again. `ends`: it won't be, whatever was
        told."""
        if code in PASSING and not ends:
            return True
        write.ended_s, write.code = self.recording.now(), code
        if code not in PASSING:
            write.outcome = Outcome.REFUSED
        elif write.attempts == 1 and not _is_unknown(detail):
            write.outcome = Outcome.FAILED
        return False

    def heard(self, message_id: str, sequence: int) -> None:
        """A message is there, to be reacted to."""
        self.known.append((message_id, sequence))


def _is_unknown(detail: str) -> bool:
    """Whether a refusal says that it may have happened all the same (or that it has)."""
    return "unknown" in detail or "appended" in detail

"""What connections received of a room, checked without parsing each line.

Whoever is in a room gets the same lines in the same order, so a checksum over all that came is the
same for those who got equally many. Of each room one receiver, its witness, parses its lines: each
names its own sequence and that of the one before.
"""

import zlib
from array import array
from collections import Counter
from collections.abc import Sequence

import msgspec


class _Line(msgspec.Struct):
    sequence: int
    prev_sequence: int


_decoder = msgspec.json.Decoder(_Line)


class Received:
    """How many lines came, their size in bytes, and their checksum."""

    def __init__(self) -> None:
        self.count = 0
        self.size_bytes = 0
        self.checksum = 0

    def take(self, payload: bytes) -> None:
        """Events, a line for each."""
        self.count += payload.count(b"\n") + 1
        self.size_bytes += len(payload)
        self.checksum = zlib.crc32(b"\n", zlib.crc32(payload, self.checksum))


class Witness(Received):
    """Also what is wrong with the order. It begins with whatever comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.misordered = 0
        self.doubled = 0
        self._highest: int | None = None
        self._seen: set[int] = set()
        self._named_early: set[int] = set()
        self._checksums = array("L", [0])

    @property
    def lost(self) -> int:
        """Events that a later one names as the one before it, and that never came."""
        return len(self._named_early - self._seen)

    def take(self, payload: bytes) -> None:
        self.size_bytes += len(payload)
        for line in payload.split(b"\n"):
            self.count += 1
            self.checksum = zlib.crc32(b"\n", zlib.crc32(line, self.checksum))
            self._checksums.append(self.checksum)
            self._judge(_decoder.decode(line))

    def checksum_at(self, count: int) -> int:
        """Of the first `count` lines, which must have come."""
        return self._checksums[count]

    def _judge(self, line: _Line) -> None:
        highest = self._highest
        if line.sequence in self._seen:
            self.doubled += 1
        elif highest is not None and line.sequence < highest:
            self.misordered += 1
        else:
            if highest is not None and line.prev_sequence > highest:
                self._named_early.add(line.prev_sequence)
            elif highest is not None and line.prev_sequence < highest:
                self.misordered += 1
            self._highest = line.sequence
        self._seen.add(line.sequence)


def judge(witness: Witness, others: Sequence[Received], *, acked: int, sent: int) -> "Counter[str]":
    """What is wrong with a room's deliveries, of which `acked` events are due to each receiver and
    no more than `sent` can be:

    - `missing`: due, and not there (yet, or for good)
    - `lost`: not there, while what came after it is
    - `misordered`: came after a later one, or names another before it than the one that came
    - `doubled`: came again
    - `different`: receivers whose lines are not those that the witness got first
    """
    everybody = (witness, *others)
    return Counter(
        missing=sum(max(0, acked - one.count) for one in everybody),
        lost=witness.lost,
        misordered=witness.misordered,
        doubled=witness.doubled + sum(max(0, one.count - sent) for one in others),
        different=_different(witness, others),
    )


def _different(witness: Witness, others: Sequence[Received]) -> int:
    found = 0
    ahead: dict[int, Counter[int]] = {}
    for one in others:
        if one.count <= witness.count:
            found += one.checksum != witness.checksum_at(one.count)
        else:
            # Nobody knows what comes next for the witness: these are compared with each other.
            ahead.setdefault(one.count, Counter())[one.checksum] += 1
    return found + sum(sums.total() - max(sums.values()) for sums in ahead.values())

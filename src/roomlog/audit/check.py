"""Compare the trees with the log as it is now, event by event: what was changed behind them?"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from roomlog.audit.growing import hole, is_room, redaction_of
from roomlog.core.leaves import commit_holds, event_leaf_hash, parts_of
from roomlog.core.room_tree import TILE_WIDTH, RoomHead, RoomTree, Span
from roomlog.ports import EventLog
from roomlog.trail_ports import TRAIL_PARTITION, LeafLog
from roomlog.tree_ports import Redaction, TreeReader
from roomlog_contract.trail import TRAIL_ID

Progress = Callable[[int, int], None]
"""Called with how many events are read, and how many there are to be read."""


class Mismatch(msgspec.Struct, frozen=True):
    """Something in the log that is not as the trees have it. `sequence` is the first place where
    that shows; `room_id` is null where it concerns no one room."""

    room_id: str | None
    sequence: int
    detail: str


class Checked(msgspec.Struct, frozen=True):
    """What was compared: each partition up to that sequence. Nothing may be wrong with it."""

    sequences: Sequence[int]
    mismatches: Sequence[Mismatch]


class NoTreesError(Exception):
    """There are no trees of this log yet."""


async def check_log(log: EventLog, trees: TreeReader, progress: Progress) -> Checked:
    """How the log differs from the trees, up to where these are. Reads all of it twice.

    Raises NoTreesError, LogUnavailableError, DatabaseUnavailableError.
    """
    heads = await trees.heads(None)
    if heads is None or heads.epoch != log.epoch or len(heads.sequences) != log.partitions:
        raise NoTreesError("there are no trees of this log yet: see `roomlog audit status`")
    for partition, sequence in enumerate(heads.sequences):
        if not sequence and (await log.partition_state(partition)).last_sequence:
            raise NoTreesError("the trees are being made: see `roomlog audit status`")
    checking = _Checking(log, heads.sequences, progress)
    for partition in range(log.partitions):
        await checking.fold(partition)
    found = list(checking.found)
    known = {head.room_id: head for head in heads.heads}
    for room_id in sorted(checking.rooms.keys() | known.keys()):
        tree, head = checking.rooms.get(room_id, RoomTree()), known.get(room_id)
        if head is None:
            found.append(Mismatch(room_id, 0, "the log has the room, the trees have not"))
        elif (tree.size, tree.root()) != (head.size, head.root):
            leaves = leaves_of(log, room_id, checking.redactions.get(room_id, ()))
            found.append(await _first_difference(leaves, trees, head))
    return Checked(heads.sequences, found)


async def check_trail(trail: LeafLog, trees: TreeReader) -> Mismatch | None:
    """The first record of the audit trail that is not as its tree has it. Raises as check_log."""
    row = await trees.tree(TRAIL_ID)
    if row is None:
        return None  # nothing was recorded yet, or nothing taken in
    tree, place = RoomTree(), 0
    async for batch in trail.read_partition(TRAIL_PARTITION, after=0, up_to=row.last_sequence):
        for record in batch:
            if record.sequence != place + 1:
                gone = hole(place + 1, record.sequence - 1)
                return Mismatch(TRAIL_ID, place + 1, gone.detail)
            place = record.sequence
            tree.append(event_leaf_hash(place, parts_of(record.data).envelope))
    if (tree.size, tree.root()) == (row.size, row.root):
        return None
    head = RoomHead(TRAIL_ID, row.size, row.root)
    return await _first_difference(leaves_of(trail, TRAIL_ID, ()), trees, head)


async def heads_at(log: EventLog, sequences: Sequence[int], progress: Progress) -> list[RoomHead]:
    """The heads of all rooms' trees as the log itself gives them, up to these sequences, one for
    each partition. Reads all of it twice. Raises LogUnavailableError."""
    folding = _Checking(log, sequences, progress)
    for partition in range(log.partitions):
        await folding.fold(partition)
    return [RoomHead(room_id, tree.size, tree.root()) for room_id, tree in folding.rooms.items()]


class _Checking:
    def __init__(self, log: EventLog, sequences: Sequence[int], progress: Progress) -> None:
        self._log = log
        self._sequences = sequences
        self._progress = progress
        self._done, self._total = 0, 2 * sum(sequences)
        self.rooms: dict[str, RoomTree] = {}
        self.found: list[Mismatch] = []
        self.redactions: dict[str, list[Redaction]] = {}

    async def fold(self, partition: int) -> None:
        """Read a partition up to where its trees are: what was erased first, for it is told of
        later than where it was."""
        up_to = self._sequences[partition]
        erased: dict[int, Redaction] = {}
        async for batch in self._log.read_partition(partition, after=0, up_to=None):
            for event in batch:
                redaction = redaction_of(event)
                if redaction is not None:
                    erased.setdefault(redaction.sequence, redaction)
            self._advance(sum(event.sequence <= up_to for event in batch))
        for redaction in erased.values():
            self.redactions.setdefault(redaction.room_id, []).append(redaction)
        place, order = 0, sorted(erased)
        async for batch in self._log.read_partition(partition, after=0, up_to=up_to):
            for event in batch:
                self._skip(place + 1, event.sequence - 1, erased, order)
                place = event.sequence
                if is_room(event.room_id):
                    self._add(event.room_id, event.sequence, event.data)
            self._advance(len(batch))
        self._skip(place + 1, up_to, erased, order)

    def _add(self, room_id: str, sequence: int, data: bytes) -> None:
        parts = parts_of(data)
        if not commit_holds(parts):
            detail = "what the event says is not what was committed to"
            self.found.append(Mismatch(room_id, sequence, detail))
        self._append(room_id, event_leaf_hash(sequence, parts.envelope))

    def _skip(
        self, first: int, last: int, erased: Mapping[int, Redaction], order: Sequence[int]
    ) -> None:
        place = first
        for sequence in order[bisect_left(order, first) : bisect_right(order, last)]:
            self._miss(place, sequence - 1)
            one = erased[sequence]
            self._append(one.room_id, event_leaf_hash(sequence, one.envelope))
            place = sequence + 1
        self._miss(place, last)

    def _miss(self, first: int, last: int) -> None:
        if first <= last:
            self.found.append(Mismatch(None, first, hole(first, last).detail))

    def _append(self, room_id: str, hashed: bytes) -> None:
        self.rooms.setdefault(room_id, RoomTree()).append(hashed)

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)


async def _first_difference(
    leaves: AsyncIterator[tuple[int, bytes]], trees: TreeReader, head: RoomHead
) -> Mismatch:
    """The first leaf of a room that the log gives otherwise than the tree has it."""
    room_id, index = head.room_id, 0
    stored: list[bytes] = []
    async for sequence, hashed in leaves:
        if index >= head.size:
            break
        if not index % TILE_WIDTH:
            span = Span(0, index, min(index + TILE_WIDTH, head.size))
            stored = list(await trees.hashes(room_id, span))
        if index % TILE_WIDTH >= len(stored) or stored[index % TILE_WIDTH] != hashed:
            return Mismatch(room_id, sequence, f"leaf {index} of the room is not this event")
        index += 1
    lacking = await trees.sequence_of(room_id, index) or 0
    return Mismatch(room_id, lacking, f"the log ends before leaf {index} of the room")


async def leaves_of(
    log: LeafLog, room_id: str, redactions: Sequence[Redaction]
) -> AsyncIterator[tuple[int, bytes]]:
    """A room's leaves as the log gives them: of each its event's sequence and its hash. Where an
    event was erased, its redaction gives it. Raises LogUnavailableError."""
    waiting = sorted(redactions, key=lambda one: one.sequence)
    async for batch in log.read(room_id, after=0):
        for event in batch:
            while waiting and waiting[0].sequence < event.sequence:
                one = waiting.pop(0)
                yield one.sequence, event_leaf_hash(one.sequence, one.envelope)
            if waiting and waiting[0].sequence == event.sequence:
                waiting.pop(0)  # explained, and not erased yet
            yield event.sequence, event_leaf_hash(event.sequence, parts_of(event.data).envelope)

"""One partition's trees, from the log into their tables: read, hash, commit.

An event that is gone is explained by a `message.redacted` after it, which keeps its envelope, and
then has the same leaf as if it were there. Any other hole is damage: it is kept as a finding, and
the trees go on without it.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from roomlog import metrics
from roomlog.audit.finishing import Finisher
from roomlog.audit.growing import Growing, hole, is_room, redaction_of
from roomlog.core.leaves import event_leaf_hash
from roomlog.ports import LogEvent, PartitionState
from roomlog.services.claimed_work import HaltedError
from roomlog.services.continuity import event_at
from roomlog.services.recent_events import RecentEvents
from roomlog.trail_ports import LeafLog
from roomlog.tree_ports import (
    Finding,
    FindingKind,
    Growth,
    PartitionTrees,
    Redaction,
    TreePosition,
    TreeRow,
)

ROOMS_CACHED_MAX = 4096
_ANY_SEQUENCE = 2**63 - 1
SCRUBBED_EVENTS = 4096

_log = logging.getLogger(__name__)


class TreesHaltedError(HaltedError):
    """The trees can't go on from where they stand; the text says why and what to do."""


class TreeKeeper:
    """Grows one partition's trees. Not for concurrent use."""

    def __init__(
        self,
        log: LeafLog,
        trees: PartitionTrees,
        *,
        batch_events_max: int,
        tell: Callable[[str], Awaitable[None]] | None = None,
        finisher: Finisher | None = None,
        recent: RecentEvents | None = None,
    ) -> None:
        """`tell` is called with what is found wrong, before that is kept. `finisher` is shown each
        batch before the trees move on, and what redactions explain. `recent` has what
        another has read."""
        self._recent = recent
        self._log = log
        self._tell = tell
        self._trees = trees
        self._finisher = finisher
        self._batch_events_max = batch_events_max
        self._rows: OrderedDict[str, TreeRow] = OrderedDict()
        self._position = TreePosition("", 0)
        self._ahead: dict[int, Redaction] = {}
        self._looked_to = 0
        self._gone_known = -1
        self._scrubbed = 0

    @property
    def position(self) -> TreePosition:
        """How far the trees have come."""
        return self._position

    async def begin(self) -> None:
        """Take up where the trees stand, and compare that with the log. Trees of another epoch
        are made anew: a new epoch is another log.

        Raises TreesHaltedError, LogUnavailableError, DatabaseUnavailableError.
        """
        self._rows.clear()
        self._ahead.clear()
        self._looked_to, self._gone_known = 0, -1
        partition = self._trees.partition
        state = await self._log.partition_state(partition)
        position = await self._trees.position(state.epoch)
        if position.epoch != state.epoch:
            _log.warning(
                "partition %s: the log has a new epoch, and its trees are made anew", partition
            )
            position = await self._trees.begin_anew(state.epoch)
        self._position = position
        self._looked_to = position.sequence
        if self._finisher is not None:
            self._finisher.begin((await self._trees.redactions(1, _ANY_SEQUENCE)).values())
        if state.last_sequence < position.sequence:
            raise TreesHaltedError(
                f"partition {partition}: the log ends at sequence {state.last_sequence}, and the "
                f"trees have sequence {position.sequence}: the log has lost events. Restore it "
                "from a backup, or accept the loss and run `roomlog projections rebuild "
                "--new-epoch`"
            )
        there = await event_at(self._log, partition, position.sequence)
        if there is None or position.event_hash is None:
            return
        if sha256(there.data).digest() != position.event_hash:
            raise TreesHaltedError(
                f"partition {partition}: at sequence {position.sequence} the log holds another "
                "event than the trees were made of: the log was changed. Restore it from a "
                "backup, or accept the loss and run `roomlog projections rebuild --new-epoch`"
            )

    async def take_recent(self) -> int:
        """Take in what is in `recent`, without a look at the log; return how many events it was.
        Raises as `catch_up`."""
        if self._recent is None:
            return 0
        events = self._recent.take(self._position.sequence)
        for start in range(0, len(events), self._batch_events_max):
            await self._take(events[start : start + self._batch_events_max])
        return len(events)

    async def catch_up(self) -> int:
        """Take in all that the log holds; return how many events it was. Raises as `begin`, and
        FenceLostError: what was committed stays, and `begin` takes up from there."""
        count = 0
        waiting: list[LogEvent] = []
        batches = self._log.read_partition(self._trees.partition, after=self._position.sequence)
        async for batch in batches:
            waiting.extend(batch)
            while len(waiting) >= self._batch_events_max:
                await self._take(waiting[: self._batch_events_max])
                count += self._batch_events_max
                del waiting[: self._batch_events_max]
        if waiting:
            await self._take(waiting)
            count += len(waiting)
        return count

    async def check(self) -> None:
        """Compare the trees with what the log says of itself: whether it still reaches as far,
        and whether as many events are gone as are explained. Raises as `begin`.

        What was erased behind the trees' back is found by this count; reading it all again, which
        names the place, is done only when the count is wrong.
        """
        state = await self._log.partition_state(self._trees.partition)
        if state.epoch != self._position.epoch or state.last_sequence < self._position.sequence:
            await self.begin()
        await self.catch_up()
        if self._position.sequence < state.last_sequence:
            await self._miss_end(state)
        gone = state.last_sequence - state.messages
        if gone > await self._trees.explained() and gone != self._gone_known:
            await self._name_holes(state.last_sequence)
            self._gone_known = gone
        await self._scrub()
        await self._commit(self._position, Growth(), datetime.now(UTC))

    async def _scrub(self) -> None:
        """Read the next few of all events again, from the first to the last and over again: NATS
        leaves out what it can't read any more, and may go on counting it."""
        first = self._scrubbed + 1
        last = min(self._scrubbed + SCRUBBED_EVENTS, self._position.sequence)
        self._scrubbed = last if last < self._position.sequence else 0
        missing = await self._holes(first, last)
        if missing:
            # Whoever erased an event has appended why before.
            await self.catch_up()
            findings = [hole(*one) for one in await self._unexplained(missing)]
            await self._report(findings)

    async def _holes(self, first: int, last: int) -> list[tuple[int, int]]:
        holes: list[tuple[int, int]] = []
        place = first - 1
        partition = self._trees.partition
        async for batch in self._log.read_partition(partition, after=place, up_to=last):
            holes += _gaps(place, batch)
            place = batch[-1].sequence
        if place < last:
            holes.append((place + 1, last))
        return holes

    async def _unexplained(self, holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """What is left of holes without what redactions explain, and what was found before."""
        explained = [
            (one.sequence, one.last)
            for one in await self._trees.findings()
            if one.kind is FindingKind.HOLE
        ]
        redacted = await self._trees.redactions(holes[0][0], holes[-1][1])
        explained += [(sequence, sequence) for sequence in redacted]
        return [rest for first, last in holes for rest in _without(first, last, explained)]

    async def _report(self, findings: Sequence[Finding]) -> None:
        if findings:
            missing = sum(one.last - one.sequence + 1 for one in findings)
            growth = Growth(findings=findings, missing=missing)
            await self._commit(self._position, growth, datetime.now(UTC))

    async def _take(self, events: Sequence[LogEvent]) -> None:
        """Take in the partition's next events, in one transaction."""
        began_s = time.perf_counter()
        gaps = _gaps(self._position.sequence, events)
        erased = await self._explanations(gaps)
        await self._load({event.room_id for event in events} | {r.room_id for r in erased.values()})
        growing = Growing(self._rows)
        place = self._position.sequence
        for event in events:
            if event.sequence > place + 1:
                _grow_over(growing, place + 1, event.sequence - 1, erased)
            growing.add(event)
            place = event.sequence
        await self._compare_redactions(growing)
        if self._finisher is not None:
            # Before the trees are beyond them, so that a crash leaves none of them out.
            await self._finisher.take(events, growing.redactions)
        last = events[-1]
        new = TreePosition(self._position.epoch, last.sequence, sha256(last.data).digest())
        appended_at = datetime.fromtimestamp(last.appended_ns / 1e9, UTC)
        await self._commit(new, growing.done(), appended_at)
        metrics.TREE_LEAVES.inc(len(events))
        metrics.TREE_SECONDS.observe(time.perf_counter() - began_s)

    async def _commit(self, new: TreePosition, growth: Growth, current_at: datetime) -> None:
        if self._tell is not None:
            for finding in growth.findings:
                await self._tell(self._in_words(finding))
        await self._trees.commit(self._position, new, growth, current_at)
        self._position = new
        for row in growth.trees:
            self._rows[row.room_id] = row
            self._rows.move_to_end(row.room_id)
        while len(self._rows) > ROOMS_CACHED_MAX:
            self._rows.popitem(last=False)
        for finding in growth.findings:
            _log.error("%s", self._in_words(finding))

    def _in_words(self, finding: Finding) -> str:
        partition = self._trees.partition
        where = "the audit trail" if partition < 0 else f"partition {partition}"
        return f"{where}, sequence {finding.sequence} to {finding.last}: {finding.detail}"

    async def _load(self, room_ids: set[str]) -> None:
        unknown = [one for one in room_ids if one not in self._rows and is_room(one)]
        if unknown:
            self._rows.update(await self._trees.trees(unknown))

    async def _explanations(self, gaps: Sequence[tuple[int, int]]) -> dict[int, Redaction]:
        """What explains events that are gone. Whoever erased one has appended why before, so that
        a look to the log's end settles it."""
        found: dict[int, Redaction] = {}
        for first, last in gaps:
            known = await self._trees.redactions(first, last)
            missing = last - first + 1 - len(known)
            found.update(known)
            if missing:
                await self._look_ahead()
                found.update((s, r) for s, r in self._ahead.items() if first <= s <= last)
        return found

    async def _look_ahead(self) -> None:
        after = max(self._looked_to, self._position.sequence)
        async for batch in self._log.read_partition(self._trees.partition, after=after):
            for event in batch:
                redaction = redaction_of(event)
                if redaction is not None:
                    self._ahead.setdefault(redaction.sequence, redaction)
            self._looked_to = batch[-1].sequence

    async def _compare_redactions(self, growing: Growing) -> None:
        """A redaction has to keep the very envelope that the tree was made of."""
        for one in list(growing.redactions):
            leaf = growing.leaf(one.room_id, one.sequence)
            if leaf is None:
                leaf = await self._trees.leaf(one.room_id, one.sequence)
            if leaf is None:
                growing.reject(one, f"at sequence {one.sequence}, of which it tells, is no event")
            elif leaf != event_leaf_hash(one.sequence, one.envelope):
                growing.reject(one, f"the event at {one.sequence} had another envelope")

    async def _miss_end(self, state: PartitionState) -> None:
        """The log's last events are gone. Nothing can explain them: a redaction comes after."""
        first, last = self._position.sequence + 1, state.last_sequence
        growth = Growth(findings=[hole(first, last)], missing=last - first + 1)
        new = TreePosition(self._position.epoch, last, None)
        await self._commit(new, growth, datetime.now(UTC))

    async def _name_holes(self, up_to: int) -> None:
        """Find the events that are gone without explanation, by reading all that is there."""
        _log.error("partition %s: more events are gone than are explained", self._trees.partition)
        holes = await self._holes(1, up_to)
        if holes:
            await self._report([hole(*one) for one in await self._unexplained(holes)])


def _grow_over(growing: Growing, first: int, last: int, erased: dict[int, Redaction]) -> None:
    """Take in what was erased from `first` to `last`, and note what is gone beside."""
    place = first
    for sequence in sorted(one for one in erased if first <= one <= last):
        if sequence > place:
            growing.miss(place, sequence - 1)
        growing.add_erased(erased[sequence])
        place = sequence + 1
    if place <= last:
        growing.miss(place, last)


def _gaps(after: int, events: Sequence[LogEvent]) -> list[tuple[int, int]]:
    """The ranges of sequences that are gone between `after` and the events."""
    gaps: list[tuple[int, int]] = []
    for event in events:
        if event.sequence > after + 1:
            gaps.append((after + 1, event.sequence - 1))
        after = event.sequence
    return gaps


def _without(first: int, last: int, known: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of a range without those that are known."""
    left: list[tuple[int, int]] = []
    place = first
    for begin, end in sorted(known):
        if end < place or begin > last:
            continue
        if begin > place:
            left.append((place, begin - 1))
        place = end + 1
    if place <= last:
        left.append((place, last))
    return left

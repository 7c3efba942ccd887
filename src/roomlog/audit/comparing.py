"""Hold the log to checkpoints that were kept elsewhere. The log alone is read, and no table: what
was changed together with the trees shows all the same."""

from collections.abc import Callable

import msgspec

from roomlog.audit.check import heads_at, leaves_of
from roomlog.audit.growing import redaction_of
from roomlog.core import room_tree as rt
from roomlog.core.merkle import tree_root
from roomlog.core.tree_head import TreeHead
from roomlog.ports import EventLog
from roomlog.services.trail_log import TrailLog
from roomlog.tree_ports import Redaction
from roomlog_contract.trail import TRAIL_ID

Progress = Callable[[int, int], None]
"""Called with how much of the log has been read, and how much is to be, counted in sequences."""


class Compared(msgspec.Struct, frozen=True):
    """What a checkpoint says of the log as it is. `detail` is None where the log holds to it, and
    else says how it differs. `size`: of what the checkpoint counts, events, records or rooms.
    """

    origin: str
    size: int
    detail: str | None


async def compare(
    log: EventLog, trail: TrailLog, kept: TreeHead, origin: rt.Origin, progress: Progress
) -> Compared:
    """Whether what `kept` counts is in the log as it was. `origin` is that of `kept`.

    Epochs are not compared: a log that was restored has a new one, and what it has left of the
    old log is to be held to what was signed of that. Raises LogUnavailableError.
    """
    if origin.room_id == TRAIL_ID:
        head = await _trail_head(trail, kept.size, progress)
    elif origin.room_id is not None:
        head = await _room_head(log, origin.room_id, kept.size, progress)
    else:
        return Compared(kept.origin, kept.size, await _heads_differ(log, kept, origin, progress))
    if head.size < kept.size:
        detail = f"there are {head.size:,} where there were {kept.size:,}"
    else:
        detail = None if head.root == kept.root else "they are not what they were"
    return Compared(kept.origin, kept.size, detail)


async def _room_head(log: EventLog, room_id: str, size: int, progress: Progress) -> rt.RoomHead:
    """The room's head, or that of its first `size` events."""
    end = await log.last_sequence(room_id)
    redactions: dict[int, Redaction] = {}
    last = 0
    async for batch in log.read(room_id, after=0):
        for event in batch:
            redaction = redaction_of(event)
            if redaction is not None:
                redactions.setdefault(redaction.sequence, redaction)
            last = event.sequence
        progress(last, 2 * max(end, last))
    tree = rt.RoomTree()
    async for sequence, hashed in leaves_of(log, room_id, list(redactions.values())):
        if tree.size == size:
            break
        tree.append(hashed)
        progress(last + sequence, 2 * max(end, last))
    return rt.RoomHead(room_id, tree.size, tree.root())


async def _trail_head(trail: TrailLog, size: int, progress: Progress) -> rt.RoomHead:
    end = await trail.last_sequence(TRAIL_ID)
    tree = rt.RoomTree()
    async for sequence, hashed in leaves_of(trail, TRAIL_ID, ()):
        if tree.size == size:
            break
        tree.append(hashed)
        progress(sequence, max(end, sequence))
    return rt.RoomHead(TRAIL_ID, tree.size, tree.root())


async def _heads_differ(
    log: EventLog, kept: TreeHead, origin: rt.Origin, progress: Progress
) -> str | None:
    """How the rooms' heads of then differ from those that the log gives for that place."""
    if len(origin.sequences) != log.partitions:
        return f"the log has {log.partitions} partitions and had {len(origin.sequences)}"
    for partition, sequence in enumerate(origin.sequences):
        state = await log.partition_state(partition)
        if state.last_sequence < sequence:
            return f"the log ends at {state.last_sequence} and went on to {sequence}"
    heads = rt.heads_in_order(await heads_at(log, origin.sequences, progress))
    if len(heads) != kept.size:
        return f"there are {len(heads):,} where there were {kept.size:,}"
    same = tree_root(rt.heads_hashes(heads)) == kept.root
    return None if same else "at least one of them is not what it was"

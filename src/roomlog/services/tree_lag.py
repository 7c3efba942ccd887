"""How far the trees are behind the log, and what they found wrong with it."""

import msgspec

from roomlog.ports import Clock, EventLog, PartitionState
from roomlog.trail_ports import TRAIL_PARTITION, LeafLog
from roomlog.tree_ports import TreeReader, TreeStatus


class TreeLag(msgspec.Struct, frozen=True):
    """One partition: what the log holds and the trees lack, in events and in seconds (0 where
    they lack nothing). `unexplained` events are gone without a redaction, `findings` counts all
    that is wrong; `unfinished` redactions are on record, and their events not erased yet;
    `halted` is why the trees do not grow."""

    partition: int
    epoch: str
    sequence: int
    head: int
    events: int
    seconds: float
    unexplained: int
    findings: int
    unfinished: int
    halted: str | None


def unfinished_redactions(status: TreeStatus, state: PartitionState) -> int:
    """How many events are redacted and there still, at least: exact where none is gone for
    another reason. `state` is what the log said after `status` was read."""
    return max(0, status.redactions - (state.last_sequence - state.messages))


async def tree_lag(log: EventLog, trail: LeafLog, trees: TreeReader, clock: Clock) -> list[TreeLag]:
    """Every partition's trees as of now, and the audit trail's as TRAIL_PARTITION. Raises LogUnavailableError, DatabaseUnavailableError.

    Trees of another epoch, or none yet, lack everything that the log holds.
    """
    # The trees first: what is appended in between counts as lacking, never less than 0.
    known = {status.partition: status for status in await trees.statuses()}
    lags: list[TreeLag] = []
    sources = [*((one, log) for one in range(log.partitions)), (TRAIL_PARTITION, trail)]
    for partition, source in sources:
        state = await source.partition_state(partition)
        status = known.get(partition)
        if status is None or status.epoch != state.epoch:
            sequence, since, wrong = 0, state.created, (0, 0, 0, None)
        else:
            sequence = status.sequence
            since = status.current_at if sequence else state.created
            unfinished = unfinished_redactions(status, state)
            wrong = status.unexplained, status.findings, unfinished, status.halted
        behind = max(0, state.last_sequence - sequence)
        age_s = max(0.0, (clock.now() - since).total_seconds()) if behind else 0.0
        lags.append(
            TreeLag(
                partition,
                state.epoch,
                sequence,
                state.last_sequence,
                behind,
                round(age_s, 3),
                *wrong,
            )
        )
    return lags

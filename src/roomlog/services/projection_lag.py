"""How far the tables are behind the log, by the log's end and the checkpoint."""

import msgspec

from roomlog.ports import Clock, EventLog, ReadModel


class PartitionLag(msgspec.Struct, frozen=True):
    """One partition: what the log holds and the tables lack, in events and in seconds.

    `seconds` is 0 where they lack nothing. `dead` are the events that were set aside.
    """

    partition: int
    events: int
    seconds: float
    dead: int


async def projection_lag(log: EventLog, read_model: ReadModel, clock: Clock) -> list[PartitionLag]:
    """Every partition's lag as of now. Raises LogUnavailableError, DatabaseUnavailableError.

    Tables made from another epoch of the log, or none yet, lack everything that it holds.
    """
    lags: list[PartitionLag] = []
    for partition in range(log.partitions):
        # The checkpoint first: what is appended in between counts as lacking, never less than 0.
        checkpoint = await read_model.checkpoint(partition)
        state = await log.partition_state(partition)
        now = clock.now()
        if checkpoint is None or checkpoint.epoch != state.epoch:
            since, projected, dead = state.created, 0, 0
        else:
            since, projected = checkpoint.current_at, checkpoint.sequence
            dead = checkpoint.dead
        behind = max(0, state.last_sequence - projected)
        age_s = max(0.0, (now - since).total_seconds()) if behind else 0.0
        lags.append(PartitionLag(partition, behind, age_s, dead))
    return lags

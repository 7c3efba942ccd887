"""Moments of a room's past, and the room as it stood then."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

from roomlog.core.room_state import decode_waypoint, encode_waypoint, evolve_stored
from roomlog.memory_ports import RoomSnapshot, SnapshotStore
from roomlog.ports import EventLog, LogUnavailableError, MessageQuery, ReadModel
from roomlog.services.progress import ProjectionProgress
from roomlog_contract.fold import RoomState

READ_AT_ONCE = 64
APART_TOGETHER = 8
CHANGES_PER_WAYPOINT = 256

AsOf = int | datetime
"""A moment of a room: a sequence, or a time, which means the last event appended by then."""


async def place_of(
    log: EventLog,
    read_model: ReadModel,
    progress: ProjectionProgress,
    room_id: str,
    as_of: AsOf,
) -> int:
    """The sequence of the room's last event up to there, once the tables have it; 0 for none.

    A sending that was erased since counts, where a sequence is asked for: the tables have its
    tombstone, the log has nothing. When it was appended, nobody knows any more.

    Raises RefusedError: `invalid` for a sequence above the room's head, `projection_behind`.
    """
    if isinstance(as_of, datetime):
        then = await log.sequence_at(room_id, as_of)
        await progress.require(room_id, then)
        return then
    await progress.require(room_id, as_of, field="as_of")
    then = await log.last_sequence(room_id, up_to=as_of)
    if then < as_of:
        newest = await read_model.messages(MessageQuery(room_id, 1, before=as_of + 1))
        then = max(then, *(message.sequence_number for message in newest.items), 0)
    return then


async def room_as_of(
    log: EventLog, read_model: ReadModel, snapshots: SnapshotStore, room_id: str, then: int
) -> RoomState | None:
    """The room right after sequence `then`, which the tables have; None before there was one.

    The tables know which events changed it, the log what they said: few in a room of many
    messages, and these are not read. It goes on from the last waypoint, a snapshot of the room
    that stands for a multiple of CHANGES_PER_WAYPOINT changes; where there are too few, whoever
    comes by leaves them. Raises LogUnavailableError, DatabaseUnavailableError.
    """
    epoch = log.epoch
    changes = await read_model.room_changes(room_id, up_to=then)
    return await _folded(log, snapshots, room_id, changes, epoch)


async def leave_waypoints(
    log: EventLog, read_model: ReadModel, snapshots: SnapshotStore, room_id: str, then: int
) -> None:
    """Leave the room's waypoints up to sequence `then`, which the tables have, before anybody asks.

    Raises LogUnavailableError, DatabaseUnavailableError.
    """
    epoch = log.epoch
    changes = await read_model.room_changes(room_id, up_to=then)
    whole = len(changes) // CHANGES_PER_WAYPOINT * CHANGES_PER_WAYPOINT
    await _folded(log, snapshots, room_id, changes[:whole], epoch)


async def _folded(
    log: EventLog, snapshots: SnapshotStore, room_id: str, changes: Sequence[int], epoch: str
) -> RoomState | None:
    """`epoch` is the log's from before the tables were asked, whose answer no later one explains."""
    done, state = await _from_waypoint(log, snapshots, room_id, changes)
    while done < len(changes):
        # Never beyond the next waypoint.
        left = CHANGES_PER_WAYPOINT - done % CHANGES_PER_WAYPOINT
        sequences = changes[done : done + left]
        for sequence, data in zip(sequences, await _stored(log, room_id, sequences), strict=True):
            if data is None:
                raise LogUnavailableError(f"event {sequence} of room {room_id} is not in the log")
            state = evolve_stored(state, sequence, data)
        done += len(sequences)
        if not done % CHANGES_PER_WAYPOINT and state is not None:
            waypoint = RoomSnapshot(epoch, sequences[-1], encode_waypoint(state))
            with contextlib.suppress(LogUnavailableError):  # it only saves time
                await snapshots.put(_waypoint_key(room_id, sequences[-1], done), waypoint)
    return state


async def _stored(log: EventLog, room_id: str, sequences: Sequence[int]) -> list[bytes | None]:
    """The bytes of these events. Close together, they are read with what lies between: an event
    asked for by itself costs about eight times as much."""
    first, last = sequences[0], sequences[-1]
    if last - first < APART_TOGETHER * len(sequences):
        read = log.read(room_id, after=first - 1, up_to=last)
        there = {event.sequence: event.data async for batch in read for event in batch}
        return [there.get(sequence) for sequence in sequences]
    found: list[bytes | None] = []
    for at in range(0, len(sequences), READ_AT_ONCE):
        some = sequences[at : at + READ_AT_ONCE]
        found += await asyncio.gather(*(log.bytes_at(room_id, one) for one in some))
    return found


async def _from_waypoint(
    log: EventLog, snapshots: SnapshotStore, room_id: str, changes: Sequence[int]
) -> tuple[int, RoomState | None]:
    """How many of the changes a waypoint stands for, the last there is, and the room there."""
    for done in range(
        len(changes) // CHANGES_PER_WAYPOINT * CHANGES_PER_WAYPOINT, 0, -CHANGES_PER_WAYPOINT
    ):
        sequence = changes[done - 1]
        found = await snapshots.get(_waypoint_key(room_id, sequence, done))
        if found is not None and (found.epoch, found.sequence) == (log.epoch, sequence):
            state = decode_waypoint(found.state)
            if state is not None:
                return done, state
    return 0, None


def _waypoint_key(room_id: str, sequence: int, changes: int) -> str:
    """With the number of changes: where an event that was set aside counts after all, all places
    behind it stand for one more, and waypoints from before are not found again."""
    return f"{room_id}.{sequence}.{changes}"

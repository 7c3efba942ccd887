"""`incident_rooms`: rooms as they stand."""

from collections.abc import Sequence

from projections.row_changes import RowChange, Update, Upsert
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Effect, RoomChanged, RoomOpened

TABLE = "incident_rooms"


def project(event: RoomEvent, effect: Effect, partition: int) -> Sequence[RowChange]:
    """A row for each room opened, changed with its title, severity and status.

    `partition` is the one that the room's events are in: it tells which checkpoint a row of the
    room stands for.
    """
    key = {"room_id": event.room_id}
    match effect:
        case RoomOpened(room):
            opened = {
                "name": room.name,
                "title": room.title,
                "severity": room.severity,
                "status": room.status.value,
                "created_by": room.created_by,
                "created_at": room.created_at,
                "created_sequence": room.created_sequence,
                "partition": partition,
            }
            return [Upsert(TABLE, key, opened)]
        case RoomChanged(room):
            changed = {
                "title": room.title,
                "severity": room.severity,
                "status": room.status.value,
            }
            return [Update(TABLE, key, changed)]
        case _:
            return ()

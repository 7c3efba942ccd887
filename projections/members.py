"""`room_members`: who is in a room now, in which role, since when."""

from collections.abc import Sequence

from projections.row_changes import Delete, RowChange, Upsert
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Effect, MemberChanged, MemberState, RoomOpened

TABLE = "room_members"


def project(event: RoomEvent, effect: Effect) -> Sequence[RowChange]:
    """A row for each membership; it goes when the membership ends."""
    match effect:
        case RoomOpened(room):
            return [_row(event.room_id, user, member) for user, member in room.members.items()]
        case MemberChanged(user_id=user, member=None):
            return [Delete(TABLE, {"room_id": event.room_id, "user_id": user})]
        case MemberChanged(user_id=user, member=MemberState() as member):
            # A changed role finds the row there already.
            return [_row(event.room_id, user, member, fresh=False)]
        case _:
            return ()


def _row(room_id: str, user_id: str, member: MemberState, *, fresh: bool = True) -> Upsert:
    return Upsert(
        TABLE,
        {"room_id": room_id, "user_id": user_id},
        {"role": member.role.value, "since": member.since, "name": member.name},
        fresh=fresh,
    )

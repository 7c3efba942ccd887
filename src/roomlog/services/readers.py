"""The door to a room for whoever reads: nobody gets past it who may not, or without a trace.

Every read of a room goes through here. Members read their own; whoever is let in by a role over
all rooms is on the audit trail before anything is given out.
"""

from collections.abc import Awaitable

from roomlog.core import policy
from roomlog.core.policy import Act, Actor
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog.services.trail import Reading, Trail
from roomlog_contract.trail import RecordKind


class Readers:
    """Opens rooms for reading. Methods raise RefusedError and LogUnavailableError; then nothing
    may be given out."""

    def __init__(self, rooms: RoomCache, trail: Trail) -> None:
        self._rooms = rooms
        self._trail = trail

    async def open(
        self,
        actor: Actor,
        room_id: str,
        kind: RecordKind,
        *,
        message_id: str | None = None,
        past: bool = False,
    ) -> LiveRoom:
        """The room, if the actor may read it, and once the reading is on record where it must."""
        room = await self._rooms.open(room_id)
        await room.require(Act.READ, actor)
        await self._trail.reading(actor, Reading(kind, room_id, message_id, past), room.state)
        return room

    async def require_deleted(self, actor: Actor, room: LiveRoom, message_id: str) -> None:
        """What a deleted message said is for roles over all rooms alone, members' too."""
        policy.require(Act.READ_DELETED, actor, room.state)
        await self._trail.privileged(
            actor, Reading(RecordKind.VERSIONS_READ, room.room_id, message_id)
        )

    async def require_list(self, actor: Actor) -> bool:
        """Whether all rooms are listed to the actor, which then is on record."""
        if not policy.sees_all_rooms(actor):
            return False
        await self._trail.privileged(actor, Reading(RecordKind.ROOMS_LISTED))
        return True

    def next_span(self) -> Awaitable[None]:
        """Wait until records of reading have to be made anew."""
        return self._trail.next_span()

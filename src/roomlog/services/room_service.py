"""Rooms and members: load -> decide -> append, and the reads of them."""

import msgspec

from roomlog.core import decide, policy
from roomlog.core.policy import Act, Actor
from roomlog.core.room_state import evolve_stored
from roomlog.core.upcasters import decode_event
from roomlog.memory_ports import ReadMarkers, SnapshotStore
from roomlog.ports import (
    DatabaseUnavailableError,
    EventLog,
    LogUnavailableError,
    ReadModel,
    RoomPosition,
    RoomRow,
)
from roomlog.services import identity
from roomlog.services.aftermath import appended_already
from roomlog.services.notice_service import NoticeService
from roomlog.services.once import Once
from roomlog.services.past import AsOf, place_of, room_as_of
from roomlog.services.progress import WRITE_WAIT_S, ProjectionProgress
from roomlog.services.readers import Readers
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog.services.user_names import UserNames
from roomlog.services.writer import Command, Receipt, Writer, check_key
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import RoomState
from roomlog_contract.trail import RecordKind


class RoomService:
    """Creates, changes and reads rooms and their members. Raises as MessageService does."""

    def __init__(
        self,
        *,
        log: EventLog,
        read_model: ReadModel,
        snapshots: SnapshotStore,
        rooms: RoomCache,
        readers: Readers,
        writer: Writer,
        progress: ProjectionProgress,
        markers: ReadMarkers,
        notices: NoticeService,
        once: Once,
        names: UserNames,
    ) -> None:
        self._log = log
        self._read_model = read_model
        self._snapshots = snapshots
        self._rooms = rooms
        self._readers = readers
        self._writer = writer
        self._progress = progress
        self._markers = markers
        self._notices = notices
        self._once = once
        self._names = names

    async def create_room(self, actor: Actor, command: rs.RoomCreate, key: str | None) -> Receipt:
        """Create a room with its members; the actor becomes its commander."""
        room_id = identity.new_id() if key is None else identity.keyed_room_id(actor.user_id, key)
        receipt = await self._writer.write(
            Command(room_id, actor, key, ("create_room", command), first=True),
            lambda: decide.create_room(actor, command),
        )
        assert receipt is not None
        members = dict.fromkeys(member.user_id for member in command.members)
        self._notices.added([user for user in members if user != actor.user_id], receipt)
        return receipt

    async def update_room(
        self, actor: Actor, room_id: str, command: rs.RoomUpdate, key: str | None
    ) -> Receipt | None:
        """Change title, severity or status; None where nothing changes."""
        room = await self._rooms.open(room_id)
        return await self._writer.write(
            Command(room_id, actor, key, ("update_room", _given(command))),
            lambda: decide.update_room(room.state, actor, command, keyed=key is not None),
            refresh=room.refresh,
        )

    async def put_member(
        self, actor: Actor, room_id: str, user: str, command: rs.MemberUpdate, key: str | None
    ) -> Receipt | None:
        """Add a member or change a role; None where the role is that already."""
        room = await self._rooms.open(room_id)
        receipt = await self._writer.write(
            Command(room_id, actor, key, ("put_member", user, command)),
            lambda: decide.put_member(room.state, actor, user, command, keyed=key is not None),
            refresh=room.refresh,
        )
        if receipt is not None and decode_event(receipt.data).type == "member.added":
            self._notices.added([user], receipt)
        return receipt

    async def remove_member(
        self, actor: Actor, room_id: str, user: str, key: str | None
    ) -> Receipt | None:
        """End a membership."""
        room = await self._rooms.open(room_id)
        receipt = await self._writer.write(
            Command(room_id, actor, key, ("remove_member", user)),
            lambda: decide.remove_member(room.state, actor, user),
            refresh=room.refresh,
        )
        if receipt is not None:
            self._notices.removed(user, receipt)
        return receipt

    async def room_answer(
        self, actor: Actor, room_id: str, receipt: Receipt | None
    ) -> tuple[rs.RoomResponse, bool]:
        """The room right after the event (as it stands without one), and whether the tables
        have it by now."""
        state, head, projected = await self._after(room_id, receipt)
        unread = await self._unread(actor, room_id, head) if projected else 0
        return self._state_response(actor, state, head, unread), projected

    def _state_response(
        self, actor: Actor, state: RoomState, head: int, unread: int
    ) -> rs.RoomResponse:
        return rs.RoomResponse(
            room_id=state.room_id,
            name=state.name,
            title=state.title,
            severity=state.severity,
            status=state.status,
            created_by=state.created_by,
            created_at=state.created_at,
            role=policy.role_of(actor, state),
            head=head,
            epoch=self._log.epoch,
            unread=unread,
        )

    async def _unread(self, actor: Actor, room_id: str, up_to: int) -> int:
        """What the caller had not read of the room as of `up_to`; 0 where that can't be told."""
        try:
            markers = await self._markers.get(actor.user_id)
            row = await self._read_model.room(
                room_id, actor.user_id, marker=markers.get(room_id, 0), up_to=up_to
            )
        except (DatabaseUnavailableError, LogUnavailableError):
            return 0  # the write is done, and its answer must not say otherwise
        return 0 if row is None else row.unread

    async def member_answer(
        self, room_id: str, user: str, receipt: Receipt | None
    ) -> tuple[rs.MemberResponse, bool]:
        """The member right after the event, and whether the tables have it by now."""
        state, _, projected = await self._after(room_id, receipt)
        member = state.members.get(user)
        if member is None:
            raise RefusedError(ErrorCode.NOT_FOUND, f"{user} is no member of the room")
        names = await self._names.of([user])
        name = names.get(user, member.name)
        return rs.MemberResponse(user, name, member.role, member.since), projected

    async def projected(self, receipt: Receipt) -> bool:
        """Whether the tables get to the event in time."""
        return await self._progress.reached(receipt.room_id, receipt.sequence, WRITE_WAIT_S)

    async def _after(self, room_id: str, receipt: Receipt | None) -> tuple[RoomState, int, bool]:
        if receipt is None:
            room = await self._rooms.open(room_id)
            return room.state, room.position, True
        with appended_already():
            return await self._right_after(room_id, receipt)

    async def _right_after(self, room_id: str, receipt: Receipt) -> tuple[RoomState, int, bool]:
        room = await self._rooms.open(room_id)
        projected = await self.projected(receipt)
        state: RoomState | None = room.state
        if room.changed_at <= receipt.sequence <= room.position:
            return room.state, receipt.sequence, projected
        after = room.position
        if after > receipt.sequence:
            state, after = None, 0
        async for batch in self._log.read(room_id, after=after, up_to=receipt.sequence):
            for event in batch:
                state = evolve_stored(state, event.sequence, event.data)
        assert state is not None
        return state, receipt.sequence, projected

    async def list_rooms(
        self, actor: Actor, *, after: RoomPosition, limit: int
    ) -> tuple[list[rs.RoomResponse], RoomPosition | None]:
        """The caller's rooms (all of them for admins and auditors) in order of creation, and
        the cursor of the next page."""
        rows = await self._read_model.rooms(
            actor.user_id,
            all_rooms=await self._readers.require_list(actor),
            markers=await self._markers.get(actor.user_id),
            after=after,
            limit=limit + 1,
        )
        more = len(rows) > limit
        del rows[limit:]
        heads = await self._log.last_sequences([row.room_id for row in rows])
        answers = [self._response(row, heads.get(row.room_id, 0)) for row in rows]
        if not more:
            return answers, None
        return answers, RoomPosition(rows[-1].created_sequence, rows[-1].room_id)

    async def get_room(
        self,
        actor: Actor,
        room_id: str,
        min_sequence: int | None = None,
        as_of: AsOf | None = None,
    ) -> rs.RoomResponse:
        """One room as it stands, or as it stood then, with the caller's role and unread count.

        `head` of a room of the past is its last event by then.
        """
        kind, past = RecordKind.ROOM_READ, as_of is not None
        room = await self._readers.open(actor, room_id, kind, past=past)
        await self._progress.require(room_id, min_sequence)
        if as_of is not None:
            then, state = await self._as_of(room, as_of)
            if state is None:
                raise RefusedError(ErrorCode.NOT_FOUND, "there was no such room then")
            return await self._past_response(actor, state, then)
        markers = await self._markers.get(actor.user_id)
        head = await self._log.last_sequence(room_id)
        row = await self._read_model.room(room_id, actor.user_id, marker=markers.get(room_id, 0))
        if row is None:
            raise RefusedError(
                ErrorCode.PROJECTION_BEHIND, "the room is not in the tables yet", retry_after_s=1
            )
        return self._response(row, head)

    async def _as_of(self, room: LiveRoom, as_of: AsOf) -> tuple[int, RoomState | None]:
        then = await place_of(self._log, self._read_model, self._progress, room.room_id, as_of)
        if room.changed_at <= then <= room.position:
            return then, room.state
        return then, await room_as_of(
            self._log, self._read_model, self._snapshots, room.room_id, then
        )

    async def _past_response(self, actor: Actor, state: RoomState, then: int) -> rs.RoomResponse:
        markers = await self._markers.get(actor.user_id)
        row = await self._read_model.room(
            state.room_id, actor.user_id, marker=markers.get(state.room_id, 0), up_to=then
        )
        return self._state_response(actor, state, then, 0 if row is None else row.unread)

    def _response(self, row: RoomRow, head: int) -> rs.RoomResponse:
        return rs.RoomResponse(
            room_id=row.room_id,
            name=row.name,
            title=row.title,
            severity=row.severity,
            status=row.status,
            created_by=row.created_by,
            created_at=row.created_at,
            role=row.role,
            head=head,
            epoch=self._log.epoch,
            unread=row.unread,
        )

    async def list_members(
        self,
        actor: Actor,
        room_id: str,
        *,
        after: str,
        limit: int,
        min_sequence: int | None = None,
        as_of: AsOf | None = None,
    ) -> rs.RoomPage[rs.MemberResponse]:
        """Members, now or then, in order of user id. `next` is left to the caller.

        `head` of a page of the past is the room's last event by then.
        """
        kind, past = RecordKind.MEMBERS_READ, as_of is not None
        room = await self._readers.open(actor, room_id, kind, past=past)
        await self._progress.require(room_id, min_sequence)
        if as_of is None:
            known = await self._progress.known_head(room, min_sequence)
            async with self._progress.reading(known) as (tables, head):
                members = await tables.members(room_id, after=after, limit=limit)
        else:
            head, state = await self._as_of(room, as_of)
            members = [] if state is None else _members(state, after, limit)
        names = await self._names.of([member.user_id for member in members])
        named = [
            msgspec.structs.replace(member, name=names.get(member.user_id, member.name))
            for member in members
        ]
        return rs.RoomPage(named, None, head, self._log.epoch)

    async def check_read(self, actor: Actor, room_id: str, sequence: int) -> None:
        """Raise RefusedError unless the actor may read the room, and could have read that far."""
        room = await self._rooms.open(room_id)
        await room.require(Act.READ, actor)
        if sequence > room.position and sequence > await self._log.last_sequence(room_id):
            raise RefusedError(ErrorCode.INVALID, "lies above the room's head", field="sequence")

    async def mark_read(
        self, actor: Actor, room_id: str, sequence: int, key: str | None = None
    ) -> bool:
        """Move the caller's read marker; never beyond the room's head, never backwards.

        Whether the key had been used for this before, in which case nothing was done.
        """

        async def check() -> None:
            await self.check_read(actor, room_id, sequence)

        async def move() -> None:
            await self._markers.advance(actor.user_id, room_id, sequence)

        if key is None:
            await check()
            await move()
            return False
        check_key(key)
        request_id = identity.keyed_marker_id(room_id, actor.user_id, key)
        return await self._once.run(request_id, ("mark_read", sequence), check=check, do=move)


def _members(state: RoomState, after: str, limit: int) -> list[rs.MemberResponse]:
    """As the tables list them: in order of the ids' bytes."""
    order = sorted((user.encode(), user) for user in state.members)
    users = [user for key, user in order if key > after.encode()][:limit]
    return [
        rs.MemberResponse(user, member.name, member.role, member.since)
        for user, member in ((user, state.members[user]) for user in users)
    ]


def _given(command: rs.RoomUpdate) -> dict[str, object]:
    return {k: v for k, v in msgspec.structs.asdict(command).items() if v is not msgspec.UNSET}

"""Rooms, their members, and the caller's read marker."""

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import JSONBody
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from roomlog.http.answers import (
    REPLAYED,
    answer,
    nothing,
    page_answer,
    plain_page_answer,
    written,
)
from roomlog.http.cursors import MembersCursor, RoomsCursor, decode_cursor
from roomlog.http.requests import (
    ApiRequest,
    Cursor,
    IdempotencyKey,
    Limit,
    MinSequence,
    RoomAsOf,
    RoomId,
    header_text,
    moment_of_room,
    path_text,
    path_uuid,
)
from roomlog.ports import RoomPosition
from roomlog_contract import resources as rs


class RoomsController(Controller):
    """Rooms."""

    path = "/rooms"

    @post(status_code=HTTP_201_CREATED)
    async def create_room(
        self,
        request: ApiRequest,
        data: JSONBody[rs.RoomCreate],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.RoomResponse]:
        """Create a room. The caller becomes its commander."""
        rooms, actor = request.parts.rooms, request.user
        receipt = await rooms.create_room(actor, data, header_text(idempotency_key))
        room, projected = await rooms.room_answer(actor, receipt.room_id, receipt)
        headers = written(request, receipt, projected=projected)
        headers["Location"] = f"/api/rooms/{room.room_id}"
        return answer(room, headers, HTTP_201_CREATED)

    @get()
    async def list_rooms(
        self, request: ApiRequest, limit: Limit = None, cursor: Cursor = None
    ) -> Response[rs.Page[rs.RoomResponse]]:
        """The caller's rooms in order of creation; all rooms for admins and auditors."""
        at = RoomsCursor(rs.PAGE_LIMIT_DEFAULT, *RoomPosition())
        if cursor is not None:
            at = decode_cursor(cursor, RoomsCursor)
        size = limit or at.limit
        items, after = await request.parts.rooms.list_rooms(
            request.user, after=RoomPosition(at.after, at.room_id), limit=size
        )
        following = None if after is None else RoomsCursor(size, *after)
        return plain_page_answer(request, items, following)

    @get("/{room_id:str}")
    async def get_room(
        self,
        request: ApiRequest,
        room_id: RoomId,
        as_of: RoomAsOf = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.RoomResponse]:
        """One room as it stands, or as it stood then, with the caller's role and unread count."""
        room_id = path_uuid(room_id, "room")
        then = None if as_of is None else moment_of_room(as_of, "as_of")
        return answer(await request.parts.rooms.get_room(request.user, room_id, min_sequence, then))

    @get("/{room_id:str}/stats")
    async def get_stats(
        self, request: ApiRequest, room_id: RoomId, min_sequence: MinSequence = None
    ) -> Response[rs.RoomStats]:
        """The room in numbers: messages by type and by user, edits, deletions, reactions."""
        room_id = path_uuid(room_id, "room")
        return answer(await request.parts.messages.get_stats(request.user, room_id, min_sequence))

    @patch("/{room_id:str}")
    async def update_room(
        self,
        request: ApiRequest,
        room_id: RoomId,
        data: JSONBody[rs.RoomUpdate],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.RoomResponse]:
        """Change title, severity or status. What is left out stays; null clears title or severity."""
        rooms, actor = request.parts.rooms, request.user
        room_id = path_uuid(room_id, "room")
        receipt = await rooms.update_room(actor, room_id, data, header_text(idempotency_key))
        room, projected = await rooms.room_answer(actor, room_id, receipt)
        return answer(room, written(request, receipt, projected=projected))

    @put("/{room_id:str}/read-marker", status_code=HTTP_204_NO_CONTENT)
    async def put_read_marker(
        self,
        request: ApiRequest,
        room_id: RoomId,
        data: JSONBody[rs.ReadMarkerUpdate],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[None]:
        """Say how far the caller has read. The marker never moves back."""
        repeated = await request.parts.rooms.mark_read(
            request.user,
            path_uuid(room_id, "room"),
            data.sequence,
            header_text(idempotency_key),
        )
        return nothing(REPLAYED if repeated else None)


class MembersController(Controller):
    """The members of a room."""

    path = "/rooms/{room_id:str}/members"

    @get()
    async def list_members(
        self,
        request: ApiRequest,
        room_id: RoomId,
        *,
        limit: Limit = None,
        as_of: RoomAsOf = None,
        cursor: Cursor = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.RoomPage[rs.MemberResponse]]:
        """The room's members, now or then, in order of user id."""
        then = None if as_of is None else moment_of_room(as_of, "as_of")
        at = MembersCursor(rs.PAGE_LIMIT_DEFAULT, "")
        if cursor is not None:
            at = decode_cursor(cursor, MembersCursor)
            then = at.as_of
        size = limit or at.limit
        page = await request.parts.rooms.list_members(
            request.user,
            path_uuid(room_id, "room"),
            after=at.after,
            limit=size + 1,
            min_sequence=min_sequence,
            as_of=then,
        )
        more = len(page.items) > size
        del page.items[size:]
        following = None
        if more:
            # A time is a sequence from here on, as of messages.
            place = None if then is None else page.head
            following = MembersCursor(size, page.items[-1].user_id, place)
        return page_answer(request, page, following)

    @put("/{user_id:path}")
    async def put_member(
        self,
        request: ApiRequest,
        room_id: RoomId,
        data: JSONBody[rs.MemberUpdate],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.MemberResponse]:
        """Add a member, or change a member's role."""
        rooms, room_id = request.parts.rooms, path_uuid(room_id, "room")
        user = path_text(request, "user_id")
        receipt = await rooms.put_member(
            request.user, room_id, user, data, header_text(idempotency_key)
        )
        member, projected = await rooms.member_answer(room_id, user, receipt)
        return answer(member, written(request, receipt, projected=projected))

    @delete("/{user_id:path}", status_code=HTTP_204_NO_CONTENT)
    async def remove_member(
        self, request: ApiRequest, room_id: RoomId, idempotency_key: IdempotencyKey = None
    ) -> Response[None]:
        """End a membership. Anybody may end their own."""
        rooms, room_id = request.parts.rooms, path_uuid(room_id, "room")
        user = path_text(request, "user_id")
        receipt = await rooms.remove_member(
            request.user, room_id, user, header_text(idempotency_key)
        )
        projected = receipt is None or await rooms.projected(receipt)
        return nothing(written(request, receipt, projected=projected))

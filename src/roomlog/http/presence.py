"""Who is online and who types in a room, and notices to everybody."""

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from roomlog.http.answers import REPLAYED, answer
from roomlog.http.requests import (
    ApiRequest,
    IdempotencyKey,
    MinSequence,
    RoomId,
    header_text,
    path_uuid,
)
from roomlog.services.room_cache import LiveRoom
from roomlog_contract import resources as rs
from roomlog_contract.fold import RoomState
from roomlog_contract.trail import RecordKind


@get("/rooms/{room_id:str}/online")
async def get_online(
    request: ApiRequest, room_id: RoomId, min_sequence: MinSequence = None
) -> Response[rs.PresenceResponse]:
    """Who is connected to the room, on any node, each once. Who left it less than five seconds
    ago is there still."""
    room = await _readable(request, room_id, min_sequence)
    return await _users(request, room.state, request.parts.presence.online(room.room_id))


@get("/rooms/{room_id:str}/typing")
async def get_typing(
    request: ApiRequest, room_id: RoomId, min_sequence: MinSequence = None
) -> Response[rs.PresenceResponse]:
    """Who types in the room now, on any node."""
    room = await _readable(request, room_id, min_sequence)
    return await _users(request, room.state, request.parts.presence.typists(room.room_id))


@post("/broadcast", status_code=HTTP_202_ACCEPTED)
async def broadcast(
    request: ApiRequest,
    data: JSONBody[rs.BroadcastRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[rs.BroadcastResponse]:
    """Send a notice to every connection there is. It is kept nowhere; who is away misses it."""
    key = header_text(idempotency_key)
    notice_id, repeated = await request.parts.notices.broadcast(request.user, data, key)
    told = rs.BroadcastResponse(notice_id, data.content)
    return answer(told, REPLAYED if repeated else None, HTTP_202_ACCEPTED)


async def _readable(request: ApiRequest, room_id: str, min_sequence: int | None) -> LiveRoom:
    """The room, if the caller may read it, with its members as of `min_sequence` at least."""
    room = await request.parts.events.open_room(
        request.user, path_uuid(room_id, "room"), RecordKind.PRESENCE_READ
    )
    if min_sequence is not None and min_sequence > room.position:
        await request.parts.events.head(room.room_id, min_sequence)
        await room.refresh()
    return room


async def _users(
    request: ApiRequest, room: RoomState, users: Sequence[str]
) -> Response[rs.PresenceResponse]:
    names = await request.parts.names.of(users)
    present: list[rs.PresentUser] = []
    for user in users:
        member = room.members.get(user)
        name = names.get(user, member and member.name)
        present.append(rs.PresentUser(user, name, None if member is None else member.role))
    return answer(rs.PresenceResponse(present))

"""A room's events as the log has them: a page of JSON, all of them as NDJSON, or a live feed."""

from collections.abc import AsyncGenerator

import msgspec
from litestar import Response, get
from litestar.response import Stream

from roomlog.core import policy
from roomlog.core.policy import Act
from roomlog.http.answers import NO_STORE, page_answer
from roomlog.http.auth import JSON, NDJSON, preferred
from roomlog.http.cursors import EventsCursor, decode_cursor
from roomlog.http.event_stream import EVENT_STREAM, event_stream, resume_position
from roomlog.http.pieces import one_at_a_time
from roomlog.http.requests import (
    After,
    ApiRequest,
    Cursor,
    LastEventId,
    Limit,
    MinSequence,
    RoomId,
    path_uuid,
)
from roomlog.services.event_service import EventParts
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import RoomEvent
from roomlog_contract.trail import RecordKind

_encoder = msgspec.json.Encoder()


@get("/rooms/{room_id:str}/events", opt={"produces": (JSON, NDJSON, EVENT_STREAM)})
async def list_events(
    request: ApiRequest,
    room_id: RoomId,
    *,
    after: After = None,
    limit: Limit = None,
    cursor: Cursor = None,
    min_sequence: MinSequence = None,
    last_event_id: LastEventId = None,
) -> Response[rs.RoomPage[RoomEvent]]:
    """The room's events in order. With `Accept: application/x-ndjson`, one event a line, all up
    to the head as it was when the request came. With `Accept: text/event-stream`, a live feed:
    everything after `Last-Event-ID` or `after`, then each event as it comes, its `id` being its
    sequence; without either, only what comes. It ends with the token or the right to read."""
    events, room_id = request.parts.events, path_uuid(room_id, "room")
    at = EventsCursor(rs.PAGE_LIMIT_DEFAULT, after or 0)
    if cursor is not None:
        at = decode_cursor(cursor, EventsCursor)
    wanted = preferred(request.headers.get("accept"), (JSON, NDJSON, EVENT_STREAM))
    kind = RecordKind.FOLLOWED if wanted == EVENT_STREAM else RecordKind.EVENTS_READ
    room = await events.open_room(request.user, room_id, kind)
    head = await events.head(room_id, min_sequence)
    if wanted == EVENT_STREAM:
        resumed = resume_position(after, last_event_id)
        return event_stream(request, room, resumed, head)  # type: ignore[return-value] - same
    if wanted == NDJSON:
        request.parts.readings.require_room_for_one(request.user)
        parts = events.parts(request.user, room_id, after=at.after, up_to=head)
        with request.parts.readings.one(request.user):
            first = [await _lines(parts)]
        return Stream(  # type: ignore[return-value] - the same route, another media type
            one_at_a_time(_pieces(request, room_id, first, parts)),
            media_type=NDJSON,
            headers={"Cache-Control": NO_STORE},
        )
    size = limit or at.limit
    items, more = await events.page(request.user, room_id, after=at.after, up_to=head, limit=size)
    following = EventsCursor(size, items[-1].sequence) if more else None
    return page_answer(request, rs.RoomPage(items, None, head, events.epoch), following)


async def _pieces(
    request: ApiRequest, room_id: str, first: list[bytes], parts: EventParts
) -> AsyncGenerator[bytes, None]:
    """The events as lines: those of the `first` part (which is taken out of the list, so that it
    is not held), and those of the rest, read as they are taken. Ends early, by an error that
    breaks the connection, when the reader loses the right to read."""
    with request.parts.readings.one(request.user):
        yield first.pop()
        while not parts.at_end:
            room = await request.parts.events.open_room(
                request.user, room_id, RecordKind.EVENTS_READ
            )
            policy.require(Act.READ, request.user, room.state)
            if request.parts.clock.now().timestamp() > request.auth.expires_at:
                raise RefusedError(ErrorCode.UNAUTHENTICATED, "the token has expired")
            yield await _lines(parts)


async def _lines(parts: EventParts) -> bytes:
    return b"" if parts.at_end else _encoder.encode_lines(await parts.next())

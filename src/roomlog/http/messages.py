"""Messages: sending, reading, editing, deleting."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Response, delete, get, patch, post
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from roomlog.core.decide import user_id
from roomlog.core.search_query import QUERY_BYTES_MAX, TERMS_MAX
from roomlog.http.answers import answer, etag, message_answer, page_answer, written
from roomlog.http.cursors import MessagesCursor, SearchCursor, VersionsCursor, decode_cursor
from roomlog.http.newest_pages import KeptPage
from roomlog.http.requests import (
    After,
    ApiRequest,
    AsOf,
    Before,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    MessageId,
    MinSequence,
    RoomId,
    expected_version,
    header_text,
    invalid,
    moment,
    moment_of_room,
    path_uuid,
)
from roomlog.ports import SearchPlace
from roomlog.services.effects import Effect
from roomlog.services.message_service import MessageFilter
from roomlog_contract import resources as rs
from roomlog_contract.types import MessageType, SearchOrder

_Time = Annotated[
    str | None,
    QueryParameter(
        description="RFC 3339: messages said before it.", schema_extra={"format": "date-time"}
    ),
]
_Type = Annotated[
    MessageType | None, QueryParameter(name="type", description="Messages of this type only.")
]
_Sender = Annotated[
    str | None,
    QueryParameter(
        description="The user id of who sent it.",
        schema_extra={"format": "user-id", "minLength": 1, "maxLength": rs.USER_ID_BYTES_MAX},
    ),
]
_Query = Annotated[
    str | None,
    QueryParameter(
        description='What to look for: `pool "too many clients" -test or timeout`. '
        f"To {QUERY_BYTES_MAX} bytes and {TERMS_MAX} terms; needed unless there is a `cursor`.",
        schema_extra={"format": "search", "minLength": 1, "maxLength": QUERY_BYTES_MAX},
    ),
]
_Order = Annotated[SearchOrder | None, QueryParameter(description="`newest` unless given.")]


_encoder = msgspec.json.Encoder()


class RoomMessagesController(Controller):
    """A room's messages."""

    path = "/rooms/{room_id:str}/messages"

    @post(status_code=HTTP_201_CREATED)
    async def send_message(
        self,
        request: ApiRequest,
        room_id: RoomId,
        data: JSONBody[rs.MessageCreate],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.MessageResponse]:
        """Send a message. The answer comes when it is on disk in the log, and projected."""
        messages = request.parts.messages
        receipt = await messages.create_message(
            request.user, path_uuid(room_id, "room"), data, header_text(idempotency_key)
        )
        message, projected = await messages.sent_answer(receipt)
        headers = written(request, receipt, projected=projected)
        headers["Location"] = f"/api/rooms/{message.room_id}/messages/{message.message_id}"
        headers["ETag"] = etag(message)
        return answer(message, headers, HTTP_201_CREATED)

    @get()
    async def list_messages(
        self,
        request: ApiRequest,
        room_id: RoomId,
        *,
        limit: Limit = None,
        before: Before = None,
        after: After = None,
        before_timestamp: _Time = None,
        message_type: _Type = None,
        sender: _Sender = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.RoomPage[rs.MessageResponse]]:
        """A room's messages, newest first; with `after` oldest first."""
        room = path_uuid(room_id, "room")
        narrowed = (before, after, before_timestamp, message_type, sender, as_of, cursor)
        newest = all(one is None for one in narrowed)
        then = None if as_of is None else moment_of_room(as_of, "as_of")
        if cursor is None:
            if sender is not None:
                user_id(sender, "sender")
            at = MessagesCursor(
                rs.PAGE_LIMIT_DEFAULT, before, after, before_timestamp, message_type, sender
            )
        else:
            at = decode_cursor(cursor, MessagesCursor)
            then = at.as_of
        size = limit or at.limit
        asked = msgspec.structs.replace(_filter(at, size), as_of=then)
        page, more = await request.parts.messages.get_messages(
            request.user, room, asked, min_sequence
        )
        following = None
        if more:
            # A time is a sequence from here on: pages that follow each other are of one moment.
            following = _following(at, size, page.items[-1], None if then is None else page.head)
        told = page_answer(request, page, following)
        return _keep(request, room, size, told) if newest else told

    @get("/search")
    async def search_messages(
        self,
        request: ApiRequest,
        room_id: RoomId,
        *,
        q: _Query = None,
        order: _Order = None,
        limit: Limit = None,
        before: Before = None,
        after: After = None,
        before_timestamp: _Time = None,
        message_type: _Type = None,
        sender: _Sender = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.RoomPage[rs.SearchHit]]:
        """Messages that match `q`, newest first or the most relevant first, what was found marked."""
        place = None
        then = None if as_of is None else moment_of_room(as_of, "as_of")
        if cursor is None:
            if sender is not None:
                user_id(sender, "sender")
            if q is None:
                raise invalid("q", "is missing")
            at = SearchCursor(
                rs.PAGE_LIMIT_DEFAULT, q, order or SearchOrder.NEWEST, *(0, 0, 0, 0),
                before, after, before_timestamp, message_type, sender,
            )  # fmt: skip
        else:
            at = decode_cursor(cursor, SearchCursor)
            place = SearchPlace(at.sequence, at.rank, at.head, at.lowest)
            then = at.as_of
        size = limit or at.limit
        page, following = await request.parts.messages.search_messages(
            request.user,
            path_uuid(room_id, "room"),
            at.q,
            msgspec.structs.replace(_filter(at, size), as_of=then),
            at.order,
            at=place,
            min_sequence=min_sequence,
        )
        if following is None:
            return page_answer(request, page, None)
        place_fields = msgspec.structs.asdict(following)
        # A time is a sequence from here on, as of pages of messages.
        moment_of_all = None if then is None else page.head
        following_page = msgspec.structs.replace(
            at, limit=size, as_of=moment_of_all, **place_fields
        )
        return page_answer(request, page, following_page)

    @get("/{message_id:str}")
    async def get_message(
        self,
        request: ApiRequest,
        room_id: RoomId,
        message_id: MessageId,
        as_of: AsOf = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.MessageResponse]:
        """One message as it stands, or as it stood then."""
        message = await request.parts.messages.get_message(
            request.user,
            path_uuid(room_id, "room"),
            path_uuid(message_id, "message in this room"),
            min_sequence,
            None if as_of is None else moment_of_room(as_of, "as_of"),
        )
        return message_answer(message)

    @get("/{message_id:str}/history")
    async def get_history(
        self,
        request: ApiRequest,
        room_id: RoomId,
        message_id: MessageId,
        *,
        limit: Limit = None,
        cursor: Cursor = None,
        min_sequence: MinSequence = None,
    ) -> Response[rs.RoomPage[rs.MessageVersion]]:
        """A message's versions, oldest first; of a deleted one for auditors and admins only."""
        at = VersionsCursor(rs.PAGE_LIMIT_DEFAULT, 0)
        if cursor is not None:
            at = decode_cursor(cursor, VersionsCursor)
        size = limit or at.limit
        page = await request.parts.messages.get_versions(
            request.user,
            path_uuid(room_id, "room"),
            path_uuid(message_id, "message in this room"),
            after=at.after,
            limit=size + 1,
            min_sequence=min_sequence,
        )
        more = len(page.items) > size
        del page.items[size:]
        following = VersionsCursor(size, page.items[-1].version) if more else None
        return page_answer(request, page, following)


class MessageController(Controller):
    """One message, whichever room it is in."""

    path = "/messages/{message_id:str}"

    @patch()
    async def edit_message(
        self,
        request: ApiRequest,
        message_id: MessageId,
        data: JSONBody[rs.MessageEdit],
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.MessageResponse]:
        """Edit a message. Of two racing edits with the same `If-Match`, one gets 412."""
        effect = await request.parts.messages.edit_message(
            request.user,
            path_uuid(message_id, "message"),
            data,
            expected_version=expected_version(if_match),
            key=header_text(idempotency_key),
        )
        return await _changed(request, effect)

    @delete(status_code=HTTP_200_OK)
    async def delete_message(
        self,
        request: ApiRequest,
        message_id: MessageId,
        data: JSONBody[rs.MessageDelete | None] = None,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.MessageResponse]:
        """Delete a message: hidden from the present, kept in the log. Answers its tombstone."""
        effect = await request.parts.messages.delete_message(
            request.user,
            path_uuid(message_id, "message"),
            data or rs.MessageDelete(),
            expected_version=expected_version(if_match),
            key=header_text(idempotency_key),
        )
        return await _changed(request, effect)

    @post("/redact", status_code=HTTP_200_OK)
    async def redact_message(
        self,
        request: ApiRequest,
        message_id: MessageId,
        data: JSONBody[rs.MessageRedact],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.MessageResponse]:
        """Remove what a message said, from the log's files too. Answers its tombstone."""
        done = await request.parts.redactions.redact_message(
            request.user,
            path_uuid(message_id, "message"),
            data,
            header_text(idempotency_key),
        )
        headers = written(request, done.receipt, projected=done.projected)
        headers["ETag"] = etag(done.message)
        return answer(done.message, headers)


def _keep(
    request: ApiRequest,
    room: str,
    size: int,
    told: Response[rs.RoomPage[rs.MessageResponse]],
) -> Response[Any]:
    page, body = told.content, _encoder.encode(told.content)
    headers = {name: value for name, value in told.headers.items() if value is not None}
    request.parts.newest.keep(room, size, KeptPage(page.head, page.epoch, body, headers))
    return Response(body, media_type=MediaType.JSON, headers=headers)


def _filter(at: MessagesCursor | SearchCursor, limit: int) -> MessageFilter:
    said_before = at.before_timestamp
    return MessageFilter(
        limit=limit,
        before=at.before,
        after=at.after,
        before_timestamp=None if said_before is None else moment(said_before, "before_timestamp"),
        message_type=at.message_type,
        sender_id=at.sender,
    )


def _following(
    at: MessagesCursor, size: int, last: rs.MessageResponse, as_of: int | None
) -> MessagesCursor:
    """Where the next page begins: at a sequence, so that what is sent meanwhile moves nothing."""
    forward = at.after is not None
    return MessagesCursor(
        size,
        at.before if forward else last.sequence_number,
        last.sequence_number if forward else None,
        at.before_timestamp,
        at.message_type,
        at.sender,
        as_of,
    )


async def _changed(request: ApiRequest, effect: Effect) -> Response[rs.MessageResponse]:
    message = await request.parts.messages.changed_answer(effect)
    headers = written(request, effect.receipt, projected=effect.projected)
    headers["ETag"] = etag(message)
    return answer(message, headers)

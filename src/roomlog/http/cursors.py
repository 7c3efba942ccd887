"""Opaque cursors: where a listing goes on, with the filters that it began with.

A cursor is base64url (RFC 4648, section 5, unpadded) over a MessagePack array whose first element
names the kind of listing and the cursor's version. It holds no secret: a forged one reads nothing
that the caller could not ask for anyway, and is checked like any parameter.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Meta

from roomlog.core.search_query import QUERY_BYTES_MAX
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.resources import PAGE_LIMIT_MAX, USER_ID_BYTES_MAX
from roomlog_contract.trail import RecordKind
from roomlog_contract.types import MessageType, SearchOrder

CURSOR_CHARS_MAX = 2048

_Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT_MAX)]
_Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_RoomId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
_Time = Annotated[str, Meta(max_length=40)]
_User = Annotated[str, Meta(max_length=USER_ID_BYTES_MAX)]


class MessagesCursor(msgspec.Struct, frozen=True, array_like=True, tag="m1"):
    """Messages below `before`, newest first, or above `after`, oldest first; as of a sequence."""

    limit: _Limit
    before: _Sequence | None = None
    after: _Sequence | None = None
    before_timestamp: _Time | None = None
    message_type: MessageType | None = None
    sender: _User | None = None
    as_of: _Sequence | None = None


class SearchCursor(msgspec.Struct, frozen=True, array_like=True, tag="s1"):
    """A search with all that it began with, and the place that it goes on from (SearchPlace)."""

    limit: _Limit
    q: Annotated[str, Meta(max_length=QUERY_BYTES_MAX)]
    order: SearchOrder
    sequence: _Sequence
    rank: _Sequence
    head: _Sequence
    lowest: _Sequence
    before: _Sequence | None
    after: _Sequence | None
    before_timestamp: _Time | None
    message_type: MessageType | None
    sender: _User | None
    as_of: _Sequence | None = None


class EventsCursor(msgspec.Struct, frozen=True, array_like=True, tag="e1"):
    limit: _Limit
    after: _Sequence


class VersionsCursor(msgspec.Struct, frozen=True, array_like=True, tag="v1"):
    limit: _Limit
    after: _Sequence


class RoomsCursor(msgspec.Struct, frozen=True, array_like=True, tag="r1"):
    """Rooms after that one in the order of creation."""

    limit: _Limit
    after: _Sequence
    room_id: _RoomId


class MembersCursor(msgspec.Struct, frozen=True, array_like=True, tag="u1"):
    """Members after that one; as of a sequence."""

    limit: _Limit
    after: _User
    as_of: _Sequence | None = None


class RecordsCursor(msgspec.Struct, frozen=True, array_like=True, tag="a1"):
    """Records of the audit trail after that sequence, with the filters that they were asked by."""

    limit: _Limit
    after: _Sequence
    room_id: _RoomId | None
    actor: _User | None
    kind: RecordKind | None
    since: _Time | None
    until: _Time | None


AnyCursor = (
    MessagesCursor
    | SearchCursor
    | EventsCursor
    | VersionsCursor
    | RoomsCursor
    | MembersCursor
    | RecordsCursor
)
C = TypeVar(
    "C",
    MessagesCursor,
    SearchCursor,
    EventsCursor,
    VersionsCursor,
    RoomsCursor,
    MembersCursor,
    RecordsCursor,
)

_encoder = msgspec.msgpack.Encoder()


def encode_cursor(cursor: AnyCursor) -> str:
    """The cursor as it goes out."""
    return urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(text: str, kind: type[C]) -> C:
    """A cursor as it came in. Raises RefusedError `invalid` for one that no such page gave."""
    shortened = text[: CURSOR_CHARS_MAX + 1]
    try:
        data = urlsafe_b64decode(shortened + "=" * (-len(shortened) % 4))
        return msgspec.msgpack.decode(data, type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(
            ErrorCode.INVALID, "is not a cursor that this listing gave", field="cursor"
        ) from error


def next_link(path: str, cursor: str) -> str:
    """The value of a `Link` header for the next page (RFC 8288), relative to the server."""
    return f'<{quote(path)}?cursor={cursor}>; rel="next"'

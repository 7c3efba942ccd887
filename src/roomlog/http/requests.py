"""What comes in: bodies, parameters and headers, each checked, each error with its field."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, cast
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter, QueryParameter
from litestar.types import Scope
from msgspec import Meta
from uuid_utils import uuid7

from roomlog.core.content import LONE_SURROGATE, lone_surrogate
from roomlog.core.policy import Actor
from roomlog.core.wrong_shape import wrong_shape
from roomlog.http.parts import HttpParts
from roomlog.services.tokens import Identity
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.resources import IDEMPOTENCY_KEY_BYTES_MAX, PAGE_LIMIT_MAX

SEQUENCE_MAX = 2**63 - 1
TIME_CHARS_MAX = 40

Limit = Annotated[
    int | None, QueryParameter(ge=1, le=PAGE_LIMIT_MAX, description="How many items at most.")
]
Before = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=SEQUENCE_MAX, schema_extra={"minimum": 0}, description="Below this sequence."
    ),
]
After = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=SEQUENCE_MAX,
        schema_extra={"minimum": 0},
        description="Above this sequence, oldest first.",
    ),
]
MinSequence = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=SEQUENCE_MAX,
        schema_extra={"minimum": 0},
        description="The answer reflects at least the room's event at this sequence.",
    ),
]
AsOf = Annotated[
    str | None,
    QueryParameter(
        description="A sequence, or an RFC 3339 time, which means the room's last event appended "
        "by then: the messages, edits, deletions and reactions as they stood.",
        schema_extra={
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": SEQUENCE_MAX},
                {"type": "string", "format": "date-time"},
            ]
        },
    ),
]
RoomAsOf = Annotated[
    str | None,
    QueryParameter(
        description="A sequence, or an RFC 3339 time, which means the room's last event appended "
        "by then: the room and its members as they stood.",
        schema_extra={
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": SEQUENCE_MAX},
                {"type": "string", "format": "date-time"},
            ]
        },
    ),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="`next` of a page: goes on where that page ended, with its filters. "
        "Only `limit` may be given anew.",
        schema_extra={"minLength": 1},
    ),
]
RoomId = Annotated[
    str, PathParameter(description="The room's UUID.", schema_extra={"format": "uuid"})
]
MessageId = Annotated[
    str, PathParameter(description="The message's UUID.", schema_extra={"format": "uuid"})
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="The same key from the same user in the same room gives the same answer "
        f"again. 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes as UTF-8; bytes that are not UTF-8 are "
        "read as Latin-1.",
        schema_extra={
            "minLength": 1,
            "maxLength": IDEMPOTENCY_KEY_BYTES_MAX,
            # Of our own: a schema's lengths are characters, and the limit is in bytes.
            "format": "idempotency-key",
        },
    ),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="The sequence after which a feed of server-sent events goes on; it goes "
        "before `after`. Nothing else heeds it.",
    ),
]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='The version that the message must have, as its ETag says: `"123"`, or `*`. '
        "Any other entity tag matches no version.",
        schema_extra={"pattern": '^([*]|[0-9]{1,18}|"[0-9]{1,18}")$'},
    ),
]

_PARTS = "roomlog_parts"
_REQUEST_ID = "roomlog_request_id"
_REQUEST_ID_GIVEN = re.compile(rb"[A-Za-z0-9_.:-]{1,128}\Z")
_VERSION_TAG = re.compile(r'(?P<quote>"?)(?P<version>[0-9]{1,18})(?P=quote)\Z', re.ASCII)
# RFC 9110, 8.8.3.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\Z')
_NO_VERSION = 0  # sequences begin at 1
_JSON = "application/json"


class ApiRequest(Request[Actor, Identity, State]):
    """A request of the API. `user` and `auth` are there on every path below `/api`."""

    @property
    def parts(self) -> HttpParts:
        """What the application was created with."""
        return parts_of(self.scope)

    async def json(self) -> Any:
        """The body as the handler's `data` type, decoded strictly.

        Raises RefusedError `unsupported_media_type` and `invalid`.
        """
        _require_json(self.headers.get("content-type"))
        _require_plain(self.headers.get("content-encoding"))
        field = self.scope["route_handler"].parsed_data_field
        assert field is not None
        return decode_body(await self.body(), field.annotation)


def parts_of(scope: Scope) -> HttpParts:
    """What the application that a request came to was created with."""
    return cast("HttpParts", scope["litestar_app"].state[_PARTS])


def keep_parts(state: State, parts: HttpParts) -> None:
    """Put the parts where requests find them."""
    state[_PARTS] = parts


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def decode_body(body: bytes, shape: Any) -> Any:
    """A JSON body as `shape`. Raises RefusedError `invalid` with the field at fault."""
    try:
        return _decoder(shape).decode(body)
    except msgspec.ValidationError as error:
        detail, field = wrong_shape(error)
        field = field or "body"
    except UnicodeDecodeError:
        detail, field = "is not valid UTF-8", "body"
    except RecursionError:
        detail, field = "is nested too deeply", "body"
    except msgspec.DecodeError as error:
        detail, field = f"is not valid JSON: {error}", "body"
        if (place := lone_surrogate(body)) is not None:
            detail, field = LONE_SURROGATE, place or "body"
    raise RefusedError(ErrorCode.INVALID, detail, field=field)


def _require_json(content_type: str | None) -> None:
    if content_type is None:
        return
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.lower().replace('"', "").replace(" ", "")
    if media_type.strip().lower() != _JSON or charset not in {"", "charset=utf-8"}:
        raise RefusedError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"bodies are {_JSON} in UTF-8")


def _require_plain(content_encoding: str | None) -> None:
    # Nothing is ever unpacked: a small body that becomes a large one does not exist here.
    if content_encoding is not None and content_encoding.strip().lower() not in {"", "identity"}:
        raise RefusedError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "bodies must not be compressed")


def parameter_name(request: ApiRequest, key: str) -> str:
    """The name under which a client knows the handler's parameter `key`."""
    field = request.scope["route_handler"].parsed_fn_signature.parameters.get(key)
    declared = None if field is None else field.kwarg_definition
    if isinstance(declared, ParameterKwarg):
        return declared.name or key
    return key


def invalid(field: str, detail: str) -> RefusedError:
    """One field's refusal."""
    return RefusedError(ErrorCode.INVALID, detail, field=field)


def path_uuid(value: str, what: str) -> str:
    """An id from the path in its canonical form.

    Raises RefusedError `not_found`: what is no UUID names nothing.
    """
    try:
        if len(value) == 36:
            return str(UUID(value))
    except ValueError:
        pass
    raise RefusedError(ErrorCode.NOT_FOUND, f"no such {what}")


def path_text(request: ApiRequest, field: str) -> str:
    """The last segment of the path, decoded exactly; it may hold an encoded slash. As everywhere,
    a slash at the path's end says nothing.

    Raises RefusedError `not_found` where the path has more segments than its route, `invalid`
    where this one is not UTF-8.
    """
    path = request.scope["raw_path"].split(b"?", 1)[0]
    segments = path.removeprefix(request.scope.get("root_path", "").encode()).split(b"/")
    if not segments[-1]:
        segments.pop()
    if len(segments) != request.scope["path_template"].count("/") + 1:
        raise RefusedError(ErrorCode.NOT_FOUND, "there is nothing at this path")
    try:
        return unquote_to_bytes(segments[-1]).decode()
    except UnicodeDecodeError as error:
        raise invalid(field, "is not valid UTF-8") from error


def header_text(value: str | None) -> str | None:
    """A header's text as it was typed: HTTP hands bytes, which are UTF-8 where they can be."""
    if value is None or value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def expected_version(if_match: str | None) -> int | None:
    """The version that `If-Match` demands; None where any will do (RFC 9110, 13.1.1).

    The comparison is strong: a weak tag, and one that this server never gave, is that of no
    version, which is 412 where all else is in order. Several tags, and what is no tag, are
    RefusedError `invalid`: no message has several versions at once.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip()
    match = _VERSION_TAG.match(tag)
    if match is None and _ENTITY_TAG.match(tag):
        return _NO_VERSION
    if match is None:
        raise invalid("If-Match", 'must be one strong entity tag such as "123", or *')
    return int(match["version"])


def moment(value: str, field: str) -> datetime:
    """An RFC 3339 time in UTC. Raises RefusedError `invalid`."""
    # A plus sign that was not percent-encoded arrives as a space.
    text = value.replace(" ", "+") if value[10:11] in {"T", "t"} else value
    try:
        if len(text) > TIME_CHARS_MAX:
            raise invalid(field, "is too long")
        parsed = msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
        return parsed.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        raise invalid(field, "must be an RFC 3339 time such as 2030-01-31T12:00:00Z") from error


def moment_of_room(value: str, field: str) -> int | datetime:
    """A sequence or an RFC 3339 time. Raises RefusedError `invalid`."""
    if not value.isascii() or not value.isdigit():
        try:
            return moment(value, field)
        except RefusedError as error:
            raise invalid(field, f"{error.detail}, or a sequence") from error
    if len(value) > TIME_CHARS_MAX or int(value) > SEQUENCE_MAX:
        raise invalid(field, f"must be at most {SEQUENCE_MAX}")
    return int(value)


def request_id(scope: Scope) -> str:
    """The id under which this request is logged: the client's own where it is a plain word."""
    known = scope.get(_REQUEST_ID)
    if known is None:
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        known = given.decode() if _REQUEST_ID_GIVEN.match(given) else str(uuid7())
        scope[_REQUEST_ID] = known  # type: ignore[literal-required, typeddict-unknown-key]
    return cast("str", known)

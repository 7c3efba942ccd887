"""The document's schemas: as msgspec decodes and encodes them, and what msgspec can't say."""

from typing import Any

import msgspec

from roomlog.core import message_types
from roomlog.http.health import Liveness, NotReady, Readiness
from roomlog.http.problems import UnexpectedProblem
from roomlog_contract import proofs as pr
from roomlog_contract import resources as rs
from roomlog_contract.errors import Problem
from roomlog_contract.events import RoomEvent
from roomlog_contract.trail import AuditRecord
from roomlog_contract.types import MessageType, SearchOrder

_SHAPES = (
    *(rs.BroadcastRequest, rs.BroadcastResponse, rs.PresenceResponse),
    rs.RoomCreate,
    rs.RoomUpdate,
    rs.MemberUpdate,
    rs.ReadMarkerUpdate,
    rs.MessageCreate,
    rs.MessageEdit,
    rs.MessageDelete,
    rs.MessageRedact,
    rs.ReactionRequest,
    rs.Page[rs.RoomResponse],
    rs.RoomPage[rs.MemberResponse],
    rs.RoomPage[rs.MessageResponse],
    rs.RoomPage[rs.SearchHit],
    rs.RoomPage[rs.MessageVersion],
    rs.RoomStats,
    rs.RoomPage[RoomEvent],
    rs.ReactionResponse,
    *(pr.RoomCheckpoint, pr.InclusionProof, pr.ConsistencyProof),
    *(pr.HeadProof, pr.LogCheckpoint, pr.AuditKeys),
    rs.Page[AuditRecord],
    SearchOrder,
    Problem,
    UnexpectedProblem,
    Liveness,
    Readiness,
    NotReady,
    *message_types.SHAPES.values(),
)
_REFERENCE = "#/components/schemas/{name}"

NOT_BLANK = (
    "[^\\u0000-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"
)
"""A pattern: at least one character that is neither white space nor a control character."""

EMOJI = {"format": "emoji"}
USER_ID = {"format": "user-id"}
"""Formats of our own, of what no pattern says: one emoji of Unicode's list; printable text
without white space at its ends."""

_ADDED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("RoomCreate", "name", {"pattern": NOT_BLANK}),
    ("BroadcastRequest", "content", {"pattern": NOT_BLANK}),
    ("MessageRedact", "reason", {"pattern": NOT_BLANK}),
    ("ReactionRequest", "emoji", EMOJI),
    ("NewMember", "user_id", USER_ID),
)
_KINDS = {
    MessageType.TEXT: "TextMessage",
    MessageType.IMAGE_REF: "ImageReferenceMessage",
    MessageType.FILE_REF: "FileReferenceMessage",
    MessageType.INCIDENT_DATA: "IncidentDataMessage",
    MessageType.SYSTEM: "SystemMessageCreate",
}


def reference(name: str) -> dict[str, str]:
    """A reference to one of the schemas."""
    return {"$ref": _REFERENCE.format(name=name)}


def schemas() -> dict[str, Any]:
    """All of them, by name."""
    _, made = msgspec.json.schema_components(_SHAPES, ref_template=_REFERENCE)
    shapes: dict[str, Any] = _portable(made)
    for kind, name in _KINDS.items():
        shapes[name] = _message_of(kind, shapes["MessageCreate"])
    described = shapes["MessageCreate"]["description"]
    shapes["MessageCreate"] = {
        "title": "MessageCreate",
        "description": described,
        "oneOf": [reference(name) for name in _KINDS.values()],
    }
    for name, field, added in _ADDED:
        shapes[name]["properties"][field] |= added
    return shapes


PATH_TEXTS: dict[str, dict[str, Any]] = {
    "user_id": {
        "type": "string",
        "minLength": 1,
        "maxLength": rs.USER_ID_BYTES_MAX,
        **USER_ID,
        "description": "The user's id, percent-encoded.",
    },
    "emoji": {
        "type": "string",
        "minLength": 1,
        "maxLength": rs.EMOJI_BYTES_MAX,
        **EMOJI,
        "description": "The emoji, percent-encoded.",
    },
}
"""Last segments of paths, which handlers read from the path as it was sent."""


def _message_of(kind: MessageType, general: dict[str, Any]) -> dict[str, Any]:
    """What is sent as a message of one kind: `message_type` says what `metadata` must hold."""
    properties = dict(general["properties"])
    properties["message_type"] = {"const": kind.value, "type": "string"}
    required = ["content"]
    if kind is MessageType.TEXT:
        properties["message_type"]["default"] = kind.value
        properties["content"] = {**properties["content"], "pattern": NOT_BLANK}
    else:
        properties["metadata"] = reference(message_types.SHAPES[kind].__name__)
        required += ["message_type", "metadata"]
    return {
        "title": _KINDS[kind],
        "description": f"A message of the type `{kind}`.",
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _portable(schema: Any) -> Any:
    """The same schema for readers other than msgspec: patterns as ECMA-262 has them, words typed,
    descriptions without the line breaks of docstrings."""
    if isinstance(schema, list):
        return [_portable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _portable(value) for name, value in schema.items()}
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = plain["pattern"].replace("\\Z", "$")
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].split())
    words = plain.get("enum")
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        plain.setdefault("type", "string")
    return plain

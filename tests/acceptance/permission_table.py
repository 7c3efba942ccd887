"""Who may do what, as the contract says it, and what each route and each client frame asks for.

A route or a frame that has no row here fails `test_permissions.py`: whoever adds one says whose
it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

COMMANDER, RESPONDER, OBSERVER = "commander", "responder", "observer"
STRANGER, ADMIN, AUDITOR, SERVICE = "stranger", "admin", "auditor", "service"
PEOPLE = (COMMANDER, RESPONDER, OBSERVER, STRANGER, ADMIN, AUDITOR, SERVICE)
MEMBERS = (COMMANDER, RESPONDER, OBSERVER)

# The contract's table. `STRANGER` and the global roles are no members of the room.
MAY: Mapping[str, set[str]] = {
    "create a room": set(PEOPLE),
    "list one's rooms": set(PEOPLE),
    "read": {*MEMBERS, AUDITOR, ADMIN},
    "send": {COMMANDER, RESPONDER},
    "react": {COMMANDER, RESPONDER},
    "type": {COMMANDER, RESPONDER},
    "send system messages": {SERVICE, ADMIN},
    "edit one's own": set(MEMBERS),
    "edit another's": set(),
    "delete one's own": {*MEMBERS, ADMIN},
    "delete another's": {COMMANDER, ADMIN},
    "manage members": {COMMANDER, ADMIN},
    "change the room": {COMMANDER, ADMIN},
    "leave": {OBSERVER, RESPONDER},
    "read a deleted message's versions": {AUDITOR, ADMIN},
    "broadcast to all": {SERVICE, ADMIN},
    "redact": {ADMIN},
    "have the public keys": set(PEOPLE),
    "audit all rooms": {AUDITOR, ADMIN},
    "read the audit trail": {ADMIN},
    "stay connected": set(PEOPLE),
}


@dataclass(frozen=True)
class Cell:
    """What one person's request is made of. `own`, `others` and `deleted` are message ids.
    `first` is the sequence of an event of the room."""

    room_id: str
    person: str
    user_id: str
    own: Callable[[], str]
    others: Callable[[], str]
    deleted: str
    first: int
    guest: Callable[[], str]
    token: str


Fields = Callable[[Cell], dict[str, Any]]


def _nothing(_: Cell) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Row:
    """A route (`GET /api/…`) or a client frame's type, and the act that it is.

    `fill` gives what stands in the path's braces, `body` the JSON body or the frame's fields.
    """

    what: str
    act: str
    body: Fields | None = None
    fill: Fields = field(default=_nothing)
    query: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.act})"


_MESSAGE = "/api/messages/{message_id}"
_ROOM = "/api/rooms/{room_id}"


def _own(cell: Cell) -> dict[str, Any]:
    return {"message_id": cell.own()}


def _others(cell: Cell) -> dict[str, Any]:
    return {"message_id": cell.others()}


def _text(_: Cell) -> dict[str, Any]:
    return {"content": "a text"}


def _system(_: Cell) -> dict[str, Any]:
    return {"content": "x", "message_type": "system", "metadata": {"event": "notice"}}


ROUTES = (
    Row("POST /api/rooms", "create a room", lambda _: {"name": "another"}),
    Row("GET /api/rooms", "list one's rooms"),
    Row(f"GET {_ROOM}", "read"),
    Row(f"PATCH {_ROOM}", "change the room", lambda cell: {"title": f"by {cell.person}"}),
    Row(f"PUT {_ROOM}/read-marker", "read", lambda _: {"sequence": 1}),
    Row(f"GET {_ROOM}/members", "read"),
    Row(
        f"PUT {_ROOM}/members/{{user_id}}",
        "manage members",
        lambda _: {"role": "observer"},
        lambda cell: {"user_id": cell.guest()},
    ),
    Row(
        f"DELETE {_ROOM}/members/{{user_id}}",
        "manage members",
        fill=lambda cell: {"user_id": cell.guest()},
    ),
    Row(f"POST {_ROOM}/messages", "send", _text),
    Row(f"POST {_ROOM}/messages", "send system messages", _system),
    Row(f"GET {_ROOM}/messages", "read"),
    Row(f"GET {_ROOM}/messages/{{message_id}}", "read", fill=_others),
    Row(f"GET {_ROOM}/messages/{{message_id}}/history", "read", fill=_others),
    Row(
        f"GET {_ROOM}/messages/{{message_id}}/history",
        "read a deleted message's versions",
        fill=lambda cell: {"message_id": cell.deleted},
    ),
    Row(f"GET {_ROOM}/messages/search", "read", query="?q=text"),
    Row(f"GET {_ROOM}/online", "read"),
    Row(f"GET {_ROOM}/typing", "read"),
    Row(f"GET {_ROOM}/stats", "read"),
    Row(f"GET {_ROOM}/events", "read"),
    Row(f"GET {_ROOM}/tree/checkpoint", "read"),
    Row(
        f"GET {_ROOM}/tree/inclusion",
        "read",
        fill=lambda cell: {"sequence": cell.first},
        query="?sequence={sequence}",
    ),
    Row(f"GET {_ROOM}/tree/consistency", "read", query="?from=1"),
    Row(f"GET {_ROOM}/tree/head", "audit all rooms"),
    Row("GET /api/checkpoint", "audit all rooms"),
    Row("GET /api/audit/keys", "have the public keys"),
    Row("GET /api/audit/records", "read the audit trail"),
    Row("GET /api/audit/records/checkpoint", "audit all rooms"),
    Row("GET /api/audit/records/inclusion", "audit all rooms", query="?sequence=1"),
    Row("GET /api/audit/records/consistency", "audit all rooms", query="?from=1"),
    Row(f"PATCH {_MESSAGE}", "edit one's own", _text, _own),
    Row(f"PATCH {_MESSAGE}", "edit another's", _text, _others),
    Row(f"DELETE {_MESSAGE}", "delete one's own", fill=_own),
    Row(f"DELETE {_MESSAGE}", "delete another's", fill=_others),
    Row(f"POST {_MESSAGE}/redact", "redact", lambda _: {"reason": "r"}, _others),
    Row(f"POST {_MESSAGE}/reactions", "react", lambda _: {"emoji": "👀"}, _others),
    Row(f"GET {_MESSAGE}/reactions", "read", fill=_others),
    Row(
        f"DELETE {_MESSAGE}/reactions/{{emoji}}",
        "react",
        fill=lambda cell: {**_others(cell), "emoji": "%F0%9F%91%80"},
    ),
    Row("POST /api/broadcast", "broadcast to all", lambda _: {"content": "a notice"}),
)

WITHOUT_TOKEN = {
    *("GET /livez", "GET /readyz", "GET /metrics"),
    *("GET /", "GET /favicon.svg", "GET /assets/{name}"),
    *("GET /schema", "GET /schema/openapi.json", "GET /schema/asyncapi.json"),
    *("GET /schema/{path}", "GET /schema/assets/{name}"),
}
"""Routes that say nothing of any room: health and counts, the console's files, descriptions."""

SOCKETS = {"/ws", "/ws/{room_id}"}
"""WebSocket routes: whoever comes shows a token, and each frame has a row below."""

FRAMES = (
    Row("subscribe", "read"),
    Row("unsubscribe", "read"),
    Row("send", "send", _text),
    Row("send", "send system messages", _system),
    Row("edit", "edit one's own", lambda cell: {**_text(cell), **_own(cell)}),
    Row("edit", "edit another's", lambda cell: {**_text(cell), **_others(cell)}),
    Row("delete", "delete one's own", _own),
    Row("delete", "delete another's", _others),
    Row("react", "react", lambda cell: {"emoji": "👀", **_others(cell)}),
    Row("unreact", "react", lambda cell: {"emoji": "👀", **_others(cell)}),
    Row("typing", "type", lambda _: {"active": True}),
    Row("seen", "read", lambda _: {"sequence": 1}),
    Row("ping", "stay connected"),
    Row("auth", "stay connected", lambda cell: {"token": cell.token}),
)

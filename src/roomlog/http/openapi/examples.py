"""An example of every body and parameter, as the structs that go in and out: one incident."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from roomlog.core.content import render_html
from roomlog.core.leaves import event_leaf_hash
from roomlog.core.merkle import tree_root
from roomlog.core.room_tree import RoomHead, heads_hashes, heads_origin, room_origin
from roomlog.core.signed_note import SigningKey
from roomlog.core.tree_head import TreeHead
from roomlog.http.auth import NDJSON
from roomlog.http.cursors import (
    AnyCursor,
    EventsCursor,
    MembersCursor,
    MessagesCursor,
    RecordsCursor,
    RoomsCursor,
    SearchCursor,
    VersionsCursor,
    encode_cursor,
)
from roomlog.http.event_stream import EVENT_STREAM
from roomlog.http.health import Liveness, NotReady, Readiness
from roomlog.http.problems import problem
from roomlog.services.audit_keys import KeyRing
from roomlog.services.health import PartStatus
from roomlog_contract import events as ev
from roomlog_contract import proofs as pr
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode
from roomlog_contract.trail import TRAIL_ID, AuditRecord, RecordKind
from roomlog_contract.types import GlobalRole, MessageType, RoomRole, RoomStatus, SearchOrder

Examples = Mapping[str, Any]

_ADA, _BEN, _CEM = "ada@example.org", "ben@example.org", "cem@example.org"
_ROOM_ID = "0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e6f"
_MESSAGE_ID = "0192f3a4-7c1e-7b52-9d0a-5f6e7d8c9b0a"
_IMAGE_ID = "0192f3a4-9e30-7d74-8f2c-7b8a9c0d1e2f"
_EPOCH = "0192f3a4-0000-7000-8000-000000000001"
_BEGAN, _SAID, _EDITED = (
    "2030-01-31T12:00:00.000Z",
    "2030-01-31T12:01:07.250Z",
    "2030-01-31T12:03:41.800Z",
)
_TEXT = "Checkout is **slow**: p99 is 9 s, @ben please look at `db-7`"
_EDIT = "Checkout is **slow**: p99 is 12 s, @ben please look at `db-7`"
_LIMIT = rs.PAGE_LIMIT_DEFAULT

_ROOM = rs.RoomResponse(
    room_id=_ROOM_ID,
    name="payments",
    title="Checkout is slow",
    severity="high",
    status=RoomStatus.OPEN,
    created_by=_ADA,
    created_at=_BEGAN,
    role=RoomRole.COMMANDER,
    head=1042,
    epoch=_EPOCH,
    unread=3,
)
_MEMBERS = [
    rs.MemberResponse(_ADA, "Ada", RoomRole.COMMANDER, _BEGAN),
    rs.MemberResponse(_BEN, None, RoomRole.RESPONDER, _BEGAN),
]
_REACTIONS = [rs.ReactionCount("👀", 2, [_BEN, _CEM])]


def _message(content: str, version: int, **fields: Any) -> rs.MessageResponse:
    """The message in one of its versions."""
    given: dict[str, Any] = {
        "message_id": _MESSAGE_ID,
        "sequence_number": 1039,
        "message_type": MessageType.TEXT,
        "metadata": {"mentions": [_BEN]} if content else {},
        "created_at": _SAID,
        "edited_at": None,
        "deleted_at": None,
        "reactions": [],
        **fields,
    }
    html = render_html(content)
    return rs.MessageResponse(
        room_id=_ROOM_ID,
        sender_id=_ADA,
        content=content,
        content_html=html,
        reply_to=None,
        version=version,
        **given,
    )


_SENT = _message(_TEXT, 1039)
_CHANGED = _message(_EDIT, 1041, edited_at=_EDITED)
_TOMBSTONE = _message("", 1042, deleted_at="2030-01-31T12:09:00.000Z")
_READ = _message(_EDIT, 1041, edited_at=_EDITED, reactions=_REACTIONS)
_HIT = rs.SearchHit(
    _READ, "Checkout is **slow**: p99 is 12 s, @ben please look at `<mark>db-7</mark>`"
)
_EVENT = ev.RoomEvent(
    sequence=1039,
    prev_sequence=1037,
    room_id=_ROOM_ID,
    at=_SAID,
    event=ev.MessageSent(
        id=_MESSAGE_ID,
        actor=_ADA,
        message_id=_MESSAGE_ID,
        message_type=MessageType.TEXT,
        content=_TEXT,
        metadata={"mentions": [_BEN]},
    ),
)
_LINE = (
    f'{{"sequence":1037,"prev_sequence":1,"room_id":"{_ROOM_ID}","at":"{_BEGAN}","event":'
    f'{{"type":"member.added","id":"0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e70","actor":"{_ADA}",'
    f'"user_id":"{_BEN}","role":"responder"}}}}'
)
_PARTS = {
    "log": PartStatus(ok=True),
    "database": PartStatus(ok=False, required=False, detail="PostgreSQL does not answer"),
}
_LOG_AWAY = {"log": PartStatus(ok=False, detail="no connection")}

# Signed with a key that everybody knows, for it is written here.
_KEY = SigningKey("chat.example.org/log", bytes(32))
_KEYS = KeyRing(_KEY)
_LEAVES = [
    event_leaf_hash(sequence, b'{"v":1,"type":"message.sent"}') for sequence in (1, 1039, 1042)
]
_TREE = TreeHead(room_origin(_KEY.name, _EPOCH, _ROOM_ID), 3, tree_root(_LEAVES))
_RECORD = AuditRecord(
    sequence=1,
    id=_IMAGE_ID,
    kind=RecordKind.HISTORY_READ,
    actor=_CEM,
    roles=[GlobalRole.AUDITOR],
    at=_SAID,
    until="2030-01-31T12:10:00.000Z",
    room_id=_ROOM_ID,
)
_TRAIL = TreeHead(room_origin(_KEY.name, _EPOCH, TRAIL_ID), 3, tree_root(_LEAVES))
_HEADS = TreeHead(
    heads_origin(_KEY.name, _EPOCH, [1042]),
    1,
    tree_root(heads_hashes([RoomHead(_ROOM_ID, 3, _TREE.root)])),
)


def _hash(hashed: bytes) -> str:
    return b64encode(hashed).decode()


CURSORS: dict[str, AnyCursor] = {
    "list_rooms": RoomsCursor(_LIMIT, 1, _ROOM_ID),
    "list_members": MembersCursor(_LIMIT, _BEN),
    "list_messages": MessagesCursor(_LIMIT, 1039),
    "search_messages": SearchCursor(
        *(_LIMIT, "db-7 or db-8", SearchOrder.NEWEST, 1039, 0, 1042, 0, None, None),
        *(None, None, None),
    ),
    "get_history": VersionsCursor(_LIMIT, 1041),
    "list_events": EventsCursor(_LIMIT, 1039),
    "list_records": RecordsCursor(_LIMIT, 1, None, _CEM, None, None, None),
}
"""Where the next page of each listing begins."""


def _next(operation_id: str) -> str:
    return encode_cursor(CURSORS[operation_id])


def _included(tree_id: str) -> pr.InclusionProof:
    return pr.InclusionProof(
        room_id=tree_id,
        sequence=1039,
        index=1,
        leaf_hash=_hash(_LEAVES[1]),
        size=3,
        root=_hash(_TREE.root),
        hashes=[_hash(_LEAVES[0]), _hash(_LEAVES[2])],
    )


def _consistent(tree_id: str) -> pr.ConsistencyProof:
    return pr.ConsistencyProof(
        room_id=tree_id,
        from_size=2,
        from_root=_hash(tree_root(_LEAVES[:2])),
        to_size=3,
        to_root=_hash(_TREE.root),
        hashes=[_hash(_LEAVES[2])],
    )


def _page(operation_id: str, items: list[Any]) -> rs.RoomPage[Any]:
    return rs.RoomPage(items, _next(operation_id), 1042, _EPOCH)


PARAMETERS: Examples = {
    "room_id": _ROOM_ID,
    "message_id": _MESSAGE_ID,
    "user_id": _BEN,
    "emoji": "👀",
    "limit": _LIMIT,
    "before": 1039,
    "after": 0,
    "before_timestamp": "2030-01-31T12:30:00Z",
    "type": "text",
    "sender": _ADA,
    "q": 'db-7 "too many clients" -staging',
    "order": "relevance",
    "as_of": "2030-01-31T12:30:00Z",
    "min_sequence": 1,
    "size": 1,
    "sequence": 1,
    "from": 1,
    "to": 1,
    "sequences": "1",
    "actor": _CEM,
    "kind": "history.read",
    "since": "2030-01-31T12:00:00Z",
    "until": "2030-01-31T13:00:00Z",
    "Idempotency-Key": "0192f3a4-8d2f-7c63-8e1b-6a7f8e9d0c1b",
    "If-Match": '"1039"',
    "Last-Event-ID": "1039",
}
"""By the parameter's name; a cursor is its listing's own."""

REQUESTS: dict[str, Examples] = {
    "create_room": {
        "alone": {"name": "payments"},
        "with others": rs.RoomCreate(
            "payments",
            "Checkout is slow",
            "high",
            [rs.NewMember(_BEN, RoomRole.RESPONDER), rs.NewMember(_CEM, RoomRole.OBSERVER)],
        ),
    },
    "update_room": {"mitigated": rs.RoomUpdate(severity=None, status=RoomStatus.MITIGATED)},
    "put_read_marker": {"read": rs.ReadMarkerUpdate(1)},
    "put_member": {"responder": rs.MemberUpdate(RoomRole.RESPONDER)},
    "send_message": {
        "text": {"content": _TEXT},
        "reply": rs.MessageCreate("On it", reply_to=_MESSAGE_ID),
        "image": rs.MessageCreate(
            "p99 over the last hour",
            MessageType.IMAGE_REF,
            {
                "url": "https://graphs.example.org/p99.png",
                "content_type": "image/png",
                "alt": "p99 climbs from 0.2 s to 9 s",
                "width": 1200,
                "height": 400,
            },
        ),
        "file": rs.MessageCreate(
            "",
            MessageType.FILE_REF,
            {
                "url": "https://files.example.org/db-7.log.gz",
                "filename": "db-7.log.gz",
                "content_type": "application/gzip",
                "size": 48_213,
            },
        ),
        "incident data": rs.MessageCreate(
            "db-7 is out of connections",
            MessageType.INCIDENT_DATA,
            {"kind": "alert", "data": {"host": "db-7", "connections": 500, "limit": 500}},
        ),
        "system": rs.MessageCreate(
            "Deployment 4711 was rolled back", MessageType.SYSTEM, {"event": "notice"}
        ),
    },
    "edit_message": {"corrected": rs.MessageEdit(_EDIT, reason="the graph says 12")},
    "delete_message": {
        "with a reason": rs.MessageDelete("sent to the wrong room"),
        "without": {},
    },
    "redact_message": {"a password": rs.MessageRedact("a production password was pasted")},
    "add_reaction": {"eyes": rs.ReactionRequest("👀")},
    "broadcast": {"notice": rs.BroadcastRequest("Maintenance begins in ten minutes")},
}
"""By operation."""

JSON_ANSWERS: dict[str, Examples] = {
    "create_room": {"room": _ROOM},
    "list_rooms": {"page": rs.Page([_ROOM], _next("list_rooms"))},
    "get_room": {"room": _ROOM},
    "get_stats": {
        "stats": rs.RoomStats(
            room_id=_ROOM_ID,
            messages=2,
            by_type={MessageType.TEXT: 1, MessageType.SYSTEM: 1},
            by_user=[rs.UserCount(_ADA, 2)],
            users=1,
            edits=1,
            deletions=0,
            reactions=2,
            head=1042,
            epoch=_EPOCH,
        )
    },
    "update_room": {"room": _ROOM},
    "list_members": {"page": _page("list_members", _MEMBERS)},
    "put_member": {"member": _MEMBERS[1]},
    "send_message": {"message": _SENT},
    "list_messages": {
        "page": _page("list_messages", [_READ]),
        "the last page": rs.RoomPage([_READ], None, 1042, _EPOCH),
    },
    "search_messages": {"page": _page("search_messages", [_HIT])},
    "get_message": {"message": _READ, "a deleted one": _TOMBSTONE},
    "get_history": {
        "page": _page(
            "get_history",
            [
                rs.MessageVersion(1039, _TEXT, _ADA, _SAID, None),
                rs.MessageVersion(1041, _EDIT, _ADA, _EDITED, "the graph says 12"),
            ],
        )
    },
    "edit_message": {"message": _CHANGED},
    "delete_message": {"tombstone": _TOMBSTONE},
    "redact_message": {"tombstone": _TOMBSTONE},
    "add_reaction": {"reactions": rs.ReactionResponse(_REACTIONS)},
    "remove_reaction": {"none left": rs.ReactionResponse([])},
    "list_reactions": {"reactions": rs.ReactionResponse(_REACTIONS)},
    "list_events": {"page": _page("list_events", [_EVENT])},
    "room_checkpoint": {
        "head": pr.RoomCheckpoint(
            _ROOM_ID, _EPOCH, 1042, _TREE.origin, _TREE.size, _hash(_TREE.root), _KEYS.signed(_TREE)
        )
    },
    "inclusion": {"proof": _included(_ROOM_ID)},
    "consistency": {"proof": _consistent(_ROOM_ID)},
    "head_inclusion": {
        "proof": pr.HeadProof(
            room_id=_ROOM_ID,
            room_size=3,
            room_root=_hash(_TREE.root),
            sequences=[1042],
            index=0,
            size=1,
            root=_hash(_HEADS.root),
            hashes=[],
        )
    },
    "log_checkpoint": {
        "head": pr.LogCheckpoint(
            *(_EPOCH, [1042], _HEADS.origin, _HEADS.size, _hash(_HEADS.root)),
            _KEYS.signed(_HEADS),
        )
    },
    "audit_keys": {
        "keys": pr.AuditKeys([pr.AuditKey(_KEY.name, str(_KEY.verifier), current=True)])
    },
    "list_records": {"page": rs.Page([_RECORD], _next("list_records"))},
    "trail_checkpoint": {
        "head": pr.RoomCheckpoint(
            *(TRAIL_ID, _EPOCH, 3, _TRAIL.origin, _TRAIL.size, _hash(_TRAIL.root)),
            _KEYS.signed(_TRAIL),
        )
    },
    "trail_inclusion": {"proof": _included(TRAIL_ID)},
    "trail_consistency": {"proof": _consistent(TRAIL_ID)},
    "get_online": {"users": rs.PresenceResponse([rs.PresentUser(_ADA, "Ada", RoomRole.COMMANDER)])},
    "get_typing": {"nobody": rs.PresenceResponse([])},
    "broadcast": {"notice": rs.BroadcastResponse(_IMAGE_ID, "Maintenance begins in ten minutes")},
    "livez": {"alive": Liveness("ok")},
    "readyz": {
        "ready": Readiness("ready", {"log": PartStatus(ok=True)}),
        "degraded": Readiness("degraded", _PARTS),
    },
}
"""By operation: the bodies of its success."""

OTHER_ANSWERS: dict[str, dict[str, Examples]] = {
    "list_events": {
        NDJSON: {"lines": f"{_LINE}\n"},
        EVENT_STREAM: {"feed": f"retry: 1000\n\nid: 1037\ndata: {_LINE}\n\n:\n\n"},
    },
    "metrics": {
        "text/plain": {
            "metrics": "# HELP roomlog_up 1 where a part works, else 0.\n"
            '# TYPE roomlog_up gauge\nroomlog_up{part="log"} 1.0\n'
        }
    },
}
"""By operation and media type."""

_AWAY = problem(ErrorCode.LOG_UNAVAILABLE, "away: log")
NOT_READY = NotReady(
    type=_AWAY.type,
    title=_AWAY.title,
    status=_AWAY.status,
    code=_AWAY.code,
    detail=_AWAY.detail,
    parts=_LOG_AWAY,
)


def parameter(operation_id: str, name: str) -> Any:
    """A parameter's example. Raises KeyError where there is none."""
    return _next(operation_id) if name == "cursor" else PARAMETERS[name]

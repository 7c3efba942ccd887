"""The audit trail over REST: for admins, with proofs for auditors too."""

from typing import Annotated

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from roomlog.core import policy
from roomlog.core.decide import user_id
from roomlog.http.answers import answer, plain_page_answer
from roomlog.http.cursors import RecordsCursor, decode_cursor
from roomlog.http.proofs import FromSize, ProvedSequence, ToSize, TreeSize
from roomlog.http.requests import ApiRequest, Cursor, Limit, invalid, moment, path_uuid
from roomlog.trail_ports import RecordFilter
from roomlog_contract import proofs as pr
from roomlog_contract import resources as rs
from roomlog_contract.errors import RefusedError
from roomlog_contract.trail import TRAIL_ID, AuditRecord, RecordKind

_Room = Annotated[
    str | None,
    QueryParameter(
        description="Records about this room only.",
        schema_extra={"format": "uuid"},
    ),
]
_Actor = Annotated[
    str | None,
    QueryParameter(
        description="What this user did only.",
        schema_extra={"format": "user-id", "minLength": 1, "maxLength": rs.USER_ID_BYTES_MAX},
    ),
]
_Kind = Annotated[RecordKind | None, QueryParameter(description="Records of this kind only.")]
_Since = Annotated[
    str | None,
    QueryParameter(
        description="RFC 3339: appended then or later.", schema_extra={"format": "date-time"}
    ),
]
_Until = Annotated[
    str | None,
    QueryParameter(
        description="RFC 3339: appended then or before.", schema_extra={"format": "date-time"}
    ),
]


class RecordsController(Controller):
    """The audit trail."""

    path = "/audit/records"

    @get()
    async def list_records(
        self,
        request: ApiRequest,
        *,
        limit: Limit = None,
        room_id: _Room = None,
        actor: _Actor = None,
        kind: _Kind = None,
        since: _Since = None,
        until: _Until = None,
        cursor: Cursor = None,
    ) -> Response[rs.Page[AuditRecord]]:
        """Who read, exported or redacted what by a role over all rooms, and what did not verify;
        oldest first."""
        if cursor is None:
            room = None if room_id is None else _room(room_id)
            if actor is not None:
                user_id(actor, "actor")
            at = RecordsCursor(rs.PAGE_LIMIT_DEFAULT, 0, room, actor, kind, since, until)
        else:
            at = decode_cursor(cursor, RecordsCursor)
        size = limit or at.limit
        asked = RecordFilter(
            at.room_id,
            at.actor,
            at.kind,
            None if at.since is None else moment(at.since, "since"),
            None if at.until is None else moment(at.until, "until"),
        )
        items = await request.parts.records.list_records(
            request.user, asked, after=at.after, limit=size + 1
        )
        following = None
        if len(items) > size:
            del items[size:]
            fields = (at.room_id, at.actor, at.kind, at.since, at.until)
            following = RecordsCursor(size, items[-1].sequence, *fields)
        return plain_page_answer(request, items, following)

    @get("/checkpoint")
    async def trail_checkpoint(
        self, request: ApiRequest, *, size: TreeSize = None
    ) -> Response[pr.RoomCheckpoint]:
        """The signed head of the trail's tree. To be kept elsewhere: it shows later that no record
        was changed or cut off."""
        policy.require_audit(request.user)
        return answer(await request.parts.trail_proofs.room_checkpoint(TRAIL_ID, size))

    @get("/inclusion")
    async def trail_inclusion(
        self, request: ApiRequest, *, sequence: ProvedSequence, size: TreeSize = None
    ) -> Response[pr.InclusionProof]:
        """That a record is in the trail's tree (RFC 9162, 2.1.3)."""
        policy.require_audit(request.user)
        return answer(await request.parts.trail_proofs.inclusion(TRAIL_ID, sequence, size))

    @get("/consistency")
    async def trail_consistency(
        self, request: ApiRequest, *, from_size: FromSize, to_size: ToSize = None
    ) -> Response[pr.ConsistencyProof]:
        """That the trail's tree as it was is the beginning of what it is (RFC 9162, 2.1.4)."""
        policy.require_audit(request.user)
        return answer(await request.parts.trail_proofs.consistency(TRAIL_ID, from_size, to_size))


def _room(value: str) -> str:
    try:
        return path_uuid(value, "room")
    except RefusedError as error:
        raise invalid("room_id", "is not a room's id") from error

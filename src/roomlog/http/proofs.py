"""Signed checkpoints and proofs, as JSON; what they prove is in docs/audit.md."""

import re
from typing import Annotated

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from roomlog.core import policy
from roomlog.http.answers import answer
from roomlog.http.requests import SEQUENCE_MAX, ApiRequest, RoomId, invalid, path_uuid
from roomlog_contract import proofs as pr
from roomlog_contract.trail import RecordKind

PARTITIONS_MAX = 64
_SEQUENCES = re.compile(r"[0-9]{1,19}(?:-[0-9]{1,19})*\Z")

# The largest sequence as it is: where a parameter is required, Litestar makes a float of it.
_POSITIVE = {"minimum": 1, "maximum": SEQUENCE_MAX}
TreeSize = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=SEQUENCE_MAX,
        schema_extra=_POSITIVE,
        description="Of the tree when it had that many leaves; default: all it has.",
    ),
]
FromSize = Annotated[
    int,
    QueryParameter(
        name="from",
        ge=1,
        le=SEQUENCE_MAX,
        schema_extra=_POSITIVE,
        description="The size of the tree that is known.",
    ),
]
ToSize = Annotated[
    int | None,
    QueryParameter(
        name="to",
        ge=1,
        le=SEQUENCE_MAX,
        schema_extra=_POSITIVE,
        description="The size of the tree that it is to be the beginning of; default: all it has.",
    ),
]
ProvedSequence = Annotated[
    int,
    QueryParameter(
        ge=1, le=SEQUENCE_MAX, schema_extra=_POSITIVE, description="The event's sequence."
    ),
]
Sequences = Annotated[
    str | None,
    QueryParameter(
        description="The place in the log that a checkpoint of all rooms names at the end of its "
        "origin: a sequence for each partition, joined by `-`; default: now.",
        schema_extra={"pattern": "^[0-9]{1,19}(-[0-9]{1,19})*$"},
    ),
]


class RoomProofsController(Controller):
    """One room's tree, for those who may read the room."""

    path = "/rooms/{room_id:str}/tree"

    @get("/checkpoint")
    async def room_checkpoint(
        self, request: ApiRequest, room_id: RoomId, *, size: TreeSize = None
    ) -> Response[pr.RoomCheckpoint]:
        """The signed head of the room's tree. To be kept elsewhere: only that shows later that
        nothing of it was cut off or written anew."""
        room_id = await _readable(request, room_id)
        return answer(await request.parts.proofs.room_checkpoint(room_id, size))

    @get("/inclusion")
    async def inclusion(
        self,
        request: ApiRequest,
        room_id: RoomId,
        *,
        sequence: ProvedSequence,
        size: TreeSize = None,
    ) -> Response[pr.InclusionProof]:
        """That an event is in the room's tree (RFC 9162, 2.1.3)."""
        room_id = await _readable(request, room_id)
        return answer(await request.parts.proofs.inclusion(room_id, sequence, size))

    @get("/consistency")
    async def consistency(
        self, request: ApiRequest, room_id: RoomId, *, from_size: FromSize, to_size: ToSize = None
    ) -> Response[pr.ConsistencyProof]:
        """That the room's tree as it was is the beginning of what it is (RFC 9162, 2.1.4)."""
        room_id = await _readable(request, room_id)
        return answer(await request.parts.proofs.consistency(room_id, from_size, to_size))

    @get("/head")
    async def head_inclusion(
        self, request: ApiRequest, room_id: RoomId, *, sequences: Sequences = None
    ) -> Response[pr.HeadProof]:
        """That the head of the room's tree is in a checkpoint of all rooms."""
        policy.require_audit(request.user)
        room_id = await _readable(request, room_id)
        return answer(await request.parts.proofs.head(room_id, _sequences(sequences)))


@get("/checkpoint")
async def log_checkpoint(request: ApiRequest) -> Response[pr.LogCheckpoint]:
    """The signed head of the tree over all rooms' heads. One short text holds all rooms to what they
    are now."""
    policy.require_audit(request.user)
    return answer(await request.parts.proofs.log_checkpoint())


@get("/audit/keys", sync_to_thread=False)
def audit_keys(request: ApiRequest) -> Response[pr.AuditKeys]:
    """The public keys that checkpoints are signed with, and were. Whoever trusts them should
    have them from elsewhere too."""
    return answer(request.parts.proofs.keys())


async def _readable(request: ApiRequest, room_id: str) -> str:
    room_id = path_uuid(room_id, "room")
    await request.parts.events.open_room(request.user, room_id, RecordKind.PROVED)
    return room_id


def _sequences(text: str | None) -> list[int] | None:
    if text is None:
        return None
    if not _SEQUENCES.match(text) or text.count("-") >= PARTITIONS_MAX:
        raise invalid("sequences", "are numbers, joined by -")
    numbers = [int(one) for one in text.split("-")]
    if max(numbers) > SEQUENCE_MAX:
        raise invalid("sequences", f"must be at most {SEQUENCE_MAX}")
    return numbers

"""The tables as services read them: `roomlog.ports.ReadModel`."""

import time
from collections.abc import Mapping
from uuid import UUID

from roomlog.core.search_query import SearchQuery
from roomlog.core.times import rfc3339
from roomlog.ports import (
    PAGE_BYTES_MAX,
    Checkpoint,
    EventRecord,
    FoundPage,
    MessagePage,
    MessageQuery,
    RoomNumbers,
    RoomPosition,
    RoomRow,
    SearchPlace,
)
from roomlog.postgres.pool import Pool
from roomlog.postgres.queries import page_of_messages, query
from roomlog.postgres.rows import Row, message_response, message_state
from roomlog.postgres.search import search
from roomlog.services.shared_trip import SharedTrip
from roomlog_contract.fold import MessageState
from roomlog_contract.resources import MemberResponse, MessageResponse, MessageVersion
from roomlog_contract.types import RoomRole, RoomStatus, SearchOrder

SEQUENCE_MAX = 2**63 - 1
ANSWERS_FOR_S = 0.1


class PostgresReadModel:
    """One round trip for each read. Every method raises DatabaseUnavailableError within 5 s.

    Ids that are no UUIDs are ids of nothing.
    """

    def __init__(self, pool: Pool, *, page_bytes_max: int = PAGE_BYTES_MAX) -> None:
        self._pool = pool
        self._page_bytes_max = page_bytes_max
        self._answered_at_s = float("-inf")
        self._ping = SharedTrip(lambda: pool.fetch("SELECT 1"))

    async def answers(self) -> None:
        """See ReadModel."""
        now_s = time.monotonic()
        if now_s - self._answered_at_s > ANSWERS_FOR_S:
            await self._ping.take()
            self._answered_at_s = now_s

    async def checkpoint(self, partition: int) -> Checkpoint | None:
        """See ReadModel."""
        row = await self._pool.fetch_one(query("checkpoint"), partition)
        if row is None:
            return None
        return Checkpoint(
            partition=row["partition"],
            epoch=row["epoch"],
            sequence=row["sequence"],
            current_at=row["current_at"],
            dead=row["dead"],
            event_hash=row["event_hash"],
        )

    async def find_event(self, event_id: str) -> EventRecord | None:
        """See ReadModel."""
        if not is_uuid(event_id):
            return None
        row = await self._pool.fetch_one(query("find_event"), event_id)
        if row is None:
            return None
        return EventRecord(row["event_id"], row["room_id"], row["sequence"], row["outcome"])

    async def message(self, message_id: str, *, as_of: int | None = None) -> MessageResponse | None:
        """See ReadModel."""
        if not is_uuid(message_id):
            return None
        if as_of is None:
            row = await self._pool.fetch_one(query("message"), message_id)
        else:
            row = await self._pool.fetch_one(
                query("message_as_of"), message_id, min(as_of, SEQUENCE_MAX)
            )
        return None if row is None else message_response(row)

    async def message_state(self, message_id: str) -> tuple[MessageState | None, int]:
        """See ReadModel. Of an unknown message, the checkpoint is the least of all partitions."""
        if not is_uuid(message_id):
            return None, 0
        row = await self._pool.fetch_one(query("message_state"), message_id)
        assert row is not None
        state = None if row["message_id"] is None else message_state(row)
        return state, row["checkpoint"] or 0

    async def messages(self, query_: MessageQuery) -> MessagePage:
        """See ReadModel."""
        if not is_uuid(query_.room_id):
            return MessagePage([], more=False)
        name = "messages_before" if query_.after is None else "messages_after"
        then = [] if query_.as_of is None else [min(query_.as_of, SEQUENCE_MAX)]
        rows = await self._pool.fetch(
            page_of_messages(name, past=bool(then), bytes_max=self._page_bytes_max),
            query_.room_id,
            SEQUENCE_MAX if query_.before is None else min(query_.before, SEQUENCE_MAX),
            -1 if query_.after is None else min(query_.after, SEQUENCE_MAX),
            query_.before_timestamp,
            query_.message_type and query_.message_type.value,
            query_.sender_id,
            query_.limit + 1,
            *then,
        )
        rows = rows[: query_.limit]
        more = bool(rows) and rows[-1]["followed"]
        return MessagePage([message_response(row) for row in rows], more=more)

    async def search(
        self,
        query_: MessageQuery,
        sought: SearchQuery,
        order: SearchOrder,
        at: SearchPlace | None,
    ) -> FoundPage:
        """See ReadModel."""
        if not is_uuid(query_.room_id):
            return FoundPage([], None)
        return await search(self._pool, query_, sought, order, at, bytes_max=self._page_bytes_max)

    async def room_numbers(self, room_id: str, *, users_max: int) -> RoomNumbers:
        """See ReadModel."""
        row = await self._pool.fetch_one(query("room_stats"), room_id, users_max)
        assert row is not None
        return RoomNumbers(
            messages=row["messages"],
            by_type=dict(row["by_type"]),
            by_user=[tuple(pair) for pair in row["by_user"]],
            users=row["users"],
            edits=row["edits"],
            deletions=row["deletions"],
            reactions=row["reactions"],
        )

    async def versions(self, message_id: str, *, after: int, limit: int) -> list[MessageVersion]:
        """See ReadModel."""
        if not is_uuid(message_id):
            return []
        rows = await self._pool.fetch(
            query("versions"), message_id, min(after, SEQUENCE_MAX), limit
        )
        return [
            MessageVersion(
                version=row["version"],
                content=row["content"],
                edited_by=row["edited_by"],
                edited_at=rfc3339(row["edited_at"]),
                reason=row["reason"],
            )
            for row in rows
        ]

    async def rooms(
        self,
        user_id: str,
        *,
        all_rooms: bool,
        markers: Mapping[str, int],
        after: RoomPosition,
        limit: int,
    ) -> list[RoomRow]:
        """See ReadModel."""
        known = {room_id: sequence for room_id, sequence in markers.items() if is_uuid(room_id)}
        rows = await self._pool.fetch(
            query("rooms"), user_id, all_rooms, list(known), list(known.values()), *after, limit
        )
        return [_room_row(row) for row in rows]

    async def room(
        self, room_id: str, user_id: str, *, marker: int, up_to: int | None = None
    ) -> RoomRow | None:
        """See ReadModel."""
        if not is_uuid(room_id):
            return None
        row = await self._pool.fetch_one(query("room"), user_id, room_id, marker, up_to)
        return None if row is None else _room_row(row)

    async def room_changes(self, room_id: str, *, up_to: int) -> list[int]:
        """See ReadModel."""
        if not is_uuid(room_id):
            return []
        rows = await self._pool.fetch(query("room_changes"), room_id, min(up_to, SEQUENCE_MAX))
        return [row["sequence"] for row in rows]

    async def often_changed_rooms(self, changes_min: int) -> list[str]:
        """See ReadModel."""
        rows = await self._pool.fetch(query("often_changed_rooms"), changes_min)
        return [str(row["room_id"]) for row in rows]

    async def room_head(self, room_id: str, epoch: str) -> int:
        """See ReadModel."""
        if not is_uuid(room_id):
            return 0
        row = await self._pool.fetch_one(query("room_head"), room_id, epoch)
        return 0 if row is None else row["head"]

    async def members(self, room_id: str, *, after: str, limit: int) -> list[MemberResponse]:
        """See ReadModel."""
        if not is_uuid(room_id):
            return []
        rows = await self._pool.fetch(query("members"), room_id, after, limit)
        return [
            MemberResponse(
                row["user_id"], row["name"], RoomRole(row["role"]), rfc3339(row["since"])
            )
            for row in rows
        ]


def is_uuid(text: str) -> bool:
    """Whether PostgreSQL would take the text as a UUID in canonical form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _room_row(row: Row) -> RoomRow:
    return RoomRow(
        room_id=row["room_id"],
        name=row["name"],
        title=row["title"],
        severity=row["severity"],
        status=RoomStatus(row["status"]),
        created_by=row["created_by"],
        created_at=rfc3339(row["created_at"]),
        created_sequence=row["created_sequence"],
        role=None if row["role"] is None else RoomRole(row["role"]),
        unread=row["unread"],
    )

"""What is there in the end: the log's own bytes from NATS, the tables' rows from PostgreSQL."""

import asyncio
import json
from collections import defaultdict
from typing import Any

import asyncpg
import nats

from roomlog.core.upcasters import room_event
from roomlog_contract.events import RoomEvent
from tests.histories.history import Tables
from tests.stack import Stack

_STREAM = "ROOMLOG"
_BATCH = 500
_TIMEOUT_S = 30


async def read_log(nats_url: str) -> list[RoomEvent]:
    """The whole stream, as it is stored, by a consumer of the test's own."""
    connection = await nats.connect(nats_url, connect_timeout=_TIMEOUT_S)
    try:
        stream = connection.jetstream(timeout=_TIMEOUT_S)
        end = (await stream.stream_info(_STREAM)).state.last_seq
        events: list[RoomEvent] = []
        last: dict[str, int] = defaultdict(int)
        consumer = await stream.pull_subscribe("ev.*", stream=_STREAM)
        while not events or events[-1].sequence < end:
            for message in await consumer.fetch(_BATCH, timeout=_TIMEOUT_S):
                sequence = message.metadata.sequence.stream
                room = message.subject.removeprefix("ev.")
                event = room_event(sequence, last[room], message.data)
                assert event.room_id == room
                last[room] = sequence
                events.append(event)
                await message.ack()
        return events
    finally:
        await connection.close()


async def checkpoint(database_url: str) -> int:
    """How far the tables are."""
    database = await asyncpg.connect(database_url, timeout=_TIMEOUT_S)
    try:
        found = await database.fetchval("SELECT sequence FROM roomlog.projection_checkpoint")
        return found or 0
    finally:
        await database.close(timeout=_TIMEOUT_S)


async def read_tables(stack: Stack) -> Tables:
    """Every row that the contract speaks of, and what `projections verify` says."""
    tables = Tables()
    database = await asyncpg.connect(stack.run["database_url"], timeout=_TIMEOUT_S)
    try:
        await database.execute("SET search_path TO roomlog")
        tables.messages = [_message(row) for row in await database.fetch(_MESSAGES)]
        tables.reactions = [
            (str(row["message_id"]), row["user_id"], row["emoji"])
            for row in await database.fetch("SELECT * FROM message_reactions")
        ]
        tables.edits = [
            (str(row["message_id"]), row["sequence"])
            for row in await database.fetch("SELECT * FROM message_edit_history")
        ]
        tables.members = [
            (str(row["room_id"]), row["user_id"], row["role"])
            for row in await database.fetch("SELECT * FROM room_members")
        ]
        tables.checkpoint = await database.fetchval("SELECT sequence FROM projection_checkpoint")
    finally:
        await database.close(timeout=_TIMEOUT_S)
    verified = await asyncio.to_thread(stack.cli, "projections", "verify", timeout_s=300)
    tables.verified = verified.returncode == 0
    tables.detail = verified.stdout + verified.stderr
    return tables


_MESSAGES = """
SELECT message_id, room_id, sequence_number, sender_id, message_type::text, content,
       metadata::text, reply_to, version, edited_at, deleted_at
FROM messages
"""


def _message(row: asyncpg.Record) -> dict[str, Any]:
    names = ("sequence_number", "sender_id", "message_type", "content", "version")
    return {
        **{name: row[name] for name in names},
        "message_id": str(row["message_id"]),
        "room_id": str(row["room_id"]),
        "reply_to": None if row["reply_to"] is None else str(row["reply_to"]),
        "metadata": json.loads(row["metadata"]),
        "edited": row["edited_at"] is not None,
        "deleted": row["deleted_at"] is not None,
    }

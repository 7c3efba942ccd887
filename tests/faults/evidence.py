"""What is there in the end: the log's own bytes from NATS, the tables' rows from PostgreSQL."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from roomlog.core.upcasters import room_event
from roomlog_contract.events import RoomEvent
from tests.histories.history import Tables
from tests.stack import Stack

_BATCH = 500
_TIMEOUT_S = 30


def _streams(partitions: int) -> list[str]:
    return ["ROOMLOG"] if partitions == 1 else [f"ROOMLOG_{p}" for p in range(partitions)]


@asynccontextmanager
async def _jetstream(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url, connect_timeout=_TIMEOUT_S)
    try:
        yield connection.jetstream(timeout=_TIMEOUT_S)
    finally:
        await connection.close()


async def read_log(nats_url: str, after: list[int]) -> list[RoomEvent]:
    """Each partition's stream after a sequence, as it is stored, by consumers of the test's own."""
    async with _jetstream(nats_url) as jetstream:
        events: list[RoomEvent] = []
        for stream, begins_after in zip(_streams(len(after)), after, strict=True):
            events += await _read_stream(jetstream, stream, begins_after)
        return events


async def _read_stream(jetstream: JetStreamContext, stream: str, after: int) -> list[RoomEvent]:
    end = (await jetstream.stream_info(stream)).state.last_seq
    events: list[RoomEvent] = []
    last: dict[str, int] = defaultdict(int)
    begin = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
    consumer = await jetstream.pull_subscribe("ev.*", stream=stream, config=begin)
    while (events[-1].sequence if events else after) < end:
        for message in await consumer.fetch(_BATCH, timeout=_TIMEOUT_S):
            sequence = message.metadata.sequence.stream
            room = message.subject.removeprefix("ev.")
            event = room_event(sequence, last[room], message.data)
            assert event.room_id == room
            last[room] = sequence
            events.append(event)
            await message.ack()
    return events


async def checkpoints(database_url: str) -> list[int]:
    """How far the tables are, by partition."""
    database = await asyncpg.connect(database_url, timeout=_TIMEOUT_S)
    try:
        rows = await database.fetch(_CHECKPOINTS)
        return [row["sequence"] for row in rows]
    finally:
        await database.close(timeout=_TIMEOUT_S)


async def log_ends(nats_url: str, partitions: int = 1) -> list[int]:
    """The last sequence of each partition's stream."""
    async with _jetstream(nats_url) as jetstream:
        return [
            (await jetstream.stream_info(stream)).state.last_seq for stream in _streams(partitions)
        ]


async def read_tables(stack: Stack, rooms: list[str], *, verify: bool) -> Tables:
    """Every row of these rooms that the contract speaks of, and what `projections verify` says."""
    tables = Tables()
    database = await asyncpg.connect(stack.run["database_url"], timeout=_TIMEOUT_S)
    try:
        await database.execute("SET search_path TO roomlog")
        tables.messages = [_message(row) for row in await database.fetch(_MESSAGES, rooms)]
        tables.reactions = [
            (str(row["message_id"]), row["user_id"], row["emoji"])
            for row in await database.fetch(_REACTIONS, rooms)
        ]
        tables.edits = [
            (str(row["message_id"]), row["sequence"]) for row in await database.fetch(_EDITS, rooms)
        ]
        tables.members = [
            (str(row["room_id"]), row["user_id"], row["role"])
            for row in await database.fetch(_MEMBERS, rooms)
        ]
        tables.checkpoints = [row["sequence"] for row in await database.fetch(_CHECKPOINTS)]
    finally:
        await database.close(timeout=_TIMEOUT_S)
    if not verify:
        tables.verified = True
        return tables
    verified = await asyncio.to_thread(stack.cli, "projections", "verify", timeout_s=300)
    tables.verified = verified.returncode == 0
    tables.detail = verified.stdout + verified.stderr
    return tables


_CHECKPOINTS = "SELECT sequence FROM roomlog.projection_checkpoint ORDER BY partition"
_MESSAGES = """
SELECT message_id, room_id, sequence_number, sender_id, message_type::text, content,
       metadata::text, reply_to, version, edited_at, deleted_at
FROM messages WHERE room_id = ANY($1::uuid[])
"""
_REACTIONS = """
SELECT reaction.* FROM message_reactions AS reaction JOIN messages USING (message_id)
WHERE room_id = ANY($1::uuid[])
"""
_EDITS = "SELECT * FROM message_edit_history WHERE room_id = ANY($1::uuid[])"
_MEMBERS = "SELECT * FROM room_members WHERE room_id = ANY($1::uuid[])"


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

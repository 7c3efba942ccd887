"""A room with many messages, appended to the log directly, for benchmarks that read."""

import asyncio
import time
from uuid import uuid4

import httpx

from bench.rooms_under_load import CONTENT
from roomlog.core.decide import Fact, Stamp, stamp
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent
from tests.stack import Stack

APPEND_BATCH = 512
_AT = "2026-01-31T09:15:00.123Z"
_PROJECTED_TIMEOUT_S = 300


def filled_room(stack: Stack, messages: int, *, members: list[str]) -> tuple[str, int]:
    """A room of that many messages, all of them in the tables: its id and its head."""
    return asyncio.run(_fill(stack, messages, members))


async def _fill(stack: Stack, messages: int, members: list[str]) -> tuple[str, int]:
    room_id = str(uuid4())
    log = await JetStreamLog.connect(stack.run["nats_url"], partitions=1)
    try:
        facts = [Fact("room.created", {"name": "filled"})]
        facts += [Fact("member.added", {"user_id": user, "role": "responder"}) for user in members]
        facts += [
            Fact("message.sent", {"content": f"{n}: {CONTENT}"[:200], "message_type": "text"})
            for n in range(messages)
        ]
        head = 0
        for start in range(0, len(facts), APPEND_BATCH):
            events = [_event(room_id, fact) for fact in facts[start : start + APPEND_BATCH]]
            head = (await log.append(room_id, events))[-1].sequence
    finally:
        await log.close()
    _await_projected(stack, room_id, head, members[0])
    return room_id, head


def _event(room_id: str, fact: Fact) -> NewEvent:
    event_id = str(uuid4())
    mark = Stamp(event_id, "00" * 16)
    return NewEvent(event_id, stamp(fact, room_id, "bench@example.org", _AT, mark))


def _await_projected(stack: Stack, room_id: str, head: int, user: str) -> None:
    end_s = time.monotonic() + _PROJECTED_TIMEOUT_S
    path = f"{stack.base_url}/api/rooms/{room_id}/messages?limit=1&min_sequence={head}"
    while httpx.get(path, headers=stack.headers(user), timeout=30).status_code != 200:
        assert time.monotonic() < end_s, "the tables did not follow"
        time.sleep(0.2)

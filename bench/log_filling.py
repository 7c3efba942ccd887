"""Rooms and messages appended to the log directly, faster than anybody could send them.

As a program it fills in a process of its own: it reads `nats_url` and the arguments of `fill` as a
JSON object from standard input, and prints what it filled.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import uvloop

from roomlog.core.decide import Fact, Stamp, stamp
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent

CONTENT = ("Connections to the database are at 400, and the pool never gives them back. " * 3)[:200]
APPEND_BATCH = 512
_ROOMS_AT_ONCE = 128
_AT = "2026-01-31T09:15:00.123Z"


class Filled(msgspec.Struct, frozen=True):
    """Which rooms were made, how many events in all, the highest sequence, and in what time."""

    rooms: list[str]
    events: int
    head: int
    seconds: float


async def fill(nats_url: str, *, rooms: int, messages_each: int, members: Sequence[str]) -> Filled:
    """New rooms with these members and so many messages each, all by one sender."""
    log = await JetStreamLog.connect(nats_url, partitions=1)
    began_s = time.monotonic()
    # Large rooms one after the other, small ones many at once: both make full batches.
    slots = asyncio.Semaphore(max(2, _ROOMS_AT_ONCE // (messages_each + 1)))
    heads: list[int] = []

    async def fill_room(room_id: str) -> None:
        async with slots:
            heads.append(await _fill_room(log, room_id, messages_each, members))

    made = [str(uuid4()) for _ in range(rooms)]
    try:
        async with asyncio.TaskGroup() as group:
            for room_id in made:
                group.create_task(fill_room(room_id))
    finally:
        await log.close()
    events = rooms * (1 + len(members) + messages_each)
    return Filled(made, events, max(heads), time.monotonic() - began_s)


async def _fill_room(log: JetStreamLog, room_id: str, messages: int, members: Sequence[str]) -> int:
    facts = [Fact("room.created", {"name": "filled"})]
    facts += [Fact("member.added", {"user_id": user, "role": "responder"}) for user in members]
    head = 0
    for start in range(0, len(facts) + messages, APPEND_BATCH):
        part = facts[start : start + APPEND_BATCH]
        while len(part) < APPEND_BATCH and start + len(part) < len(facts) + messages:
            number = start + len(part) - len(facts)
            content = f"{number}: {CONTENT}"[:200]
            part.append(Fact("message.sent", {"content": content, "message_type": "text"}))
        head = (await log.append(room_id, [_event(room_id, fact) for fact in part]))[-1].sequence
    return head


def _event(room_id: str, fact: Fact) -> NewEvent:
    event_id = str(uuid4())
    mark = Stamp(event_id, "00" * 16)
    return NewEvent(event_id, stamp(fact, room_id, "bench@example.org", _AT, mark))


async def fill_members(nats_url: str, *, users: int, changes: int) -> tuple[str, int]:
    """A new room in which so many users are given another role so often: its id and its head."""
    log = await JetStreamLog.connect(nats_url, partitions=1)
    room_id, head = str(uuid4()), 0
    names = [f"bench{number}@example.org" for number in range(users)]
    facts = [Fact("room.created", {"name": "filled"})]
    facts += [Fact("member.added", {"user_id": name, "role": "responder"}) for name in names]
    for number in range(changes):
        role = ("observer", "responder")[number // users % 2]
        fields = {"user_id": names[number % users], "role": role}
        facts.append(Fact("member.role_changed", fields))
    try:
        for at in range(0, len(facts), APPEND_BATCH):
            events = [_event(room_id, fact) for fact in facts[at : at + APPEND_BATCH]]
            head = (await log.append(room_id, events))[-1].sequence
    finally:
        await log.close()
    return room_id, head


async def fill_beside(nats_url: str, **how: Any) -> Filled:
    """`fill` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.log_filling"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    told, _ = await process.communicate(json.dumps({"nats_url": nats_url, **how}).encode())
    if process.returncode:
        raise RuntimeError("the log could not be filled")
    return msgspec.json.decode(told, type=Filled)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(msgspec.json.encode(uvloop.run(fill(**asked))).decode())

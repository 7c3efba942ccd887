"""A client under test, what it was asked for, and what the log must say of it in the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from roomlog_client import RefusedError, Room, RoomlogClient, RoomView, Sent
from roomlog_client.keys import new_key
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Fold
from roomlog_contract.frames import MessageBroadcast
from roomlog_contract.ids import keyed_event_id
from tests.stack import Stack

ADA = "ada@example.org"
BOB = "bob@example.org"
DEADLINE_S = 90.0
_PAUSE_S = 0.01


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `condition` holds."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(_PAUSE_S)


async def create_room(client: RoomlogClient, **members: str) -> str:
    """A room of the client's user, with Bob in it."""
    room = await client.create_room("outage", members={BOB: "responder", **members})
    return room.room_id


async def logged_events(stack: Stack, room_id: str, user: str = ADA) -> list[RoomEvent]:
    """The room's events as the log has them."""
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(
            f"{stack.base_url}/api/rooms/{room_id}/events?after=0",
            headers={**stack.headers(user), "Accept": "application/x-ndjson"},
        )
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line, type=RoomEvent) for line in answer.text.splitlines()]


@dataclass
class Asked:
    """A command that was asked for, and what became of it."""

    key: str
    task: "asyncio.Task[Sent]"


@dataclass
class Followed:
    """A room that is read into a view, and what is asked for in it, in order.

    `pause_s` makes its reader slow.
    """

    room: Room
    view: RoomView = field(default_factory=RoomView)
    events: list[MessageBroadcast] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    pause_s: float = 0.0

    async def read(self) -> None:
        """Take every event, until the room is left or the client closed."""
        async for event in self.room:
            self.events.append(event)
            self.view.apply(event)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)

    def ask(self, what: Callable[..., Any], *arguments: str) -> Asked:
        """Ask for a command, under a key that is remembered."""
        key = new_key()
        work = what(*arguments, idempotency_key=key)
        asked = Asked(key, asyncio.create_task(work))
        self.asked.append(asked)
        return asked

    def mine(self) -> list[str]:
        """The messages that were said here by the client and acked, by id."""
        done = [asked.task for asked in self.asked if asked.task.done()]
        sent = [task.result() for task in done if task.exception() is None]
        return list(dict.fromkeys(one.message_id for one in sent))


@asynccontextmanager
async def following(client: RoomlogClient, *room_ids: str) -> AsyncIterator[list[Followed]]:
    """Read these rooms from their beginning, to the block's end."""
    followed = [Followed(await client.room(room_id, after=0)) for room_id in room_ids]
    reading = [asyncio.create_task(one.read()) for one in followed]
    try:
        yield followed
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def check_whole(stack: Stack, followed: Followed) -> None:
    """When all is settled: the client's view is the log's fold; what it was asked for is in the
    log once and in order, or was refused; and nothing is pending."""
    async with asyncio.timeout(DEADLINE_S):
        outcomes = await asyncio.gather(
            *(asked.task for asked in followed.asked), return_exceptions=True
        )
    log = await logged_events(stack, followed.room.room_id)
    await until(lambda: followed.room.position == log[-1].sequence, "the reader has everything")
    await until(lambda: not followed.room.pending, "nothing is pending")
    assert [(e.sequence, e.at, e.event) for e in followed.events] == [
        (e.sequence, e.at, e.event) for e in log
    ]
    fold = Fold()
    for event in log:
        fold.apply(event)
    assert followed.view.room == fold.room
    assert followed.view.messages == fold.messages
    _check_commands(followed, outcomes, log)


def _check_commands(
    followed: Followed, outcomes: list[Sent | BaseException], log: list[RoomEvent]
) -> None:
    room_id = followed.room.room_id
    place = {event.event.id: event for event in log}
    assert len(place) == len(log)
    ids = [keyed_event_id(room_id, ADA, asked.key) for asked in followed.asked]
    for event_id, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, Sent):
            assert outcome.duplicate or place[event_id].sequence == outcome.sequence
            if outcome.duplicate and event_id in place:
                assert place[event_id].sequence == outcome.sequence
        else:
            assert isinstance(outcome, RefusedError), repr(outcome)
            assert outcome.code == "already_deleted", repr(outcome)
    in_log = [event.event.id for event in log if event.event.id in set(ids)]
    assert in_log == [event_id for event_id in ids if event_id in place]

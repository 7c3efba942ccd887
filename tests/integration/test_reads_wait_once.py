"""Every read of the API waits for a connection to PostgreSQL once, whatever it is made of."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from roomlog.core.policy import Actor
from roomlog.main import Services, open_services
from roomlog.ports import PAGE_BYTES_MAX
from roomlog.postgres import Pool
from roomlog.services.byte_budget import MADE_BYTES_MAX
from roomlog.services.message_service import MessageFilter
from roomlog.services.progress import ProjectionProgress
from roomlog.settings import load_settings
from roomlog_contract import resources as rs
from tests.faults.load import create_room
from tests.stack import Stack

ADA = Actor("ada@example.org")
_WITHIN_S = 120


@pytest.fixture
async def services(stack: Stack) -> AsyncGenerator[Services]:
    async with open_services(load_settings(stack.data)) as services:
        yield services


async def test_a_read_waits_for_a_connection_once(
    stack: Stack, services: Services, monkeypatch: pytest.MonkeyPatch
):
    room = await asyncio.to_thread(create_room, stack, ADA.user_id, [])
    messages, rooms = services.messages, services.rooms
    sent = await messages.create_message(ADA, room, rs.MessageCreate("what was seen"), None)
    await asyncio.to_thread(create_room, stack, ADA.user_id, [])
    last = await messages.create_message(ADA, room, rs.MessageCreate("and seen later"), None)
    message, at = sent.message_id, last.sequence
    await messages.get_message(ADA, room, message, at)  # once the tables have it
    waits: dict[asyncio.Task[Any] | None, int] = {}
    wait = Pool._wait

    async def counted(pool: Pool, deadline_s: float) -> None:
        # Who asks how far the tables are is another task, which all share who want to know.
        task = asyncio.current_task()
        waits[task] = waits.get(task, 0) + 1
        await wait(pool, deadline_s)

    async def waited(read: Callable[[], Awaitable[Any]]) -> int:
        before = waits.get(asyncio.current_task(), 0)
        await read()
        return waits.get(asyncio.current_task(), 0) - before

    monkeypatch.setattr(Pool, "_wait", counted)
    plain, past = (
        MessageFilter(),
        MessageFilter(as_of=at - 1),
    )  # which is an event of the other room
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "messages": lambda: messages.get_messages(ADA, room, plain),
        "messages from an event on": lambda: messages.get_messages(ADA, room, plain, at),
        "messages of the past": lambda: messages.get_messages(ADA, room, past),
        "search": lambda: messages.search_messages(ADA, room, "seen", plain),
        "search of the past": lambda: messages.search_messages(ADA, room, "seen", past),
        "message": lambda: messages.get_message(ADA, room, message),
        "message of the past": lambda: messages.get_message(ADA, room, message, as_of=at - 1),
        "history": lambda: messages.get_versions(ADA, room, message, after=0, limit=9),
        "stats": lambda: messages.get_stats(ADA, room),
        "reactions": lambda: services.reactions.get_message_reactions(ADA, message),
        "room": lambda: rooms.get_room(ADA, room),
        "members": lambda: rooms.list_members(ADA, room, after="", limit=9),
    }
    async with asyncio.timeout(_WITHIN_S):
        assert {name: await waited(read) for name, read in reads.items()} == dict.fromkeys(reads, 1)
        # Where this node may not know the room's head, the tables are asked for that, too.
        feed = (await services.cache.open(room)).feed

        async def unsettled() -> bool:
            return False

        monkeypatch.setattr(feed, "settled", unsettled)
        assert {name: await waited(read) for name, read in reads.items()} == dict.fromkeys(reads, 1)


async def test_who_waits_for_the_tables_keeps_nobody_from_reading(
    stack: Stack, services: Services, monkeypatch: pytest.MonkeyPatch
):
    behind, room = [await asyncio.to_thread(create_room, stack, ADA.user_id, []) for _ in "ab"]
    at_once = 2 * MADE_BYTES_MAX // PAGE_BYTES_MAX
    waiting, go_on, wait = asyncio.Semaphore(0), asyncio.Event(), ProjectionProgress.wait

    async def held(
        progress: ProjectionProgress, room_id: str, sequence: int, timeout_s: float
    ) -> bool:
        if room_id == behind:
            waiting.release()
            await go_on.wait()
        return await wait(progress, room_id, sequence, timeout_s)

    monkeypatch.setattr(ProjectionProgress, "wait", held)
    read, plain = services.messages.get_messages, MessageFilter()
    async with asyncio.timeout(_WITHIN_S), asyncio.TaskGroup() as group:
        reads = [group.create_task(read(ADA, behind, plain)) for _ in range(at_once)]
        for _ in reads:
            await waiting.acquire()
        page, _ = await read(ADA, room, plain)
        go_on.set()
    assert page.items == []
    assert all(one.result()[0].items == [] for one in reads)

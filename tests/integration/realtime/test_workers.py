"""Presence, typing, notifications, notices and read markers over two real workers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from tests.integration.realtime.node import Client, eventually
from tests.stack import Stack, running_stack

ANN, BOB, CID = "ann@example.org", "bob@example.org", "cid@example.org"
CONNECTIONS_TRIED_MAX = 100


@pytest.fixture(scope="module")
def two() -> Generator[Stack]:
    """A `roomlog up` of this module's own: one of its workers is killed."""
    with running_stack(["--workers", "2"], CONNECTS_PER_MINUTE="0") as running:
        yield running


def _worker_of(stack: Stack, port: int) -> int:
    for pid in filter(None, stack.run["pids"]["api"]):
        peers = psutil.Process(pid).net_connections("tcp")
        if any(peer.raddr and peer.raddr.port == port for peer in peers):
            return pid
    raise AssertionError("no worker has the connection")


@asynccontextmanager
async def _on_worker(
    stack: Stack, wanted: Callable[[int], bool], path: str, user: str
) -> AsyncIterator[tuple[Client, int]]:
    """A connection to a worker that is wanted: the kernel spreads them by chance."""
    for _ in range(CONNECTIONS_TRIED_MAX):
        async with connect(
            stack.ws_url + path, additional_headers=stack.headers(user), proxy=None
        ) as websocket:
            pid = _worker_of(stack, websocket.local_address[1])
            if wanted(pid):
                yield Client(websocket), pid
                return
    raise AssertionError("no connection reached the wanted worker")


def _rest(stack: Stack, user: str, method: str, path: str, *roles: str, **body: Any) -> Any:
    answer = httpx.request(
        method,
        stack.base_url + path,
        json=body or None,
        headers=stack.headers(user, *roles),
        timeout=30,
    )
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def _room(stack: Stack) -> str:
    members = [{"user_id": user, "role": "responder"} for user in (BOB, CID)]
    return _rest(stack, ANN, "POST", "/api/rooms", name="incident", members=members)["room_id"]


def _users(stack: Stack, room: str, what: str) -> set[str]:
    answer = _rest(stack, ANN, "GET", f"/api/rooms/{room}/{what}")
    return {user["user_id"] for user in answer["users"]}


async def test_two_workers_are_one_to_those_who_are_connected(two: Stack):
    room = await asyncio.to_thread(_room, two)
    async with (
        _on_worker(two, lambda _: True, f"/ws/{room}", ANN) as (ann, first),
        _on_worker(two, lambda pid: pid != first, f"/ws/{room}", BOB) as (bob, second),
        _on_worker(two, lambda pid: pid == second, "/ws", CID) as (cid, _),
    ):
        await ann.until("presence", joined=BOB)
        await eventually(lambda: _users(two, room, "online") == {ANN, BOB})
        await bob.send({"type": "typing", "active": True})
        assert (await ann.until("typing"))["users"] == [BOB]
        assert (await ann.until("typing"))["users"] == []
        await ann.send({"type": "send", "ref": "1", "content": "@cid look"})
        ack = await ann.until("ack")
        told = await cid.until("notification")
        assert (told["kind"], told["sequence"]) == ("mention", ack["sequence"])
        notice = _rest(two, "bot@example.org", "POST", "/api/broadcast", "service", content="hear")
        assert notice["content"] == "hear"
        for client in (ann, bob, cid):
            assert (await client.until("notice"))["content"] == "hear"


async def test_read_markers_outlive_a_rebuild_of_the_tables(two: Stack):
    room = await asyncio.to_thread(_room, two)
    for number in range(5):
        _rest(two, ANN, "POST", f"/api/rooms/{room}/messages", content=f"m{number}")
    head = _rest(two, BOB, "GET", f"/api/rooms/{room}")["head"]
    async with _on_worker(two, lambda _: True, f"/ws/{room}", BOB) as (bob, _):
        await bob.until("subscribed")
        await bob.send({"type": "seen", "sequence": head - 2})
        await eventually(lambda: _rest(two, BOB, "GET", f"/api/rooms/{room}")["unread"] == 2)
    rebuilt = await asyncio.to_thread(two.cli, "projections", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert _rest(two, BOB, "GET", f"/api/rooms/{room}")["unread"] == 2


async def test_the_users_of_a_killed_worker_leave(two: Stack):
    room = await asyncio.to_thread(_room, two)
    async with (
        _on_worker(two, lambda _: True, f"/ws/{room}", ANN) as (ann, first),
        _on_worker(two, lambda pid: pid != first, f"/ws/{room}", BOB) as (_, second),
    ):
        await ann.until("presence", joined=BOB)
        os.kill(second, signal.SIGKILL)
        assert await ann.until("presence", left=BOB)
        await eventually(
            lambda: len([p for p in two.run["pids"]["api"] if p not in {0, second}]) == 2
        )
        await eventually(lambda: _users(two, room, "online") == {ANN})

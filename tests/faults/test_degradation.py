"""A server away under load: what does not need it goes on, the rest says so, and all is right
afterwards without help. FAULTS_AWAY_SECONDS says for how long."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest
import pytest_asyncio

from tests.faults.faults import gone
from tests.faults.load import until
from tests.faults.run import USERS, Run, figures, running
from tests.faults.world import WORKERS, World, running_world
from tests.histories.checker import check, explain
from tests.histories.history import Act, Outcome, Write

_AWAY_S = float(os.environ.get("FAULTS_AWAY_SECONDS", "4"))
pytestmark = pytest.mark.timeout(_AWAY_S + 900)

_SEED = 20_260_103
# 5 s are promised, and a loaded machine's own time on top.
_ANSWER_TIME_MAX_S = 8.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """One product through all of it, with a log of two partitions."""
    async with running_world(partitions=2) as running_one:
        yield running_one


async def _asked(
    world: World, method: str, path: str, body: dict[str, str] | None = None
) -> tuple[int, str]:
    """The status and code of an answer, which must come in time."""
    async with httpx.AsyncClient(base_url=world.up.base_url, timeout=60) as http:
        began_s = time.monotonic()
        told = await http.request(method, path, json=body, headers=world.up.headers(USERS[0]))
        took_s = time.monotonic() - began_s
    assert took_s < _ANSWER_TIME_MAX_S, (method, path, took_s)
    return told.status_code, "" if told.is_success else told.json()["code"]


async def _said(run: Run, content: str) -> tuple[int, str]:
    """Send a message by REST, on the record; the status and code."""
    record, room = run.recording, run.recording.rooms[0]
    write = Write("somebody", USERS[0], room, Act.SEND, record.key(), record.now(), content=content)
    record.history.writes.append(write)
    async with httpx.AsyncClient(base_url=run.world.up.base_url, timeout=60) as http:
        told = await http.post(
            f"/api/rooms/{room}/messages",
            json={"content": content},
            headers={**run.world.up.headers(USERS[0]), "Idempotency-Key": write.key},
        )
    write.ended_s = record.now()
    assert write.ended_s - write.begun_s < _ANSWER_TIME_MAX_S
    if not told.is_success:
        return told.status_code, told.json()["code"]
    write.outcome = Outcome.ACKED
    write.sequence = told.json()["sequence_number"]
    write.message_id = told.json()["message_id"]
    return told.status_code, ""


async def _start_all_workers_anew(world: World) -> None:
    """kill -9; returns when others answer."""
    old = {world.kill(f"api-{number}") for number in range(WORKERS)}

    def others() -> bool:
        now = {world.pid_of(f"api-{number}") for number in range(WORKERS)}
        return not now & {0, *old}

    await until(others, "other workers")


def _acked(run: Run) -> dict[str, int]:
    """How far each room reaches by what was acked by now."""
    last: dict[str, int] = {}
    for write in run.recording.history.writes:
        if write.outcome is Outcome.ACKED and write.act is not Act.CREATE:
            last[write.room] = max(last.get(write.room, 0), write.sequence)
    return last


def _received(run: Run, last: dict[str, int]) -> bool:
    """Whether every receiver has come as far; some are behind at any time, since all go on."""
    run.check_alive()
    return all(
        bool(stream.events) and stream.events[-1].sequence >= last.get(stream.room, 0)
        for stream in run.recording.history.streams
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_without_postgresql_sends_live_delivery_and_resume_go_on_and_the_rest_says_so(
    world: World,
):
    async with running(world, _SEED) as run:
        await run.progress(50)
        room = run.recording.rooms[0]
        sent = next(w for w in run.recording.history.writes if w.message_id and w.act is Act.SEND)
        message = f"/api/messages/{sent.message_id}"
        async with gone(world, "postgres"):
            began_s, before = time.monotonic(), run.recording.acked
            # Those that start now have never seen the tables; all clients resume on them.
            await _start_all_workers_anew(world)
            while True:
                await run.progress(20)
                acked = run.recording.acked
                for method, path, body in (
                    ("GET", f"/api/rooms/{room}/messages", None),
                    ("GET", f"/api/rooms/{room}/messages/search?q=said", None),
                    ("PATCH", message, {"content": "edited"}),
                    ("DELETE", message, None),
                    ("POST", f"{message}/reactions", {"emoji": "👍"}),
                ):
                    answer = await _asked(world, method, path, body)
                    assert answer == (503, "database_unavailable"), (method, path, answer)
                assert await _said(run, "meanwhile") == (201, "")
                if time.monotonic() - began_s > _AWAY_S and run.recording.acked > acked:
                    break
            last = _acked(run)
            await until(lambda: _received(run, last), "everybody has what was acked meanwhile")
            print(f"{run.recording.acked - before} acked without PostgreSQL")
        await run.progress(30)
        history = await run.end()
    violations = check(history)
    assert not violations, explain(violations)
    print(figures(history))


@pytest.mark.asyncio(loop_scope="module")
async def test_without_nats_nothing_is_acked_and_all_that_waits_is_sent_after(world: World):
    async with running(world, _SEED) as run:
        await run.progress(50)
        async with gone(world, "nats"):
            began_s = time.monotonic()
            # An answer that was on its way may still come.
            assert await _said(run, "to nobody") == (503, "log_unavailable")
            acked = run.recording.acked
            async with httpx.AsyncClient(base_url=world.up.base_url, timeout=30) as http:
                assert (await http.get("/readyz")).status_code == 503
                assert (await http.get("/livez")).status_code == 200
            while time.monotonic() - began_s < _AWAY_S:
                await asyncio.sleep(0.1)
                run.check_alive()
            assert run.recording.acked == acked
        await run.progress(50)
        history = await run.end()
    violations = check(history)
    assert not violations, explain(violations)
    print(figures(history))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_that_alone_is_without_nats_tells_no_head_below_what_others_told(
    world: World,
):
    room = await _room_of(world)
    async with contextlib.AsyncExitStack() as clients:
        both = await _client_of_each_worker(world, clients, f"/api/rooms/{room}/messages")
        link = world.links["api-0-nats"]
        link.refusing = True
        link.cut()
        clients.callback(link.heal)
        cut, whole = await _told_apart(both)
        sent = await whole.post(f"/api/rooms/{room}/messages", json={"content": "meanwhile"})
        assert sent.status_code == 201, sent.text
        message = f"/api/messages/{sent.json()['message_id']}"
        pages = ("messages", "members", "stats", "messages/search?q=meanwhile")
        for change in (
            lambda: whole.post(f"{message}/reactions", json={"emoji": "👍"}),
            lambda: whole.patch(message, json={"content": "meanwhile, edited"}),
            lambda: whole.patch(f"/api/rooms/{room}", json={"title": "changed"}),
        ):
            changed = await change()
            assert changed.is_success, changed.text
            # Whoever reads this was told that it is readable, by a worker that knows the log.
            head = (await whole.get(f"/api/rooms/{room}")).json()["head"]
            async with asyncio.timeout(60):
                while not (await whole.get(_reflecting(room, head))).is_success:
                    await asyncio.sleep(0.05)
            for page in pages:
                told = [await one.get(f"/api/rooms/{room}/{page}") for one in (whole, cut)]
                assert [one.status_code for one in told] == [200, 200], told[1].text
                assert told[1].json() == told[0].json()
    await world.ready()


def _reflecting(room: str, sequence: int) -> str:
    return f"/api/rooms/{room}/messages?min_sequence={sequence}"


async def _room_of(world: World) -> str:
    """A room of USERS[0]'s."""
    async with _client(world) as http:
        made = await http.post("/api/rooms", json={"name": "told by two"})
    assert made.status_code == 201, made.text
    return made.json()["room_id"]


def _client(world: World) -> httpx.AsyncClient:
    """One that keeps its connection, and so its worker."""
    url, headers = world.up.base_url, world.up.headers(USERS[0])
    limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits)


async def _client_of_each_worker(
    world: World, clients: contextlib.AsyncExitStack, path: str
) -> list[httpx.AsyncClient]:
    """Clients that are connected to one worker each, which has answered `path`."""
    found: dict[int, httpx.AsyncClient] = {}
    workers = {world.pid_of(f"api-{number}") for number in range(WORKERS)}
    async with asyncio.timeout(60):
        while found.keys() != workers:
            client = await clients.enter_async_context(_client(world))
            told = await client.get(path)
            assert told.status_code == 200, told.text
            _, port = told.extensions["network_stream"].get_extra_info("client_addr")
            found[_server_of(workers, port)] = client
    return list(found.values())


def _server_of(workers: set[int], client_port: int) -> int:
    """The worker that serves the connection from that port."""
    return next(
        pid
        for pid in workers
        for one in psutil.Process(pid).net_connections("tcp")
        if one.raddr and one.raddr.port == client_port
    )


async def _told_apart(both: list[httpx.AsyncClient]) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """The client of the worker that knows itself to be without NATS, and the other."""
    async with asyncio.timeout(60):
        while True:
            ready = [(await one.get("/readyz")).status_code for one in both]
            if sorted(ready) == [200, 503]:
                return both[ready.index(503)], both[ready.index(200)]
            await asyncio.sleep(0.05)

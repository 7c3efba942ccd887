"""`/metrics` of several workers, as Prometheus sees it."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable, Generator
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.protocol import State
from websockets.sync.client import connect as connect_at_once

from tests.stack import Stack, running_stack

ANA = "ana@example.com"
DEADLINE_S = 60
CONNECTIONS = 12


@pytest.fixture(scope="module")
def workers() -> Generator[Stack]:
    with running_stack(
        ("--workers", "2"), USER_MESSAGES_PER_SECOND="0", CONNECTS_PER_MINUTE="0", SPAM_GUARD="off"
    ) as running:
        yield running


def counted(stack: Stack) -> dict[str, float]:
    """One scrape, on a connection of its own: whichever worker takes it."""
    text = httpx.get(f"{stack.base_url}/metrics", timeout=30).raise_for_status().text
    samples = re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    assert len({name for name, _ in samples}) == len(samples)
    return {name: float(value) for name, value in samples}


def wait_until(stack: Stack, true: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    deadline = time.monotonic() + DEADLINE_S
    while not true(found := counted(stack)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def new_room(stack: Stack) -> str:
    answer = httpx.post(
        f"{stack.base_url}/api/rooms", headers=stack.headers(ANA), json={"name": "counted"}
    )
    return answer.raise_for_status().json()["room_id"]


def say(stack: Stack, room_id: str, content: str, **headers: str) -> dict[str, str]:
    answer = httpx.post(
        f"{stack.base_url}/api/rooms/{room_id}/messages",
        headers={**stack.headers(ANA), **headers},
        json={"content": content},
    )
    return answer.raise_for_status().json()


def test_whichever_worker_is_asked_answers_for_all(workers: Stack):
    before = counted(workers)
    room_id = new_room(workers)
    message = [say(workers, room_id, f"message {n}") for n in range(30)][-1]
    path = f"{workers.base_url}/api/messages/{message['message_id']}"
    headers = workers.headers(ANA)
    httpx.patch(path, headers=headers, json={"content": "else"}).raise_for_status()
    httpx.post(f"{path}/reactions", headers=headers, json={"emoji": "👍"}).raise_for_status()
    httpx.delete(f"{path}/reactions/👍", headers=headers).raise_for_status()
    httpx.request("DELETE", path, headers=headers).raise_for_status()
    httpx.get(f"{workers.base_url}/api/rooms", headers={"Authorization": "Bearer nonsense"})

    grown = {
        'roomlog_messages_total{type="text"}': 30,
        "roomlog_message_edits_total": 1,
        "roomlog_message_deletions_total": 1,
        'roomlog_reactions_total{action="added"}': 1,
        'roomlog_reactions_total{action="removed"}': 1,
        "roomlog_append_batch_events_sum": 35,
        "roomlog_append_seconds_count": 35,
        'roomlog_authentication_failures_total{interface="rest"}': 1,
        'roomlog_errors_total{code="unauthenticated",interface="rest"}': 1,
    }

    def growth(now: dict[str, float]) -> dict[str, float]:
        return {name: now.get(name, 0) - before.get(name, 0) for name in grown}

    # What another worker counted stands in its file a moment later.
    wait_until(workers, lambda now: growth(now) == grown)
    for _ in range(8):
        assert growth(counted(workers)) == grown
    projected = before.get("roomlog_projected_events_total", 0) + 35
    now = wait_until(workers, lambda found: found["roomlog_projected_events_total"] >= projected)
    wait_until(workers, lambda found: found['roomlog_projection_lag_events{partition="0"}'] == 0)
    assert now['roomlog_dead_events{partition="0"}'] == 0
    assert {now[f'roomlog_up{{part="{part}"}}'] for part in ("log", "database", "projection")} == {
        1
    }


async def test_connections_of_all_workers_are_summed_and_those_of_a_dead_one_are_taken_out(
    workers: Stack,
):
    room_id = new_room(workers)
    say(workers, room_id, "to be read again")
    before = counted(workers)
    address = f"{workers.ws_url}/ws/{room_id}?after=0&token={workers.token(ANA)}"
    sockets = [await connect(address, open_timeout=DEADLINE_S) for _ in range(CONNECTIONS)]
    try:
        resumed = before.get("roomlog_resumes_total", 0) + CONNECTIONS
        found = wait_until(workers, lambda now: now["roomlog_resumes_total"] == resumed)
        assert found["roomlog_connections"] == before["roomlog_connections"] + CONNECTIONS
        assert (
            found["roomlog_resume_events_sum"]
            == before.get("roomlog_resume_events_sum", 0) + 2 * CONNECTIONS
        )
        broadcasts = found["roomlog_broadcast_seconds_count"]
        say(workers, room_id, "to everyone")
        wait_until(workers, lambda now: now["roomlog_broadcast_seconds_count"] > broadcasts)
        killed = workers.run["pids"]["api"][0]
        os.kill(killed, signal.SIGKILL)
        opened = found["roomlog_connections_opened_total"]

        def only_the_living(now: dict[str, float]) -> bool:
            living = sum(socket.state is State.OPEN for socket in sockets)
            return now["roomlog_connections"] == before["roomlog_connections"] + living

        deadline = time.monotonic() + DEADLINE_S
        while killed in workers.run["pids"]["api"] or not only_the_living(counted(workers)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert counted(workers)["roomlog_connections_opened_total"] == opened
    finally:
        for socket in sockets:
            await socket.close()


def _make_things_up(stack: Stack) -> None:
    """Ask for whatever a client can, under names that nobody used before."""
    made_up = uuid4()
    with httpx.Client(base_url=stack.base_url, headers=stack.headers(ANA), timeout=60) as client:
        for path in (f"/{made_up}", f"/api/rooms/{made_up}", f"/api/{made_up}?{made_up}", "/ws/x"):
            client.get(path)
        client.request("PROPFIND", "/api/rooms")  # others than these never get here
        client.get("/api/rooms", headers={"Authorization": f"Bearer {made_up}"})
        room_id = new_room(stack)
        for said in ({"content": "", "message_type": str(made_up)}, {str(made_up): 1}):
            client.post(f"/api/rooms/{room_id}/messages", json=said)
        client.post(f"/api/messages/{made_up}/reactions", json={"emoji": str(made_up)})
    with connect_at_once(
        f"{stack.ws_url}/ws", additional_headers=stack.headers(f"{made_up}@example.org")
    ) as socket:
        for frame in (
            {"type": str(made_up)},
            {"type": "send", "ref": str(made_up), "room_id": str(made_up), "content": "x"},
            {"type": "react", "ref": "1", "room_id": room_id, "message_id": "x", "emoji": "y"},
            {"type": "subscribe", "room_id": f"not {made_up}"},
        ):
            socket.send(json.dumps(frame))
        heard = ""
        while heard.count('"error"') < 4:
            heard += str(socket.recv(DEADLINE_S))


def test_what_clients_make_up_makes_no_series(workers: Stack):
    _make_things_up(workers)
    counted(workers)  # which is counted too, once it is answered
    before = counted(workers).keys()
    for _ in range(3):
        _make_things_up(workers)
    after = counted(workers)

    assert after.keys() == before
    assert sum(n for name, n in after.items() if 'method="other"' in name) == 4

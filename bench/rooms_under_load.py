"""Rooms full of connections for the WebSocket benchmarks: set up, loaded, and what that cost."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

from bench.measured import cpu_seconds
from bench.projection_probe import await_projected
from bench.running_load import running_load
from tests.stack import Stack

# Of a load's result: see bench.deliveries, and what its clients counted.
_WRONG = ("misordered", "doubled", "lost", "different")
# Longer than any load.
_TOKENS_TTL_S = 86_400
_LATE = ("missing", "unanswered", "closed")

SETTINGS = {
    "USER_MESSAGES_PER_SECOND": "1000000",
    "ROOM_MESSAGES_PER_SECOND": "1000000",
    "CONNECTS_PER_MINUTE": "1000000",
    "SPAM_GUARD": "off",
    # What is looked for is the most that can be done, however long it waits.
    "APPEND_WAIT_SECONDS": "0",
    "REQUEST_WAIT_SECONDS": "0",
}

NO_LIMITS = {
    "USER_MESSAGES_PER_SECOND": "0",
    "ROOM_MESSAGES_PER_SECOND": "0",
    "CONNECTS_PER_MINUTE": "0",
    "SPAM_GUARD": "off",
}


def make_rooms(stack: Stack, rooms: int, users: Sequence[str]) -> list[str]:
    """New rooms with these members; their ids."""
    owner = stack.headers("bench@example.org")
    made: list[str] = []
    with httpx.Client(base_url=stack.base_url, headers=owner, timeout=60) as client:
        for number in range(rooms):
            first = [{"user_id": user, "role": "responder"} for user in users[:200]]
            answer = client.post("/api/rooms", json={"name": f"bench {number}", "members": first})
            answer.raise_for_status()
            made.append(answer.json()["room_id"])
            for user in users[200:]:
                path = f"/api/rooms/{made[-1]}/members/{user}"
                client.put(path, json={"role": "responder"}).raise_for_status()
    return made


def connects(
    stack: Stack, rooms: Sequence[str], *, each: int, senders: int
) -> list[dict[str, Any]]:
    """`each` connections to every room, the first `senders` of which send."""
    tokens = [stack.token(f"bench{n}@example.org", ttl_s=_TOKENS_TTL_S) for n in range(each)]
    return [
        {
            "url": f"{stack.ws_url}/ws/{room}?token={tokens[number]}",
            "room": room,
            "sends": number < senders,
        }
        for room in rooms
        for number in range(each)
    ]


def users(count: int) -> list[str]:
    """The users whom `connects` connects."""
    return [f"bench{number}@example.org" for number in range(count)]


class Cpu:
    """Seconds of CPU that each part of a stack has used."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = self._now()
        self._workers_before = self._workers_now()

    def _now(self) -> dict[str, float]:
        pids = self._stack.run["pids"]
        return {
            "api": sum(self._workers_now()),
            "nats": cpu_seconds(pids["nats"]),
            "projector": cpu_seconds(pids["projector"]),
            "postgres": cpu_seconds(pids["postgres"], family=True),
        }

    def _workers_now(self) -> list[float]:
        return [cpu_seconds(pid) for pid in self._stack.run["pids"]["api"]]

    def used(self) -> dict[str, float]:
        """Since this was made."""
        return {part: now - self._before[part] for part, now in self._now().items()}

    def used_by_workers(self) -> list[float]:
        """By each of the API's workers."""
        now = self._workers_now()
        return [after - before for after, before in zip(now, self._workers_before, strict=True)]


def run_load(stack: Stack, task: dict[str, Any]) -> dict[str, Any]:
    """Run a load (see bench.websocket_load) and add what it cost the server: µs of CPU for each
    message and for each delivery, by part, and how long the tables took to follow."""
    with running_load(task) as load:
        load.await_begun()
        cpu = Cpu(stack)
        result = load.result()
    ended_s = time.monotonic()
    asyncio.run(await_projected(stack))
    result["tables_follow_s"] = time.monotonic() - ended_s
    used = cpu.used()
    acked, deliveries = max(1, result["acked"]), max(1, result["deliveries"])
    result["cpu_us_per_message"] = {part: value * 1e6 / acked for part, value in used.items()}
    result["api_cpu_us_per_delivery"] = used["api"] * 1e6 / deliveries
    by_workers = cpu.used_by_workers()
    result["api_cpu_shares"] = [round(one / (sum(by_workers) or 1), 2) for one in by_workers]
    return result


def check(result: dict[str, Any]) -> None:
    """Raises AssertionError where a delivery was lost, doubled, out of order or not there yet, or
    a send refused or not answered: a figure of such a run is worth nothing."""
    check_order(result)
    assert result["errors"] == 0, result["first_error"]
    late = {name: result[name] for name in _LATE if result[name]}
    assert not late, late


def check_order(result: dict[str, Any]) -> None:
    """The same, where sends may be refused, and what is not there yet may still come: after a load
    that was too much."""
    wrong = {name: result[name] for name in _WRONG if result[name]}
    assert not wrong, wrong


def in_time(result: dict[str, Any]) -> bool:
    """Whether all was acked and had come when the load stopped waiting."""
    return not any(result[name] for name in ("errors", *_LATE))


def details(result: dict[str, Any]) -> dict[str, Any]:
    """What else to tell of a load, which is checked first."""
    check(result)
    return {
        "acks": result["ack"],
        "deliveries a second": result["deliveries_per_second"],
        "the tables have all after, s": result["tables_follow_s"],
        "server CPU a message, µs": result["cpu_us_per_message"],
        "API CPU a delivery, µs": result["api_cpu_us_per_delivery"],
        "load CPU a message, µs": result["load_cpu_s"] * 1e6 / max(1, result["acked"]),
    }

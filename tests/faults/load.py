"""What tests of faults wait for, and ask of the whole product."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.stack import Stack

DEADLINE_S = 120
_PAUSE_S = 0.05


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `condition` holds."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(_PAUSE_S)


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """`until`, where nothing else goes on."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        time.sleep(_PAUSE_S)


def pid_of(stack: Stack, part: str) -> int:
    """The part's process id as run.json has it now, 0 while it is being restarted."""
    pid = stack.run["pids"][part]
    return pid[0] if isinstance(pid, list) else pid


async def kill_and_await_successor(stack: Stack, part: str) -> None:
    """kill -9 one part, and return when run.json names another process for it."""
    old = pid_of(stack, part)
    os.kill(old, signal.SIGKILL)
    await until(lambda: pid_of(stack, part) not in {0, old}, f"another {part} in run.json")


def is_ready(stack: Stack) -> bool:
    """Whether every part works, by /readyz."""
    try:
        return httpx.get(f"{stack.base_url}/readyz", timeout=10).json()["status"] == "ready"
    except (httpx.HTTPError, KeyError):
        return False


def create_room(stack: Stack, commander: str, members: list[str]) -> str:
    """A room whose members may all send."""
    answer = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers=stack.headers(commander),
        json={
            "name": "under load",
            "members": [{"user_id": user, "role": "responder"} for user in members],
        },
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["room_id"]


def logged_events(stack: Stack, room: str, user: str) -> list[dict[str, Any]]:
    """All events of a room from the log, by NDJSON."""
    answer = httpx.get(
        f"{stack.base_url}/api/rooms/{room}/events",
        params={"after": 0},
        headers={**stack.headers(user), "Accept": "application/x-ndjson"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]

"""Senders and watchers over real WebSockets, who keep book of what they were told."""

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
from uuid_utils import uuid7
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.stack import Stack

DEADLINE_S = 120
_WINDOW = 4
_SILENCE_S = 20
_PAUSE_S = 0.05
_PASSING = {"log_unavailable", "projection_behind", "database_unavailable", "rate_limited"}
_LOST = (OSError, WebSocketException, TimeoutError)


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `condition` holds."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(_PAUSE_S)


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


class Sender:
    """Sends numbered messages, a few at a time, each under a key of its own, again after every
    lost connection or passing error, until told to stop and everything is acked."""

    def __init__(self, stack: Stack, room: str, user: str) -> None:
        self.room = room
        self.user = user
        self.sent: dict[str, str] = {}
        self.acks: dict[str, dict[str, Any]] = {}
        self.fresh_sequences: list[list[int]] = []
        self._stack = stack
        self._waiting: dict[str, str] = {}
        self._numbers = itertools.count()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        while self._waiting or not self._stopping:
            try:
                url = f"{self._stack.ws_url}/ws/{self.room}"
                async with connect(
                    url, additional_headers=self._stack.headers(self.user), compression=None
                ) as socket:
                    await self._talk(socket)
            except _LOST:
                await asyncio.sleep(_PAUSE_S)

    async def _talk(self, socket: ClientConnection) -> None:
        self.fresh_sequences.append([])
        for key in list(self._waiting):
            await self._send(socket, key)
        while True:
            while len(self._waiting) < _WINDOW and not self._stopping:
                key = str(uuid7())
                self.sent[key] = self._waiting[key] = f"{self.user} {next(self._numbers)}"
                await self._send(socket, key)
            if not self._waiting:
                return
            async with asyncio.timeout(_SILENCE_S):
                text = await socket.recv()
            for line in str(text).split("\n"):
                await self._take(socket, json.loads(line))

    async def _send(self, socket: ClientConnection, key: str) -> None:
        frame = {"type": "send", "ref": key, "content": self.sent[key], "idempotency_key": key}
        await socket.send(json.dumps(frame))

    async def _take(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        if frame["type"] == "ack":
            del self._waiting[frame["ref"]]
            self.acks[frame["ref"]] = frame
            if not frame["duplicate"]:
                self.fresh_sequences[-1].append(frame["sequence"])
        elif frame["type"] == "error":
            assert frame["code"] in _PASSING, frame
            await asyncio.sleep(_PAUSE_S)
            if frame.get("ref") in self._waiting:
                await self._send(socket, frame["ref"])


class Watcher:
    """Follows a room from its beginning, and resumes where it was after every lost connection."""

    def __init__(self, stack: Stack, room: str, user: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._stack = stack
        self._room = room
        self._user = user
        self._epoch = ""

    @property
    def position(self) -> int:
        return self.events[-1]["sequence"] if self.events else 0

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                url = f"{self._stack.ws_url}/ws/{self._room}?after={self.position}"
                if self._epoch:
                    url += f"&epoch={self._epoch}"
                headers = self._stack.headers(self._user)
                async with connect(url, additional_headers=headers, compression=None) as socket:
                    async for text in socket:
                        for line in str(text).split("\n"):
                            self._take(json.loads(line))
            except _LOST:
                await asyncio.sleep(_PAUSE_S)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "subscribed":
            assert frame["resumed"] is True, frame
            self._epoch = frame["epoch"]
        elif frame["type"] == "event":
            assert frame["prev_sequence"] == self.position, (self.position, frame)
            assert frame["sequence"] > self.position, (self.position, frame)
            self.events.append(frame)

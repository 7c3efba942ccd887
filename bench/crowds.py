"""`python -m bench.crowds`: thousands who connect and say nothing, vanish, or ask and do not read; the
most memory that this takes, and what is left of it after, beside answers to others meanwhile."""

import asyncio
import contextlib
import resource
import socket
import struct
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import click
import httpx

from bench.bare_nats import percentiles_ms
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.nasty import memory_mib, new_room
from tests.stack import Stack, running_stack

_USER = "bench@example.org"
_AT_ONCE = 200
_SAMPLE_S = 0.25
_DEAF = 200
_MESSAGES = 2000
_RESET = struct.pack("ii", 1, 0)


def _connected(port: int, *, small: bool = False) -> socket.socket:
    taken = socket.socket()
    if small:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taken.connect(("127.0.0.1", port))
    return taken


async def _connect_all(port: int, count: int) -> list[socket.socket]:
    taken: list[socket.socket] = []
    while len(taken) < count:
        taken += [_connected(port) for _ in range(min(_AT_ONCE, count - len(taken)))]
        await asyncio.sleep(0)
    return taken


class Watch:
    """Asks for something small all the while, and looks at the memory."""

    def __init__(self, stack: Stack, room: str) -> None:
        self.answers_ms: list[float] = []
        self.peak_mib = 0.0
        self._stack = stack
        self._path = f"/api/rooms/{room}"

    async def _ask(self) -> None:
        async with httpx.AsyncClient(base_url=self._stack.base_url, timeout=60) as http:
            headers = self._stack.headers(_USER)
            while True:
                began_s = time.monotonic()
                (await http.get(self._path, headers=headers)).raise_for_status()
                self.answers_ms.append((time.monotonic() - began_s) * 1000)
                self.peak_mib = max(self.peak_mib, memory_mib(self._stack))
                await asyncio.sleep(_SAMPLE_S)

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncGenerator[None]:
        """Watch while the block runs."""
        asking = asyncio.create_task(self._ask())
        try:
            yield
            await asyncio.sleep(2 * _SAMPLE_S)
        finally:
            asking.cancel()
            await asyncio.wait([asking])


async def _silent(stack: Stack, count: int) -> None:
    """They connect, say nothing, and go without a word."""
    port = int(stack.base_url.rpartition(":")[2])
    taken = await _connect_all(port, count)
    await asyncio.sleep(2)
    for one in taken:
        one.close()


async def _vanishing(stack: Stack, count: int) -> None:
    """They begin a handshake and are gone, as by a cable that is cut and a machine that restarts."""
    port = int(stack.base_url.rpartition(":")[2])
    request = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    for _ in range(0, count, _AT_ONCE):
        for one in await _connect_all(port, _AT_ONCE):
            one.sendall(request)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()
        await asyncio.sleep(0)


async def _deaf(stack: Stack, room: str) -> None:
    """They ask for all of a room, and read nothing of it."""
    port = int(stack.base_url.rpartition(":")[2])
    token = stack.token(_USER)
    request = (
        f"GET /api/rooms/{room}/events HTTP/1.1\r\nHost: x\r\n"
        f"Accept: application/x-ndjson\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    taken = [_connected(port, small=True) for _ in range(_DEAF)]
    for one in taken:
        one.sendall(request.encode())
    await asyncio.sleep(5)
    for one in taken:
        one.close()


async def _fill(stack: Stack, room: str) -> None:
    limit = asyncio.Semaphore(16)
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=60) as http:
        headers = stack.headers(_USER)

        async def send(number: int) -> None:
            async with limit:
                body = {"content": f"{number} {CONTENT * 10}"}
                told = await http.post(f"/api/rooms/{room}/messages", json=body, headers=headers)
                told.raise_for_status()

        await asyncio.gather(*(send(number) for number in range(_MESSAGES)))


async def _measure(stack: Stack, count: int) -> list[Measured]:
    room = await new_room(stack)
    await _fill(stack, room)
    found: list[Measured] = []
    crowds = {
        f"{count:,} connect and say nothing": lambda: _silent(stack, count),
        f"{count:,} begin a handshake and vanish": lambda: _vanishing(stack, count),
        f"{_DEAF} ask for {_MESSAGES:,} events and do not read": lambda: _deaf(stack, room),
    }
    for name, crowd in crowds.items():
        before, watch = memory_mib(stack), Watch(stack, room)
        async with watch.on():
            await crowd()
        found.append(
            Measured(
                f"{name}: API's memory at most",
                watch.peak_mib,
                "MiB",
                more_is_better=False,
                details={
                    "before and after, MiB": [before, memory_mib(stack)],
                    "others' reads meanwhile": percentiles_ms(watch.answers_ms),
                },
            )
        )
    return found


@click.command()
@click.option("--connections", default=5000, show_default=True)
@json_option
def main(*, connections: int, json_file: Path | None) -> None:
    """Measure crowds that do no good."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with running_stack(
        USER_MESSAGES_PER_SECOND="0", ROOM_MESSAGES_PER_SECOND="0", SPAM_GUARD="off"
    ) as stack:
        results = asyncio.run(_measure(stack, connections))
    tell(results, json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.crowds`: thousands who connect and say nothing, vanish, ask and do not read, or
resume from the beginning; the most memory that this takes, and what is left of it after, beside
answers to others meanwhile."""

import asyncio
import contextlib
import resource
import socket
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import click
import httpx
from picows import WSFrame, WSListener, WSTransport, ws_connect

from bench.bare_nats import percentiles_ms
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.nasty import memory_mib, new_room, resident_mib
from bench.rooms_under_load import NO_LIMITS
from tests.stack import Stack, running_stack

_USER = "bench@example.org"
_AT_ONCE = 200
_SAMPLE_S = 0.25
_DEAF = 200
_RESUMING = 300
_MESSAGES = 2000
_STILL_S = 5.0
_LIVE = b'"type":"live"'
_RESET = struct.pack("ii", 1, 0)

Meanwhile = Callable[[], Awaitable[None]]


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
        self.others_mib: dict[str, float] = {}
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
                for part in ("nats", "projector"):
                    mib = resident_mib(self._stack.run["pids"][part])
                    self.others_mib[part] = max(mib, self.others_mib.get(part, 0.0))
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


def _asking(stack: Stack, path: str, *headers: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {stack.token(_USER)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


def _resume(stack: Stack, room: str, query: str = "?after=0") -> bytes:
    return _asking(
        stack,
        f"/ws/{room}{query}",
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )


async def _deaf(
    stack: Stack, request: bytes, count: int, meanwhile: Meanwhile | None = None
) -> None:
    """They ask for something, and read nothing of it."""
    port = int(stack.base_url.rpartition(":")[2])
    taken: list[socket.socket] = []
    for _ in range(count):
        taken.append(one := _connected(port, small=True))
        one.sendall(request)
        await asyncio.sleep(0)
    await (asyncio.sleep(_STILL_S) if meanwhile is None else meanwhile())
    for one in taken:
        one.close()


class _Resuming(WSListener):
    """Reads until it is live."""

    def __init__(self) -> None:
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if _LIVE in frame.get_payload_as_bytes() and not self.live.done():
            self.live.set_result(None)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.live.done():
            code = transport.close_handshake and transport.close_handshake.recv
            self.live.set_exception(RuntimeError(f"a connection ended before it was live: {code}"))


async def _all_resume(stack: Stack, room: str) -> None:
    """They resume from the beginning, all at once, and read it."""
    url = f"{stack.ws_url}/ws/{room}?after=0&token={stack.token(_USER)}"

    async def resume() -> None:
        _, listener = await ws_connect(_Resuming, url)
        await listener.live

    await asyncio.gather(*(resume() for _ in range(_RESUMING)))


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


async def _measure(stack: Stack, count: int, only: str) -> list[Measured]:
    room, busy = await new_room(stack), await new_room(stack)
    await _fill(stack, room)
    found: list[Measured] = []
    ndjson = _asking(stack, f"/api/rooms/{room}/events", "Accept: application/x-ndjson")
    stream = _asking(stack, f"/api/rooms/{room}/events?after=0", "Accept: text/event-stream")
    live = _asking(stack, f"/api/rooms/{busy}/events", "Accept: text/event-stream")
    crowds = {
        f"{count:,} connect and say nothing": lambda: _silent(stack, count),
        f"{count:,} begin a handshake and vanish": lambda: _vanishing(stack, count),
        f"{_DEAF} ask for {_MESSAGES:,} events and do not read": lambda: _deaf(
            stack, ndjson, _DEAF
        ),
        f"{_DEAF} follow a room from its beginning as an event stream and do not read": lambda: (
            _deaf(stack, stream, _DEAF)
        ),
        f"{_DEAF} follow a room live as an event stream and do not read": lambda: _deaf(
            stack, live, _DEAF, lambda: _fill(stack, busy)
        ),
        f"{_DEAF} are in a room by WebSocket and do not read": lambda: _deaf(
            stack, _resume(stack, busy, ""), _DEAF, lambda: _fill(stack, busy)
        ),
        f"{_RESUMING} resume {_MESSAGES:,} events by WebSocket and do not read": lambda: _deaf(
            stack, _resume(stack, room), _RESUMING
        ),
        f"{_RESUMING} resume {_MESSAGES:,} events by WebSocket at once": lambda: _all_resume(
            stack, room
        ),
    }
    for name, crowd in crowds.items():
        if only not in name:
            continue
        before, watch = memory_mib(stack), Watch(stack, room)
        async with watch.on():
            await crowd()
        click.echo(f"  {name}: {watch.peak_mib:.0f} MiB at most", err=True)
        found.append(
            Measured(
                f"{name}: API's memory at most",
                watch.peak_mib,
                "MiB",
                more_is_better=False,
                details={
                    "before and after, MiB": [before, memory_mib(stack)],
                    "NATS and projector at most, MiB": watch.others_mib,
                    "others' reads meanwhile": percentiles_ms(watch.answers_ms),
                },
            )
        )
    return found


@click.command()
@click.option("--connections", default=5000, show_default=True)
@click.option("--only", default="", help="Only the crowds whose names hold this text.")
@json_option
def main(*, connections: int, only: str, json_file: Path | None) -> None:
    """Measure crowds that do no good."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with running_stack(**NO_LIMITS) as stack:
        results = asyncio.run(_measure(stack, connections, only))
    tell(results, json_file)


if __name__ == "__main__":
    main()

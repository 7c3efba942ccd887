"""`python -m bench.idle_connections`: 1,000 idle connections: memory of each, and how fast they
are set up; beside plain uvicorn with an application that only accepts."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import click
import psutil
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.measured import Measured, json_option, tell
from bench.rooms_under_load import make_rooms, users
from bench.served import served
from tests.stack import Stack, running_stack
from tests.within import within

CONNECTIONS = 1_000
USERS = 100
AT_ONCE = 50
_TIMEOUT_S = 30
_SETTLED_S = 2.0


class _Idle(WSListener):
    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self.there = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        if not self._wanted:
            self.there.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT and self._wanted in frame.get_payload_as_bytes():
            self.there.set()


async def set_up(urls: Sequence[str], wanted: bytes, pid: int) -> tuple[float, float]:
    """Connect to all, each until `wanted` came: set-ups a second, and KiB a connection."""
    process = psutil.Process(pid)
    await _connected(urls[:AT_ONCE], wanted)  # what is made once is made now
    before = process.memory_full_info().uss
    began_s = time.monotonic()
    transports = await _connected(urls, wanted)
    rate = len(urls) / (time.monotonic() - began_s)
    await asyncio.sleep(_SETTLED_S)
    used = process.memory_full_info().uss - before
    for transport in transports:
        transport.disconnect()
    return rate, used / 1024 / len(urls)


async def _connected(urls: Sequence[str], wanted: bytes) -> list[WSTransport]:
    transports: list[WSTransport] = []

    async def one(url: str) -> None:
        idle = _Idle(wanted)
        transport, _ = await ws_connect(lambda: idle, url)
        transports.append(transport)
        await within(idle.there.wait(), _TIMEOUT_S)

    for start in range(0, len(urls), AT_ONCE):
        await asyncio.gather(*(one(url) for url in urls[start : start + AT_ONCE]))
    return transports


def _plain(count: int) -> tuple[float, float]:
    with served("bench.plain_fanout", lambda port: [str(port)]) as server:
        urls = [f"ws://127.0.0.1:{server.port}/"] * count
        return uvloop.run(set_up(urls, b"", server.pid))


def measure(stack: Stack) -> list[Measured]:
    """Both figures, each beside plain uvicorn's."""
    (room,) = make_rooms(stack, 1, users(USERS))
    tokens = [stack.token(user) for user in users(USERS)]
    urls = [f"{stack.ws_url}/ws/{room}?token={tokens[n % USERS]}" for n in range(CONNECTIONS)]
    (pid,) = stack.run["pids"]["api"]
    rate, kib = uvloop.run(set_up(urls, b'"type":"subscribed"', pid))
    plain_rate, plain_kib = _plain(CONNECTIONS)
    return [
        Measured("set-ups, token to subscribed", rate, "/s", plain_rate, "uvicorn, accept only"),
        Measured("an idle connection", kib, "KiB", plain_kib, "uvicorn", more_is_better=False),
    ]


@click.command()
@json_option
def main(*, json_file: Path | None) -> None:
    """Measure idle connections."""
    with running_stack(CONNECTS_PER_MINUTE="0") as stack:
        tell(measure(stack), json_file)


if __name__ == "__main__":
    main()

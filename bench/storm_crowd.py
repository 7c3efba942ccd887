"""The crowd of `bench.reconnect_storm`, in a process of its own: connections that are dropped all
at once and come back all at once.

Reads commands from standard input, a JSON object a line, and answers each with one: `connect`
(`urls`), `storm` (`away_s`), `type`, `check` (`head`), `leave`. Times are those of the machine's
monotonic clock, in seconds.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvloop
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.storm_lines import Chain, resuming

_LIVE_TIMEOUT_S = 120.0
_CATCH_UP_TIMEOUT_S = 30.0
_HANDSHAKE_TIMEOUT_S = 60.0
_RETRY_S = (0.05, 0.25)
_TYPING = b'{"type":"typing","active":true}'


class _Member(WSListener):
    """One connection that is kept up, whatever happens to it."""

    def __init__(self, url: str, on_live: Callable[[], None], seen: Counter[str]) -> None:
        self.chain = Chain()
        self.live_s = 0.0
        self._url = url
        self._on_live = on_live
        self._seen = seen
        self._epoch = ""
        self._transport: WSTransport | None = None
        self._wanted = False

    async def connect(self) -> None:
        """Come, or come back, and go on trying where that is refused."""
        self._wanted = True
        while self._wanted:
            try:
                await ws_connect(
                    lambda: self,
                    resuming(self._url, self.chain, self._epoch),
                    websocket_handshake_timeout=_HANDSHAKE_TIMEOUT_S,
                )
            except (OSError, WSError) as error:
                self._seen[f"refused: {type(error).__name__}"] += 1
                await asyncio.sleep(random.uniform(*_RETRY_S))
            else:
                return

    def drop(self) -> None:
        """Go without a word, as when the network goes."""
        self._wanted = False
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def type(self) -> None:
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, _TYPING)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        if self._wanted:
            told = transport.close_handshake
            code = told.recv.code if told is not None and told.recv is not None else "no code"
            self._seen[f"cut off: {code}"] += 1
            _running.add(task := asyncio.ensure_future(self.connect()))
            task.add_done_callback(_running.discard)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            for line in frame.get_payload_as_bytes().split(b"\n"):
                self._take(line)
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def _take(self, line: bytes) -> None:
        if line.startswith(b'{"type":"event"'):
            self.chain.take(line)
        elif line.startswith(b'{"type":"presence"'):
            self._seen["presence"] += 1
        elif line.startswith(b'{"type":"live"'):
            self._is_live()
        elif line.startswith(b'{"type":"subscribed"'):
            told = json.loads(line)
            self._epoch = told["epoch"]
            if not told["resumed"]:
                if self.chain.last >= 0:
                    self._seen["not resumed"] += 1
                self.chain.last = told["head"]
                self._is_live()

    def _is_live(self) -> None:
        self.live_s = time.monotonic()
        self._on_live()


_running: set[asyncio.Future[None]] = set()


class _Crowd:
    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._members: list[_Member] = []
        self._live = 0
        self._all_live = asyncio.Event()

    def _count(self) -> None:
        self._live += 1
        if self._live >= len(self._members):
            self._all_live.set()

    async def _come(self) -> list[float]:
        """Let everybody connect at once; when each was live."""
        self._live = 0
        self._all_live.clear()
        async with asyncio.timeout(_LIVE_TIMEOUT_S):
            await asyncio.gather(*(member.connect() for member in self._members))
            await self._all_live.wait()
        return [member.live_s for member in self._members]

    async def connect(self, urls: list[str]) -> dict[str, Any]:
        self._members = [_Member(url, self._count, self.seen) for url in urls]
        begun_s = time.monotonic()
        return {"begun_s": begun_s, "live_s": await self._come()}

    async def storm(self, away_s: float) -> dict[str, Any]:
        dropped_s = time.monotonic()
        for member in self._members:
            member.drop()
        await asyncio.sleep(away_s)
        begun_s = time.monotonic()
        return {"dropped_s": dropped_s, "begun_s": begun_s, "live_s": await self._come()}

    async def type(self) -> dict[str, Any]:
        begun_s = time.monotonic()
        for member in self._members:
            member.type()
        return {"begun_s": begun_s}

    async def check(self, head: int) -> dict[str, Any]:
        """Wait until everybody has everything up to `head`; what was seen on the way."""
        end_s = time.monotonic() + _CATCH_UP_TIMEOUT_S
        while time.monotonic() < end_s and any(m.chain.last < head for m in self._members):
            await asyncio.sleep(0.05)
        return {
            "incomplete": sum(member.chain.last != head for member in self._members),
            "broken": sum(member.chain.broken for member in self._members),
            "events": sum(member.chain.events for member in self._members),
            "seen": self.seen,
        }

    async def leave(self) -> dict[str, Any]:
        for member in self._members:
            member.drop()
        return {"dropped_s": time.monotonic()}


async def _serve() -> None:
    crowd, loop = _Crowd(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        print(json.dumps(await getattr(crowd, asked.pop("do"))(**asked)), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())

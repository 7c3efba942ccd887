"""The senders of `bench.reconnect_storm`, in a process of their own, who receive, too.

Reads a JSON object from the first line of standard input: `urls` (one a sender), `per_second` of
each, `report` (a file). They send in this rhythm, whatever comes back, until standard input ends.
Then what was seen is written to the file, with times of the machine's monotonic clock in seconds:
`acks` and `receipts` (when sent, and after how many ms acked or received), `presence` and `typing`
(when each came).
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.storm_lines import Chain

_TEXT = "connections to the database are at 400, and the pool never gives them back; " * 2
_MARK = "sent:"
_SAID = f'"content":"{_MARK}'.encode()
_DRAIN_S = 30.0


class _Seen:
    def __init__(self) -> None:
        self.acks: list[tuple[float, float]] = []
        self.receipts: list[tuple[float, float]] = []
        self.presence: list[float] = []
        self.typing: list[float] = []
        self.errors: list[str] = []


class _Sender(WSListener):
    def __init__(self, number: int, seen: _Seen) -> None:
        self.chain = Chain()
        self.live = asyncio.Event()
        self.sent = 0
        self.acked = 0
        self.lost = False
        self._first = number == 0
        self._seen = seen
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.lost = True

    async def run(self, begin_s: float, interval_s: float, stop: asyncio.Event) -> None:
        while not stop.is_set():
            due_s = begin_s + self.sent * interval_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self.sent += 1
        now_ns = time.monotonic_ns()
        frame = {"type": "send", "ref": str(now_ns), "content": f"{_MARK}{now_ns} {_TEXT}"}
        self._transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def close(self) -> None:
        assert self._transport is not None
        self._transport.disconnect()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        if frame.msg_type != WSMsgType.TEXT:
            return
        now_ns = time.monotonic_ns()
        for line in frame.get_payload_as_bytes().split(b"\n"):
            self._take(line, now_ns)

    def _take(self, line: bytes, now_ns: int) -> None:
        if line.startswith(b'{"type":"event"'):
            self.chain.take(line)
            if (begin := line.find(_SAID)) >= 0:
                begin += len(_SAID)
                sent_ns = int(line[begin : line.index(b" ", begin)])
                self._seen.receipts.append((sent_ns / 1e9, (now_ns - sent_ns) / 1e6))
        elif line.startswith(b'{"type":"ack"'):
            sent_ns = int(json.loads(line)["ref"])
            self.acked += 1
            self._seen.acks.append((sent_ns / 1e9, (now_ns - sent_ns) / 1e6))
        elif line.startswith(b'{"type":"subscribed"'):
            self.chain.last = json.loads(line)["head"]
            self.live.set()
        elif line.startswith(b'{"type":"presence"') and self._first:
            self._seen.presence.append(now_ns / 1e9)
        elif line.startswith(b'{"type":"typing"') and self._first:
            self._seen.typing.append(now_ns / 1e9)
        elif line.startswith(b'{"type":"error"'):
            self._seen.errors.append(line.decode())


async def _run(urls: list[str], per_second: float) -> dict[str, Any]:
    seen = _Seen()
    senders = [_Sender(number, seen) for number in range(len(urls))]
    for sender, url in zip(senders, urls, strict=True):
        await ws_connect(lambda sender=sender: sender, url)
        await sender.live.wait()
    stop, interval_s = asyncio.Event(), 1 / per_second
    begin_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, sender in enumerate(senders):
            first_s = begin_s + number * interval_s / len(senders)
            group.create_task(sender.run(first_s, interval_s, stop))
        print(json.dumps({"begun_s": begin_s}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        stop.set()
    sent = sum(sender.sent for sender in senders)
    end_s = time.monotonic() + _DRAIN_S
    while time.monotonic() < end_s and (
        sum(sender.acked for sender in senders) < sent or len(seen.receipts) < sent * len(senders)
    ):
        await asyncio.sleep(0.02)
    told = {
        "sent": sent,
        "head": max(sender.chain.last for sender in senders),
        "broken": sum(sender.chain.broken for sender in senders),
        "lost": sum(sender.lost for sender in senders),
        **{name: getattr(seen, name) for name in vars(seen)},
    }
    for sender in senders:
        sender.close()
    return told


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    Path(asked.pop("report")).write_text(json.dumps(uvloop.run(_run(**asked))))

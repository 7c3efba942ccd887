"""The load's side of `bench.sends`, in a process of its own: senders who are receivers, too.

Reads a JSON object from standard input: `urls` (one a sender, token included), `content`,
`seconds`. Each sender sends its next message when its last was acked. Prints what was counted.
"""

import asyncio
import json
import sys
import time
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from uuid_utils import uuid7

from bench.bare_nats import percentiles_ms

_DRAIN_S = 30.0


class _Sender(WSListener):
    def __init__(self, content: str) -> None:
        self.latencies_ms: list[float] = []
        self.errors: list[str] = []
        self.received = 0
        self.live = asyncio.Event()
        self.idle = asyncio.Event()
        self._content = content
        self._transport: WSTransport | None = None
        self._sent_s = 0.0
        self._end_s = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def start(self, end_s: float) -> None:
        self._end_s = end_s
        self._send()

    def close(self) -> None:
        assert self._transport is not None
        self._transport.disconnect()

    def _send(self) -> None:
        self._sent_s = time.monotonic()
        if self._sent_s >= self._end_s:
            self.idle.set()
            return
        assert self._transport is not None
        key = str(uuid7())
        frame = {"type": "send", "ref": key, "content": self._content, "idempotency_key": key}
        self._transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        for line in frame.get_payload_as_bytes().split(b"\n"):
            if line.startswith(b'{"type":"event"'):
                self.received += 1
            elif line.startswith(b'{"type":"ack"'):
                self.latencies_ms.append((time.monotonic() - self._sent_s) * 1000)
                self._send()
            elif line.startswith(b'{"type":"subscribed"'):
                self.live.set()
            elif line.startswith(b'{"type":"error"'):
                self.errors.append(line.decode())
                self._send()


async def _run(task: dict[str, Any]) -> dict[str, Any]:
    senders = [_Sender(task["content"]) for _ in task["urls"]]
    for sender, url in zip(senders, task["urls"], strict=True):
        await ws_connect(lambda sender=sender: sender, url)
    await asyncio.gather(*(sender.live.wait() for sender in senders))
    started_s = time.monotonic()
    for sender in senders:
        sender.start(started_s + task["seconds"])
    await asyncio.gather(*(sender.idle.wait() for sender in senders))
    took_s = time.monotonic() - started_s
    acked = sum(len(sender.latencies_ms) for sender in senders)
    end_s = time.monotonic() + _DRAIN_S
    while any(sender.received < acked for sender in senders) and time.monotonic() < end_s:
        await asyncio.sleep(0.01)
    drained_s = time.monotonic() - started_s
    for sender in senders:
        sender.close()
    deliveries = sum(sender.received for sender in senders)
    return {
        "per_second": acked / took_s,
        **percentiles_ms([value for sender in senders for value in sender.latencies_ms]),
        "acked": acked,
        "deliveries": deliveries,
        "deliveries_missing": acked * len(senders) - deliveries,
        "deliveries_per_second": deliveries / drained_s,
        "errors": sum(len(sender.errors) for sender in senders),
        "first_error": next((e for sender in senders for e in sender.errors), None),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(json.load(sys.stdin)))))

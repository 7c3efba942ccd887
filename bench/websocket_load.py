"""The load's side of the WebSocket benchmarks, in a process of its own.

Reads a JSON object from standard input (`Task` below) and connects everybody. Then it prints
`begun` on a line, sends, waits until all have received what was acked, and prints what was counted.
Every delivery is checked (bench.deliveries).
"""

import asyncio
import json
import resource
import sys
import time
from array import array
from collections import Counter
from typing import Any

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from uuid_utils import uuid7

from bench.bare_nats import percentiles_ms
from bench.deliveries import Received, Witness, judge

CONNECTS_AT_ONCE = 50
SETTLE_S = 0.5
_EVENT = b'{"type":"event"'
_AT = b'"content":"at '


class Connect(msgspec.Struct):
    """One connection: its URL with the token, its room, and whether it sends."""

    url: str
    room: str
    sends: bool = False


class Task(msgspec.Struct):
    """`in_flight` sends under way for each sender (a closed loop), or, with `per_second`, so many
    sends a second of all senders together, whatever the answers. At the end it waits `drain_s` for
    what is still to come."""

    connects: list[Connect]
    content: str
    seconds: float
    in_flight: int = 1
    per_second: float = 0.0
    drain_s: float = 60.0


class _Answer(msgspec.Struct):
    ref: str = ""
    code: str = ""


_decoder = msgspec.json.Decoder(_Answer)


class Client(WSListener):
    """A connection that receives, and perhaps sends."""

    def __init__(self, task: Task, connect: Connect, received: Received) -> None:
        self.connect = connect
        self.received = received
        self.live = asyncio.Event()
        self.idle = asyncio.Event()
        self.ack_ms = array("d")
        self.receive_ms = array("d")
        self.errors: list[str] = []  # the first of them
        self.refused: Counter[str] = Counter()
        self.refused_ms = array("d")
        self.closed = False
        self.sent = 0
        self._task = task
        self._timed = bool(task.per_second)
        self._transport: WSTransport | None = None
        self._sent_s: dict[bytes, float] = {}
        self._end_s = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = True
        self.idle.set()
        self.live.set()

    def disconnect(self) -> None:
        if self._transport is not None:
            self._transport.disconnect()

    def begin(self, end_s: float) -> None:
        """Keep `in_flight` sends under way until `end_s` (monotonic)."""
        self._end_s = end_s
        for _ in range(self._task.in_flight):
            self.send()

    @property
    def unanswered(self) -> int:
        """Sends without an ack or an error."""
        return len(self._sent_s)

    def send(self) -> None:
        """Send one message."""
        assert self._transport is not None
        self.sent += 1
        key = str(uuid7()).encode()
        text = self._task.content
        if self._timed:
            text = f"at {time.monotonic_ns()} {text}"
        self._sent_s[key] = time.monotonic()
        self._transport.send(
            WSMsgType.TEXT,
            b'{"type":"send","ref":"%b","idempotency_key":"%b","content":"%b"}'
            % (key, key, text.encode()),
        )

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if self.connect.sends or not payload.startswith(_EVENT) or not self.live.is_set():
            payload = self._own(payload)
            if not payload:
                return
        self._events(payload)

    def _own(self, payload: bytes) -> bytes:
        """Handle all lines that are no events; give back those that are."""
        events: list[bytes] = []
        for line in payload.split(b"\n"):
            if line.startswith(_EVENT):
                events.append(line)
            elif line.startswith(b'{"type":"ack"'):
                self._acked(line)
            elif line.startswith(b'{"type":"live"') or (
                line.startswith(b'{"type":"subscribed"') and b'"resumed":false' in line
            ):
                self.live.set()
            elif line.startswith(b'{"type":"error"'):
                self._refused(line)
        return b"\n".join(events)

    def _acked(self, line: bytes) -> None:
        start = line.index(b'"ref":"') + 7
        sent_s = self._sent_s.pop(line[start : start + 36])
        self.ack_ms.append((time.monotonic() - sent_s) * 1000)
        self._next()

    def _refused(self, line: bytes) -> None:
        if not self.errors:
            self.errors.append(line.decode())
        told = _decoder.decode(line)
        self.refused[told.code] += 1
        sent_s = self._sent_s.pop(told.ref.encode(), None)
        if sent_s is not None:
            self.refused_ms.append((time.monotonic() - sent_s) * 1000)
        self._next()

    def _next(self) -> None:
        if self._timed:
            return
        if time.monotonic() < self._end_s:
            self.send()
        elif not self._sent_s:
            self.idle.set()

    def _events(self, payload: bytes) -> None:
        if self._timed:
            now_ns = time.monotonic_ns()
            at = payload.find(_AT)
            while at >= 0:
                start = at + len(_AT)
                sent_ns = int(payload[start : payload.index(b" ", start)])
                self.receive_ms.append((now_ns - sent_ns) / 1e6)
                at = payload.find(_AT, start)
        self.received.take(payload)


async def _connect(task: Task) -> tuple[list[Client], float]:
    # Whoever connects to a room last is its witness.
    last = {connect.room: place for place, connect in enumerate(task.connects)}
    clients = [
        Client(task, connect, Witness() if last[connect.room] == place else Received())
        for place, connect in enumerate(task.connects)
    ]
    began_s = time.monotonic()
    for start in range(0, len(clients), CONNECTS_AT_ONCE):
        await asyncio.gather(
            *(
                ws_connect(lambda client=client: client, client.connect.url)
                for client in clients[start : start + CONNECTS_AT_ONCE]
            )
        )
    await asyncio.gather(*(client.live.wait() for client in clients))
    return clients, time.monotonic() - began_s


async def _paced(task: Task, senders: list[Client]) -> None:
    began_s = time.monotonic()
    count = int(task.seconds * task.per_second)
    for number in range(count):
        due_s = began_s + number / task.per_second
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        senders[number % len(senders)].send()


async def _run(task: Task) -> dict[str, Any]:
    clients, connect_s = await _connect(task)
    senders = [client for client in clients if client.connect.sends]
    rooms: dict[str, list[Client]] = {}
    for client in clients:
        rooms.setdefault(client.connect.room, []).append(client)
    # Whoever came last is told to all, and that is no part of the load.
    await asyncio.sleep(SETTLE_S)
    print("begun", flush=True)
    cpu_before = resource.getrusage(resource.RUSAGE_SELF)
    began_s = time.monotonic()
    if task.per_second:
        await _paced(task, senders)
    else:
        for sender in senders:
            sender.begin(began_s + task.seconds)
        await asyncio.gather(*(sender.idle.wait() for sender in senders))
    took_s = time.monotonic() - began_s
    end_s = time.monotonic() + task.drain_s
    while not _drained(rooms, task) and time.monotonic() < end_s:
        await asyncio.sleep(0.005)
    drained_s = time.monotonic() - began_s
    cpu_after = resource.getrusage(resource.RUSAGE_SELF)
    acked = sum(len(client.ack_ms) for client in senders)
    deliveries = sum(client.received.count for client in clients)
    result = {
        "connections": len(clients),
        "connects_per_second": len(clients) / connect_s,
        "acked": acked,
        # At a pace of its own, what is sent says nothing: the answers may come much later.
        "sends_per_second": acked / (drained_s if task.per_second else took_s),
        "ack": percentiles_ms([ms for client in senders for ms in client.ack_ms]),
        "deliveries": deliveries,
        "deliveries_per_second": deliveries / drained_s,
        "delivered_bytes": sum(client.received.size_bytes for client in clients),
        **_judged(rooms),
        "unanswered": sum(client.unanswered for client in senders),
        "errors": sum(client.refused.total() for client in clients),
        "refused": sum((client.refused for client in clients), Counter()),
        "refusal": percentiles_ms([ms for client in senders for ms in client.refused_ms]),
        "first_error": next((e for client in clients for e in client.errors), None),
        "closed": sum(client.closed for client in clients),
        "load_cpu_s": (cpu_after.ru_utime + cpu_after.ru_stime)
        - (cpu_before.ru_utime + cpu_before.ru_stime),
        "seconds": took_s,
        "drained_s": drained_s,
    }
    if task.per_second:
        result["receive"] = percentiles_ms([ms for client in clients for ms in client.receive_ms])
    for client in clients:
        client.disconnect()
    return result


def _drained(rooms: dict[str, list[Client]], task: Task) -> bool:
    """Whether all is answered and has come."""
    for members in rooms.values():
        acked = sum(len(client.ack_ms) for client in members)
        if any(client.received.count < acked for client in members):
            return False
    everybody = (client for members in rooms.values() for client in members)
    return not (task.per_second and any(client.unanswered for client in everybody))


def _judged(rooms: dict[str, list[Client]]) -> "Counter[str]":
    """What is wrong with all rooms' deliveries, by kind; each kind is there."""
    found: Counter[str] = Counter()
    for members in rooms.values():
        *others, witness = (client.received for client in members)
        assert isinstance(witness, Witness)
        found.update(
            judge(
                witness,
                others,
                acked=sum(len(client.ack_ms) for client in members),
                # Also those that were answered by an error: some of these are appended after all.
                sent=sum(client.sent for client in members),
            )
        )
    return found


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    print(json.dumps(uvloop.run(_run(asked))))

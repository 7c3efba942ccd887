"""The bare limit: JetStream itself, spoken to with prepared bytes and nothing around them."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from roomlog.embedded.batch_staging import BatchStaging
from tests.stack import Stack

STREAM = "BENCH"
SUBJECT = "bench.bare"


class BareNats:
    """A connection that sends bytes as they are and matches answers to reply subjects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str) -> "BareNats":
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        self = cls(reader, writer)
        await reader.readline()
        options = {
            "verbose": False,
            "headers": True,
            "no_responders": True,
            "user": unquote(parts.username or ""),
            "pass": unquote(parts.password or ""),
        }
        writer.write(f"CONNECT {json.dumps(options)}\r\nSUB _INBOX.bench.* 1\r\n".encode())
        self._task = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        while line := await self._reader.readline():
            if line.startswith(b"PING"):
                self._writer.write(b"PONG\r\n")
            elif line.startswith((b"MSG", b"HMSG")):
                parts = line.split()
                data = await self._reader.readexactly(int(parts[-1]) + 2)
                future = self._waiting.pop(parts[1], None)
                if future is not None and not future.done():
                    future.set_result(data[:-2])
            elif line.startswith(b"-ERR"):
                raise ConnectionError(line.decode())

    async def ask(self, frames: Callable[[bytes], bytes]) -> dict[str, Any]:
        """Send what `frames(reply subject)` gives, and return the answer; JetStream errors raise."""
        reply = b"_INBOX.bench.%d" % next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = future
        self._writer.write(frames(reply))
        async with asyncio.timeout(30):
            answer = json.loads(await future)
        if answer.get("error"):
            raise RuntimeError(answer["error"])
        return answer

    async def call(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """A JetStream API request."""
        data = json.dumps(body).encode()
        return await self.ask(
            lambda reply: b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply, len(data), data)
        )

    async def make_stream(self) -> None:
        """A stream stored as roomlog's is, without deduplication and republishing."""
        config = {
            "name": STREAM,
            "subjects": [SUBJECT],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "num_replicas": 1,
            "allow_atomic": True,
        }
        await self.call(f"$JS.API.STREAM.CREATE.{STREAM}", config)

    async def drop_stream(self) -> None:
        await self.call(f"$JS.API.STREAM.DELETE.{STREAM}", {})

    async def close(self) -> None:
        assert self._task is not None
        self._task.cancel()
        self._writer.close()
        await asyncio.gather(self._task, return_exceptions=True)


def _batch(reply: bytes, events: Sequence[bytes], batch_id: bytes) -> bytes:
    """Frames of one atomic batch (NATS ADR-50)."""
    frames: list[bytes] = []
    for number, data in enumerate(events, 1):
        last = number == len(events)
        commit = b"Nats-Batch-Commit: 1\r\n" if last else b""
        headers = b"NATS/1.0\r\nNats-Batch-Id: %b\r\nNats-Batch-Sequence: %d\r\n%b\r\n" % (
            batch_id,
            number,
            commit,
        )
        frames.append(
            b"HPUB %b %b %d %d\r\n%b%b\r\n"
            % (
                SUBJECT.encode(),
                reply if last else b"",
                len(headers),
                len(headers) + len(data),
                headers,
                data,
            )
        )
    return b"".join(frames)


async def publishes_per_second(
    url: str, *, senders: int, size_bytes: int, seconds: float
) -> dict[str, float]:
    """Plain publishes, each awaited by its sender before its next; latencies in ms."""
    nats = await BareNats.connect(url)
    await nats.make_stream()
    data = b"x" * size_bytes
    latencies_ms: list[float] = []
    end_s = time.monotonic() + seconds

    async def send() -> None:
        while (began_s := time.monotonic()) < end_s:
            await nats.ask(
                lambda reply: b"PUB %b %b %d\r\n%b\r\n" % (SUBJECT.encode(), reply, len(data), data)
            )
            latencies_ms.append((time.monotonic() - began_s) * 1000)

    started_s = time.monotonic()
    await asyncio.gather(*(send() for _ in range(senders)))
    took_s = time.monotonic() - started_s
    await nats.drop_stream()
    await nats.close()
    return {"per_second": len(latencies_ms) / took_s, **percentiles_ms(latencies_ms)}


async def paced_publishes_ms(
    url: str, *, per_second: float, size_bytes: int, seconds: float
) -> dict[str, float]:
    """Plain publishes at a steady pace: how long their acks take."""
    nats = await BareNats.connect(url)
    await nats.make_stream()
    data = b"x" * size_bytes
    latencies_ms: list[float] = []
    started_s = time.monotonic()
    for number in range(int(seconds * per_second)):
        await asyncio.sleep(max(0.0, started_s + number / per_second - time.monotonic()))
        began_s = time.monotonic()
        await nats.ask(
            lambda reply: b"PUB %b %b %d\r\n%b\r\n" % (SUBJECT.encode(), reply, len(data), data)
        )
        latencies_ms.append((time.monotonic() - began_s) * 1000)
    await nats.drop_stream()
    await nats.close()
    return percentiles_ms(latencies_ms)


async def batches_per_second(stack: Stack, events: Sequence[bytes], *, batch: int) -> float:
    """Events a second in atomic batches, the next sent while the last is being committed."""
    nats = await BareNats.connect(stack.run["nats_url"])
    await nats.make_stream()
    # `up` does so for every stream, within a second.
    BatchStaging(stack.data / "nats" / "store").place()
    parts = [events[i : i + batch] for i in range(0, len(events), batch)]
    slots = asyncio.Semaphore(2)

    async def publish(index: int, part: Sequence[bytes]) -> None:
        async with slots:
            await nats.ask(lambda reply: _batch(reply, part, b"bench-%d" % index))

    started_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index, part in enumerate(parts):
            group.create_task(publish(index, part))
    took_s = time.monotonic() - started_s
    await nats.drop_stream()
    await nats.close()
    return len(events) / took_s


def percentiles_ms(values: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile."""
    ordered = sorted(values) or [0.0]
    return {
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    }

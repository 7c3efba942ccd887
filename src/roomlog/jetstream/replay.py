"""Reading the log: direct get, in batches, without a consumer (NATS ADR-31).

A batch ends with status 204 (and how many events are left) or 404; a lost connection sends
neither, so every wait has an end. The next batch is asked for when one is complete, before the
reader has taken it: two batches in memory, whatever the reader does.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec

from roomlog.jetstream import subjects, wire
from roomlog.jetstream.append import FirstEvent
from roomlog.jetstream.connection import Connection, Reply
from roomlog.ports import LogEvent, LogUnavailableError

BATCH_EVENTS: Final = 512
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
# What all running batches send at once stays well below the server's max_pending (64 MB).
BATCHES_AT_ONCE_MAX: Final = 8
# NATS allows 1,024 subjects, but answers with whole messages.
HEADS_AT_ONCE_MAX: Final = 256
SILENCE_MAX_S: Final = 5.0


class _Batch:
    """One batched direct get: collects messages until its end."""

    def __init__(self) -> None:
        self.messages: list[Reply] = []
        self.left = 0
        self.heard = 0
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, headers: bytes, data: bytes) -> None:
        """Called with each answer."""
        self.heard += 1
        code = wire.status(headers)
        if not code:
            self.messages.append(Reply(headers, data))
        elif not self.end.done():
            if code not in {204, 404}:
                self.end.set_exception(LogUnavailableError(f"the log refused to be read ({code})"))
                return
            self.left = wire.number(headers, wire.NUM_PENDING)
            self.end.set_result(None)

    def lost(self) -> None:
        """Called when the connection goes."""
        if not self.end.done():
            self.end.set_exception(LogUnavailableError("the connection to NATS was lost"))


class Reader:
    """Reads rooms and partitions. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions
        self._gate = asyncio.Semaphore(BATCHES_AT_ONCE_MAX)
        self._times = wire.TimeStamps()

    async def read(
        self, room_id: str, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read."""
        subject = subjects.event_subject(room_id)
        previous = asyncio.create_task(self.last_sequence(room_id, up_to=after))
        position = 0
        try:
            async for batch in self._batches(self._stream(room_id), subject, after, up_to):
                if not position:
                    position = await previous
                events: list[LogEvent] = []
                for message in batch:
                    event = self._event(message, position, room_id)
                    events.append(event)
                    position = event.sequence
                yield events
        finally:
            if not previous.done():
                previous.cancel()
            elif not previous.cancelled():
                previous.exception()

    async def read_partition(
        self, partition: int, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read_partition."""
        stream = subjects.stream_name(partition, self._partitions)
        async for batch in self._batches(stream, subjects.all_events(), after, up_to):
            yield [self._event(message, 0) for message in batch]

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        """See EventLog.last_sequence."""
        if up_to is not None and up_to <= 0:
            return 0
        subject = subjects.event_subject(room_id)
        stream = self._stream(room_id)
        if up_to is None:
            reply = await self._get(stream, {"last_by_subj": subject})
            return wire.number(reply.headers, wire.SEQUENCE) if reply is not None else 0
        # Most often `up_to` is the room's own event, and one look at it is cheaper.
        reply = await self._get(stream, {"seq": up_to})
        if reply is not None and wire.header(reply.headers, wire.SUBJECT) == subject.encode():
            return up_to
        found = await self._batch(stream, {"multi_last": [subject], "up_to_seq": up_to})
        return max((wire.number(m.headers, wire.SEQUENCE) for m in found.messages), default=0)

    async def last_sequences(self, room_ids: Sequence[str]) -> Mapping[str, int]:
        """See EventLog.last_sequences."""
        by_stream: dict[str, list[str]] = {}
        for room_id in dict.fromkeys(room_ids):
            by_stream.setdefault(self._stream(room_id), []).append(room_id)
        heads: dict[str, int] = {}
        for stream, rooms in by_stream.items():
            for start in range(0, len(rooms), HEADS_AT_ONCE_MAX):
                chunk = rooms[start : start + HEADS_AT_ONCE_MAX]
                heads.update(await self._heads(stream, chunk))
        return heads

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        """See EventLog.event_at."""
        if sequence <= 0:
            return None
        message = await self._get(self._stream(room_id), {"seq": sequence})
        subject = subjects.event_subject(room_id).encode()
        if message is None or wire.header(message.headers, wire.SUBJECT) != subject:
            return None
        previous = await self.last_sequence(room_id, up_to=sequence - 1)
        return self._event(message, previous, room_id)

    async def beginning_of(self, room_id: str, count: int) -> list[FirstEvent]:
        """The room's first events, at most `count`: where they stand and their ids."""
        asked = {"seq": 1, "next_by_subj": subjects.event_subject(room_id), "batch": count}
        found = await self._batch(self._stream(room_id), asked)
        return [
            FirstEvent(
                wire.number(message.headers, wire.SEQUENCE),
                (wire.header(message.headers, wire.MSG_ID) or b"").decode(),
            )
            for message in found.messages
        ]

    def _stream(self, room_id: str) -> str:
        partition = subjects.partition_of(room_id, self._partitions)
        return subjects.stream_name(partition, self._partitions)

    def _event(self, message: Reply, previous: int, room_id: str | None = None) -> LogEvent:
        headers = message.headers
        if room_id is None:
            room_id = subjects.room_of((wire.header(headers, wire.SUBJECT) or b"").decode())
        return LogEvent(
            sequence=wire.number(headers, wire.SEQUENCE),
            prev_sequence=previous,
            room_id=room_id,
            data=message.data,
            appended_ns=self._times.ns(wire.header(headers, wire.TIME_STAMP)),
        )

    async def _heads(self, stream: str, room_ids: list[str]) -> dict[str, int]:
        wanted = [subjects.event_subject(room_id) for room_id in room_ids]
        heads: dict[str, int] = {}
        while wanted:
            found = await self._batch(stream, {"multi_last": wanted})
            for message in found.messages:
                subject = (wire.header(message.headers, wire.SUBJECT) or b"").decode()
                sequence = wire.number(message.headers, wire.SEQUENCE)
                heads[subjects.room_of(subject)] = sequence
            if not found.left or not found.messages:
                break
            wanted = [subject for subject in wanted if subjects.room_of(subject) not in heads]
        return heads

    async def _get(self, stream: str, asked: dict[str, Any]) -> Reply | None:
        reply = await self._connection.request(
            f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(asked), timeout_s=SILENCE_MAX_S
        )
        code = wire.status(reply.headers)
        if code == 404:
            return None
        if code:
            raise LogUnavailableError(f"stream {stream} cannot be read (status {code})")
        return reply

    async def _batches(
        self, stream: str, subject: str, after: int, up_to: int | None
    ) -> AsyncIterator[list[Reply]]:
        if up_to is not None and up_to <= after:
            return
        coming = asyncio.create_task(self._next(stream, subject, after, up_to))
        try:
            while True:
                batch = await coming
                if not batch.messages:
                    return
                last = wire.number(batch.messages[-1].headers, wire.SEQUENCE)
                more = batch.left > 0 and (up_to is None or last < up_to)
                if more:
                    coming = asyncio.create_task(self._next(stream, subject, last, up_to))
                messages = _up_to(batch.messages, up_to)
                if messages:
                    yield messages
                if not more:
                    return
        finally:
            if not coming.done():
                coming.cancel()
            elif not coming.cancelled():
                coming.exception()

    def _next(
        self, stream: str, subject: str, after: int, up_to: int | None
    ) -> Coroutine[Any, Any, _Batch]:
        count = BATCH_EVENTS if up_to is None else min(BATCH_EVENTS, up_to - after)
        return self._batch(
            stream,
            {
                "seq": after + 1,
                "next_by_subj": subject,
                "batch": count,
                "max_bytes": BATCH_BYTES_MAX,
            },
        )

    async def _batch(self, stream: str, asked: dict[str, Any]) -> _Batch:
        await self._connection.wait_connected()
        async with self._gate:
            batch = _Batch()
            reply = self._connection.expect(batch.take, batch.lost)
            try:
                self._connection.write(
                    wire.pub(
                        f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(asked), reply=reply
                    )
                )
                await _ended(batch)
            finally:
                self._connection.forget(reply)
            return batch


def _up_to(messages: list[Reply], up_to: int | None) -> list[Reply]:
    """Without those above `up_to`."""
    if up_to is None:
        return messages
    return [m for m in messages if wire.number(m.headers, wire.SEQUENCE) <= up_to]


async def _ended(batch: _Batch) -> None:
    """Wait for the batch's end as long as something comes. Raises LogUnavailableError."""
    while not batch.end.done():
        heard = batch.heard
        await asyncio.wait([batch.end], timeout=SILENCE_MAX_S)
        if not batch.end.done() and batch.heard == heard:
            raise LogUnavailableError(f"the log was silent for {SILENCE_MAX_S} s")
    batch.end.result()

"""Reading the log: rooms and partitions, their heads and single events."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from roomlog.jetstream import subjects, wire
from roomlog.jetstream.append import FirstEvent
from roomlog.jetstream.connection import Connection, Reply
from roomlog.jetstream.direct import DirectGet
from roomlog.ports import LogEvent

# NATS allows 1,024 subjects, but answers with whole messages.
HEADS_AT_ONCE_MAX: Final = 256
# Nobody waits for the first event of a partition, and NATS spends a fifth less on each in these.
PARTITION_BATCH_MESSAGES: Final = 2048
PARTITION_BATCH_BYTES_MAX: Final = 4 * 1024 * 1024


class Reader:
    """Reads rooms and partitions. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._direct = DirectGet(connection)
        self._partitions = partitions
        self._times = wire.TimeStamps()

    async def read(
        self, room_id: str, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read."""
        subject = subjects.event_subject(room_id)
        previous = asyncio.create_task(self.last_sequence(room_id, up_to=after))
        position = 0
        try:
            async for batch in self._direct.batches(self._stream(room_id), subject, after, up_to):
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

    async def read_part(
        self, room_id: str, *, after: int, up_to: int, bytes_max: int, linked: bool
    ) -> Sequence[LogEvent]:
        """See EventLog.read_part."""
        if up_to <= after:
            return ()
        stream = self._stream(room_id)
        batch = await self._direct.first_batch(
            stream, subjects.event_subject(room_id), after, up_to, bytes_max
        )
        if not batch:
            return ()
        position = after if linked else await self.last_sequence(room_id, up_to=after)
        events: list[LogEvent] = []
        for message in batch:
            events.append(self._event(message, position, room_id))
            position = events[-1].sequence
        return events

    async def read_partition(
        self, partition: int, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read_partition."""
        stream = subjects.stream_name(partition, self._partitions)
        everything = subjects.all_events()
        async for batch in self._direct.batches(
            stream,
            everything,
            after,
            up_to,
            batch_messages=PARTITION_BATCH_MESSAGES,
            batch_bytes=PARTITION_BATCH_BYTES_MAX,
        ):
            yield [self._event(message, 0) for message in batch]

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        """See EventLog.last_sequence."""
        if up_to is not None and up_to <= 0:
            return 0
        subject = subjects.event_subject(room_id)
        stream = self._stream(room_id)
        if up_to is not None:
            # Most often `up_to` is the room's own event, and one look at it is cheaper.
            reply = await self._direct.get(stream, {"seq": up_to})
            if reply is not None:
                if wire.header(reply.headers, wire.SUBJECT) == subject.encode():
                    return up_to
                return await self._last_below(stream, subject, up_to)
        reply = await self._direct.get(stream, {"last_by_subj": subject})
        last = wire.number(reply.headers, wire.SEQUENCE) if reply is not None else 0
        if up_to is None or last <= up_to:
            return last
        return await self._last_below(stream, subject, up_to)

    async def sequence_at(self, room_id: str, until_ns: int) -> int:
        """See EventLog.sequence_at; the time in nanoseconds since the Unix epoch."""
        subject, stream = subjects.event_subject(room_id), self._stream(room_id)
        newest = await self._direct.get(stream, {"last_by_subj": subject})
        found = [] if newest is None else [newest]
        if found and self._appended_ns(found[0]) > until_ns:
            # NATS leaves out what was appended at `up_to_time` itself; and where the stream has
            # nothing before it, it gives the newest of all.
            asked = {"multi_last": [subject], "up_to_time": wire.time_stamp(until_ns + 1)}
            found = (await self._direct.batch(stream, asked)).messages
        return max(
            (
                wire.number(message.headers, wire.SEQUENCE)
                for message in found
                if self._appended_ns(message) <= until_ns
            ),
            default=0,
        )

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
        message = await self._message_at(room_id, sequence)
        if message is None:
            return None
        previous = await self.last_sequence(room_id, up_to=sequence - 1)
        return self._event(message, previous, room_id)

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        """See EventLog.bytes_at."""
        message = await self._message_at(room_id, sequence)
        return None if message is None else message.data

    async def _message_at(self, room_id: str, sequence: int) -> Reply | None:
        if sequence <= 0:
            return None
        message = await self._direct.get(self._stream(room_id), {"seq": sequence})
        subject = subjects.event_subject(room_id).encode()
        if message is None or wire.header(message.headers, wire.SUBJECT) != subject:
            return None
        return message

    async def beginning_of(self, room_id: str, count: int) -> list[FirstEvent]:
        """The room's first events, at most `count`: where they stand and their ids."""
        asked = {"seq": 1, "next_by_subj": subjects.event_subject(room_id), "batch": count}
        found = await self._direct.batch(self._stream(room_id), asked)
        return [
            FirstEvent(
                wire.number(message.headers, wire.SEQUENCE),
                (wire.header(message.headers, wire.MSG_ID) or b"").decode(),
            )
            for message in found.messages
        ]

    async def _last_below(self, stream: str, subject: str, up_to: int) -> int:
        # Above the stream's end NATS finds nothing at all: `up_to` must lie within it.
        found = await self._direct.batch(stream, {"multi_last": [subject], "up_to_seq": up_to})
        return max((wire.number(m.headers, wire.SEQUENCE) for m in found.messages), default=0)

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
            appended_ns=self._appended_ns(message),
        )

    def _appended_ns(self, message: Reply) -> int:
        return self._times.ns(wire.header(message.headers, wire.TIME_STAMP))

    async def _heads(self, stream: str, room_ids: list[str]) -> dict[str, int]:
        wanted = [subjects.event_subject(room_id) for room_id in room_ids]
        heads: dict[str, int] = {}
        while wanted:
            found = await self._direct.batch(stream, {"multi_last": wanted})
            for message in found.messages:
                subject = (wire.header(message.headers, wire.SUBJECT) or b"").decode()
                sequence = wire.number(message.headers, wire.SEQUENCE)
                heads[subjects.room_of(subject)] = sequence
            if not found.left or not found.messages:
                break
            wanted = [subject for subject in wanted if subjects.room_of(subject) not in heads]
        return heads

"""Direct get: reading a stream without a consumer (NATS ADR-31).

A batch ends with status 204 (and how many messages are left) or 404; a lost connection sends
neither, so every wait has an end.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from roomlog.jetstream import wire
from roomlog.jetstream.connection import Connection, Reply
from roomlog.ports import LogUnavailableError

BATCH_MESSAGES: Final = 512
BATCH_BYTES_MAX: Final = 1024 * 1024
# What all running batches send at once, also those of partitions, stays well below the server's
# max_pending (64 MB).
BATCHES_AT_ONCE_MAX: Final = 8
SILENCE_MAX_S: Final = 5.0

_END_OF_BATCH = 204
_NOT_FOUND = 404
_TOO_MANY = 413


class TooManyResultsError(LogUnavailableError):
    """A multi_last matched more subjects than NATS gives at once (1,024)."""


class Batch:
    """One batched direct get: `messages`, and after the end how many more are `left`."""

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
            if code == _TOO_MANY:
                self.end.set_exception(TooManyResultsError("too many subjects asked for at once"))
                return
            if code not in {_END_OF_BATCH, _NOT_FOUND}:
                self.end.set_exception(LogUnavailableError(f"the log refused to be read ({code})"))
                return
            self.left = wire.number(headers, wire.NUM_PENDING)
            self.end.set_result(None)

    def lost(self) -> None:
        """Called when the connection goes."""
        if not self.end.done():
            self.end.set_exception(LogUnavailableError("the connection to NATS was lost"))


class DirectGet:
    """Reads streams over one connection. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._gate = asyncio.Semaphore(BATCHES_AT_ONCE_MAX)

    async def get(self, stream: str, asked: dict[str, Any]) -> Reply | None:
        """One message, by `{"seq": n}` or `{"last_by_subj": s}`; None where there is none."""
        reply = await self._connection.request(
            f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(asked), timeout_s=SILENCE_MAX_S
        )
        code = wire.status(reply.headers)
        if code == _NOT_FOUND:
            return None
        if code:
            raise LogUnavailableError(f"stream {stream} cannot be read (status {code})")
        return reply

    async def batch(self, stream: str, asked: dict[str, Any]) -> Batch:
        """All messages of one request, with how many are left beyond it."""
        await self._connection.wait_connected()
        async with self._gate:
            batch = Batch()
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

    async def first_batch(
        self, stream: str, subject: str, after: int, up_to: int, bytes_max: int
    ) -> list[Reply]:
        """The first messages of `subject` after sequence `after` and up to `up_to`, about
        `bytes_max` bytes of them, but one at least."""
        count = min(BATCH_MESSAGES, up_to - after)
        asked = _following(subject, after, count, bytes_max)
        return _up_to((await self.batch(stream, asked)).messages, up_to)

    async def batches(
        self,
        stream: str,
        subject: str,
        after: int,
        up_to: int | None,
        *,
        batch_messages: int = BATCH_MESSAGES,
        batch_bytes: int = BATCH_BYTES_MAX,
    ) -> AsyncIterator[list[Reply]]:
        """The messages of `subject` after sequence `after`, in order, to the stream's end.

        The next batch is asked for when one is complete, before the reader has taken it: two
        batches in memory, whatever the reader does.
        """
        if up_to is not None and up_to <= after:
            return

        def next_after(sequence: int) -> asyncio.Task[Batch]:
            count = batch_messages if up_to is None else min(batch_messages, up_to - sequence)
            asked = _following(subject, sequence, count, batch_bytes)
            return asyncio.create_task(self.batch(stream, asked))

        coming = next_after(after)
        try:
            while True:
                batch = await coming
                if not batch.messages:
                    return
                last = wire.number(batch.messages[-1].headers, wire.SEQUENCE)
                more = batch.left > 0 and (up_to is None or last < up_to)
                if more:
                    coming = next_after(last)
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


def _following(subject: str, after: int, count: int, bytes_max: int) -> dict[str, Any]:
    return {"seq": after + 1, "next_by_subj": subject, "batch": count, "max_bytes": bytes_max}


def _up_to(messages: list[Reply], up_to: int | None) -> list[Reply]:
    """Without those above `up_to`."""
    if up_to is None:
        return messages
    return [m for m in messages if wire.number(m.headers, wire.SEQUENCE) <= up_to]


async def _ended(batch: Batch) -> None:
    """Wait for the batch's end as long as something comes. Raises LogUnavailableError."""
    while not batch.end.done():
        heard = batch.heard
        await asyncio.wait([batch.end], timeout=SILENCE_MAX_S)
        if not batch.end.done() and batch.heard == heard:
            raise LogUnavailableError(f"the log was silent for {SILENCE_MAX_S} s")
    batch.end.result()

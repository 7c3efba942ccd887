"""Streams as they are stored, for backup and restore: the port Streams."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from roomlog.backup_ports import StoredMessage, StreamDescription
from roomlog.jetstream import subjects, wire
from roomlog.jetstream.connection import Connection, Reply
from roomlog.jetstream.direct import DirectGet
from roomlog.jetstream.stream import stream_info
from roomlog.ports import LogUnavailableError

_OURS: Final = (subjects.STREAM, f"KV_{subjects.STREAM}_")
_MADE_AGAIN: Final = f"KV_{subjects.SNAPSHOTS_BUCKET}"
_EVERYTHING: Final = ">"
_OF_THE_SERVER: Final = "_nats."
# A direct get adds its own headers behind the message's, this one first.
_ADDED: Final = b"\r\nNats-Stream: "
_OF_THE_APPEND: Final = (b"Nats-Expected-", b"Nats-Batch-")


class _Names(msgspec.Struct, frozen=True):
    streams: list[str] | None = None
    total: int = 0


class JetStreamStreams:
    """All streams of roomlog's but the snapshots of rooms, which are made again from the log."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._direct = DirectGet(connection)
        self._times = wire.TimeStamps()

    async def describe(self) -> list[StreamDescription]:
        """See Streams.describe."""
        described: list[StreamDescription] = []
        for name in sorted(await self._names()):
            info = await stream_info(self._connection, name)
            if info is None:
                raise LogUnavailableError(f"stream {name} is gone")
            described.append(
                StreamDescription(
                    name,
                    taken_again(info.config),
                    info.epoch,
                    info.state.last_seq,
                    info.state.messages,
                )
            )
        return described

    async def read(
        self, stream: str, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """See Streams.read."""
        async for batch in self._direct.batches(stream, _EVERYTHING, after, up_to):
            yield [self._message(reply) for reply in batch]

    async def message_at(self, stream: str, sequence: int) -> StoredMessage | None:
        """See Streams.message_at."""
        reply = await self._direct.get(stream, {"seq": sequence})
        return None if reply is None else self._message(reply)

    async def _names(self) -> list[str]:
        names: list[str] = []
        while True:
            asked = msgspec.json.encode({"offset": len(names)})
            reply = await self._connection.request("$JS.API.STREAM.NAMES", asked)
            page = msgspec.json.decode(reply.data, type=_Names)
            names += page.streams or []
            if not page.streams or len(names) >= page.total:
                return [n for n in names if n.startswith(_OURS) and n != _MADE_AGAIN]

    def _message(self, reply: Reply) -> StoredMessage:
        headers = reply.headers
        return StoredMessage(
            wire.number(headers, wire.SEQUENCE),
            self._times.ns(wire.header(headers, wire.TIME_STAMP)),
            wire.header(headers, wire.SUBJECT) or b"",
            _own(headers),
            reply.data,
        )


def _own(headers: bytes) -> bytes:
    """The message's own headers, without those that told how to append it: that was settled then,
    and no copy of a stream that NATS makes keeps them."""
    version, *lines = headers[: headers.rfind(_ADDED)].split(b"\r\n")
    kept = [line for line in lines if not line.startswith(_OF_THE_APPEND)]
    return b"\r\n".join([version, *kept, b"", b""]) if kept else b""


def taken_again(config: dict[str, Any]) -> dict[str, Any]:
    """A stream's configuration without what the server itself adds to it."""
    metadata: dict[str, str] = config.get("metadata") or {}
    kept = {k: v for k, v in metadata.items() if not k.startswith(_OF_THE_SERVER)}
    return {**config, "metadata": kept}

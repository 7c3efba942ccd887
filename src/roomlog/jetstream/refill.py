"""Filling a stream with messages at the sequences and times that they had.

Whoever publishes gets the next sequence and the present time. A mirror does not: it takes over
what another stream has, with its sequences, its holes and its times. So the stream is made as the
mirror of one that is not there; this module answers for that one. It does so as a leaf node, since
a client may not say where a message stood. When all is there, the stream is given its own
configuration and is no mirror any more.

Source: NATS ADR-8 and the JetStream reference (mirrors, promotion of a mirror by an update without
`mirror`), the leaf node protocol (INFO, CONNECT, HMSG), the subject of a consumer's reply:
$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>,
with @<subject> behind it where the message is delivered under another subject than its own.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from roomlog.backup_ports import StoredMessage
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.stream import create_stream, stream_info
from roomlog.jetstream.wire import ApiError
from roomlog.together import end_task

CHUNK_MESSAGES: Final = 2000
CHUNK_BYTES_MAX: Final = 8 * 1024 * 1024
STALLED_S: Final = 30.0
_LOGIN_S: Final = 10.0
_POLL_S: Final = 0.005
_LINE_BYTES_MAX: Final = 1024 * 1024
# What a mirror must have from the start; all else comes with the update that ends it.
_FROM_THE_START: Final = ("name", "storage", "retention", "num_replicas", "discard", "persist_mode")


class RefillError(Exception):
    """The server did not take the messages as they are."""


class _Config(msgspec.Struct, frozen=True):
    name: str
    deliver_subject: str
    opt_start_seq: int = 0


class _Asked(msgspec.Struct, frozen=True):
    """A mirror's request for a consumer of its origin."""

    stream_name: str
    config: _Config


class _Consumer(msgspec.Struct):
    """Where a mirror wants its messages, from which sequence on, and how many it was given."""

    origin: str
    name: str
    deliver: str
    first: int
    given: int = 0

    def delivered(self, message: StoredMessage) -> bytes:
        """A message as it comes to the mirror from its origin."""
        self.given += 1
        reply = (
            f"$JS.ACK.{self.origin}.{self.name}.1.{message.sequence}.{self.given}."
            f"{message.appended_ns}.0@"
        )
        to = b"%b %b%b" % (self.deliver.encode(), reply.encode(), message.subject)
        headers, data = message.headers, message.data
        if not headers:
            return b"LMSG %b %d\r\n%b\r\n" % (to, len(data), data)
        size = len(headers) + len(data)
        return b"HMSG %b %d %d\r\n%b%b\r\n" % (to, len(headers), size, headers, data)


class _Leaf:
    """A leaf node's connection, which answers for origins that are not there."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._consumers: dict[str, _Consumer] = {}
        self._interest: set[bytes] = set()
        self._heard = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, port: int, user: str, password: str) -> None:
        """Connect and log in. Raises OSError, RefillError where the server refuses."""
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", port, limit=_LINE_BYTES_MAX
        )
        login = {"user": user, "pass": password, "name": self._prefix, "headers": True}
        encoded = msgspec.json.encode({**login, "compression": "off"})
        prefix = self._prefix.encode()
        self._writer.write(b"CONNECT %b\r\nLS+ %b.>\r\nPING\r\n" % (encoded, prefix))
        self._reading = asyncio.create_task(self._read(reader))
        # What a mirror asks for before the server knows of the interest is asked again only later.
        heard = asyncio.create_task(self._heard.wait())
        await asyncio.wait({heard, self._reading}, timeout=_LOGIN_S, return_when="FIRST_COMPLETED")
        heard.cancel()
        if not self._heard.is_set():
            raise RefillError("the server does not take a leaf node")

    async def close(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            await end_task(self._reading)
        if self._writer is not None:
            self._writer.close()

    def consumer(self, origin: str) -> _Consumer | None:
        """The consumer that a mirror has asked for last, once it listens to what comes of it."""
        consumer = self._consumers.get(origin)
        listens = consumer is not None and consumer.deliver.encode() in self._interest
        return consumer if listens else None

    async def deliver(self, consumer: _Consumer, messages: Sequence[StoredMessage]) -> None:
        """Send messages to a mirror. Raises RefillError where the server has hung up."""
        assert self._writer is not None
        assert self._reading is not None
        if self._reading.done():
            raise RefillError("the server closed the connection that messages come by")
        self._writer.write(b"".join(consumer.delivered(message) for message in messages))
        await self._writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        assert self._writer is not None
        while line := await reader.readline():
            word, *rest = line.split()
            if word == b"PING":
                self._writer.write(b"PONG\r\n")
            elif word == b"LS+":
                self._interest.add(rest[0])
            elif word == b"LS-":
                self._interest.discard(rest[0])
            elif word == b"PONG":
                self._heard.set()
            elif word == b"LMSG":
                data = await reader.readexactly(int(rest[-1]) + 2)
                self._answer(rest[0], rest[1], data[:-2])
            elif word == b"HMSG":
                data = await reader.readexactly(int(rest[-1]) + 2)
                self._answer(rest[0], rest[1], data[int(rest[-2]) : -2])

    def _answer(self, subject: bytes, reply: bytes, data: bytes) -> None:
        """Promise a consumer to the mirror that asks for one. Nothing else needs an answer."""
        assert self._writer is not None
        if b".CONSUMER.CREATE." not in subject:
            return
        asked = msgspec.json.decode(data, type=_Asked)
        config = asked.config
        promise = msgspec.json.encode(
            {
                "type": "io.nats.jetstream.api.v1.consumer_create_response",
                "stream_name": asked.stream_name,
                "name": config.name,
                "created": "1970-01-01T00:00:00Z",
                "config": config,
                "delivered": {"consumer_seq": 0, "stream_seq": 0},
                "ack_floor": {"consumer_seq": 0, "stream_seq": 0},
            }
        )
        self._writer.write(b"LMSG %b %d\r\n%b\r\n" % (reply, len(promise), promise))
        self._consumers[asked.stream_name] = _Consumer(
            asked.stream_name, config.name, config.deliver_subject, config.opt_start_seq
        )


class Refill:
    """Fills streams of one server, with `connection` to it. Ended by `close`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._prefix = f"refill.{secrets.token_hex(4)}"
        self._leaf = _Leaf(self._prefix)

    async def open(self, leaf_port: int, user: str, password: str) -> None:
        """Connect to where the server takes leaf nodes. Raises OSError, RefillError."""
        await self._leaf.open(leaf_port, user, password)

    async def close(self) -> None:
        """Disconnect."""
        await self._leaf.close()

    async def fill(
        self, config: dict[str, Any], messages: Iterable[StoredMessage], last_sequence: int
    ) -> None:
        """Make the stream of that configuration, with these messages, ending at `last_sequence`.

        Raises RefillError, LogUnavailableError, and what reading `messages` raises.
        """
        name: str = config["name"]
        if not last_sequence:
            await create_stream(self._connection, config)
            return
        origin = f"{name}_{secrets.token_hex(4)}"
        external = {"api": f"{self._prefix}.api", "deliver": f"{self._prefix}.deliver"}
        kept = {key: config[key] for key in _FROM_THE_START if key in config}
        await create_stream(
            self._connection, {**kept, "mirror": {"name": origin, "external": external}}
        )
        last = None
        for chunk in _chunks(messages):
            await self._give(name, origin, chunk)
            last = chunk[-1]
        ends_in_hole = last is None or last.sequence < last_sequence
        if ends_in_hole:
            # The sequences of what is gone at the end must not be given away again.
            time_ns = 0 if last is None else last.appended_ns
            filler = StoredMessage(last_sequence, time_ns, b"gone", b"", b"")
            await self._give(name, origin, [filler])
        if ends_in_hole:
            await self._call(f"STREAM.UPDATE.{name}", {**config, "deny_delete": False})
            await self._call(f"STREAM.MSG.DELETE.{name}", {"seq": last_sequence})
        await self._call(f"STREAM.UPDATE.{name}", config)

    async def _give(self, name: str, origin: str, chunk: Sequence[StoredMessage]) -> None:
        """Have the mirror take a chunk; where it missed something it asks anew, from there on."""
        loop = asyncio.get_running_loop()
        asked: _Consumer | None = None
        reached, deadline_s = -1, loop.time() + STALLED_S
        while reached < chunk[-1].sequence:
            consumer = self._leaf.consumer(origin)
            if consumer is not None and consumer is not asked:
                asked = consumer
                wanted = [one for one in chunk if one.sequence >= consumer.first]
                await self._leaf.deliver(consumer, wanted)
            info = await stream_info(self._connection, name)
            now = 0 if info is None else info.state.last_seq
            if now > reached:
                reached, deadline_s = now, loop.time() + STALLED_S
            elif loop.time() > deadline_s:
                raise RefillError(f"stream {name} takes nothing after sequence {reached}")
            if reached < chunk[-1].sequence:
                await asyncio.sleep(_POLL_S)

    async def _call(self, request: str, data: dict[str, Any]) -> None:
        reply = await self._connection.request(f"$JS.API.{request}", msgspec.json.encode(data))
        error = msgspec.json.decode(reply.data, type=_Answer).error
        if error is not None:
            raise RefillError(f"{request} was refused: {error.description}")


class _Answer(msgspec.Struct, frozen=True):
    error: ApiError | None = None


def _chunks(messages: Iterable[StoredMessage]) -> Iterator[list[StoredMessage]]:
    chunk: list[StoredMessage] = []
    size = 0
    for message in messages:
        chunk.append(message)
        size += len(message.data)
        if len(chunk) >= CHUNK_MESSAGES or size >= CHUNK_BYTES_MAX:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk

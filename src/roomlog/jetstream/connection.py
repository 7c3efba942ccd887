"""One connection to NATS that comes back by itself and never sends what was given up.

nats-py does the handshake, TLS, and all but messages. Its reconnecting, buffering and
per-subscription tasks are left aside: every connection is a new client, so that nothing of a lost
one is sent again, and messages go to plain callbacks with their header bytes as they came.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import nats.errors
from nats.aio.client import Client

from roomlog.jetstream.parsing import Incoming
from roomlog.jetstream.wire import pub
from roomlog.ports import LogUnavailableError
from roomlog.together import end_task

MessageHandler = Callable[[bytes, bytes], None]
"""Called with a message's header bytes (empty where there are none) and its data."""

CONNECT_TIMEOUT_S: Final = 2.0
RECONNECT_WAIT_S: Final = 0.1
PING_INTERVAL_S: Final = 1.0
PONG_TIMEOUT_S: Final = 1.5
PONGS_MISSED_MAX: Final = 2
REQUEST_TIMEOUT_S: Final = 5.0
REPLIES_MAX: Final = 100_000

_log = logging.getLogger(__name__)
_INBOX_SID = 1


class Reply(NamedTuple):
    """An answer: header bytes and data."""

    headers: bytes
    data: bytes


class _Client(Client):
    """nats-py's client with some private parts replaced (the version is pinned for it)."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[int, MessageHandler] = {}
        self.on_inbox: Callable[[bytes, bytes, bytes], None] | None = None
        self.closed = asyncio.Event()
        self.heard = 0
        self.pong = asyncio.Event()

    async def dial(self, servers: list[str], name: str) -> None:
        """Connect once. Raises OSError, TimeoutError or nats.errors.Error."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self.connect(
                servers,
                name=name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(CONNECT_TIMEOUT_S),
                ping_interval=86_400,
                pending_size=0,
                error_cb=_quiet,
                closed_cb=self._on_closed,
            )
            self._take_messages()

    @property
    def _socket(self) -> asyncio.Transport | None:
        writer: asyncio.StreamWriter | None = getattr(self._transport, "_io_writer", None)
        return None if writer is None else cast("asyncio.Transport", writer.transport)

    def _take_messages(self) -> None:
        """Have messages out of what comes from now on, ahead of nats-py's own reading."""
        transport = self._socket
        if transport is None or transport.is_closing():
            raise ConnectionResetError("NATS closed the connection")
        stream = cast("asyncio.StreamReaderProtocol", transport.get_protocol())
        read = cast(
            "bytearray", getattr(getattr(self._transport, "_io_reader", None), "_buffer", b"")
        )
        held = bytes(self._ps.buf) + bytes(read)
        transport.pause_reading()  # it is told of the kind of its protocol when it begins to read
        within_line = held[-1:] not in {b"", b"\n"}
        transport.set_protocol(Incoming(transport, stream, self._receive, within_line=within_line))
        transport.resume_reading()

    async def _on_closed(self) -> None:
        self.closed.set()

    def _receive(self, sid: int, subject: bytes, headers: bytes, data: bytes) -> None:
        self.heard += 1
        try:
            if sid == _INBOX_SID and self.on_inbox is not None:
                self.on_inbox(subject, headers, data)
            elif (handler := self.handlers.get(sid)) is not None:
                handler(headers, data)
        except Exception:  # noqa: BLE001 - a failing callback would end the reading
            _log.exception("a message of %s could not be handled", subject.decode())

    async def _process_pong(self) -> None:
        self.heard += 1
        self.pong.set()

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket: they go out on this connection or never.

        A socket closes some turns of the event loop before anybody is told, and uvloop's raises
        then. Whoever waits for an answer hears soon that the connection was lost.
        """
        socket = self._socket
        if socket is not None and not socket.is_closing():
            socket.write(data)

    def abort(self) -> None:
        """Cut the socket: an orderly close would wait for a peer that reads no more."""
        if self._socket is not None:
            self._socket.abort()


async def _quiet(error: Exception) -> None:
    _log.debug("NATS: %s", error)


class Connection:
    """A lasting connection. Subscriptions outlive reconnects; requests do not.

    `generation` counts the connections made; 0 before the first.
    """

    def __init__(self, url: str, *, name: str = "roomlog") -> None:
        """`url` may name several servers, separated by commas."""
        self.generation = 0
        self._url = url
        self._servers = [part.strip() for part in url.split(",")]
        self._name = name
        self._client: _Client | None = None
        self._up = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._closing = False
        self._sids = itertools.count(_INBOX_SID + 1)
        self._subscriptions: dict[int, tuple[str, MessageHandler]] = {}
        self._inbox = f"_INBOX.{secrets.token_hex(8)}."
        self._tokens = itertools.count(1)
        self._replies: dict[bytes, tuple[MessageHandler, Callable[[], None]]] = {}
        self._up_listeners: list[Callable[[], None]] = []
        self._last_error: Exception | None = None

    def beside(self, name: str) -> "Connection":
        """Another connection to the same servers, which is not begun yet."""
        return Connection(self._url, name=f"{self._name} {name}")

    @property
    def connected(self) -> bool:
        """Whether the connection is up as far as is known."""
        return self._client is not None

    def on_up(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each connect, subscriptions already renewed."""
        self._up_listeners.append(listener)

    async def open(self, *, timeout_s: float = 10.0) -> None:
        """Connect and stay connected. Raises LogUnavailableError after `timeout_s`."""
        self.begin()
        try:
            await self.wait_connected(timeout_s)
        except BaseException:
            await self.close()
            raise

    def begin(self) -> None:
        """Begin to connect, and stay connected then. More than once does no harm."""
        if self._supervisor is None:
            self._closing = False
            self._supervisor = asyncio.create_task(self._supervise())

    async def wait_connected(self, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Return when connected. Raises LogUnavailableError after `timeout_s`."""
        if self._client is not None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                while self._client is None:
                    await self._up.wait()
        except TimeoutError:
            raise LogUnavailableError(
                f"no connection to NATS ({self._last_error or 'no answer'})"
            ) from self._last_error

    def write(self, data: bytes) -> None:
        """Send protocol bytes (see wire.pub). Raises LogUnavailableError when not connected."""
        if self._client is None:
            raise LogUnavailableError("no connection to NATS")
        self._client.write(data)

    def publish(self, subject: str, data: bytes) -> None:
        """Send a plain message. Raises LogUnavailableError when not connected."""
        self.write(pub(subject, data))

    def subscribe(self, subject: str, handler: MessageHandler) -> int:
        """Have `handler` called for each message, across reconnects; the id ends it."""
        sid = next(self._sids)
        self._subscriptions[sid] = (subject, handler)
        if self._client is not None:
            self._client.handlers[sid] = handler
            self._client.write(b"SUB %b %d\r\n" % (subject.encode(), sid))
        return sid

    def unsubscribe(self, sid: int) -> None:
        """End a subscription; its handler is not called again."""
        if self._subscriptions.pop(sid, None) is not None and self._client is not None:
            self._client.handlers.pop(sid, None)
            self._client.write(b"UNSUB %d\r\n" % sid)

    def expect(self, on_reply: MessageHandler, on_lost: Callable[[], None]) -> str:
        """A reply subject whose answers go to `on_reply` until `forget`.

        `on_lost` is called once instead, and the subject forgotten, when the connection goes.
        """
        if len(self._replies) >= REPLIES_MAX:
            raise LogUnavailableError("too many requests to the log at once")
        token = f"{next(self._tokens):x}"
        self._replies[token.encode()] = (on_reply, on_lost)
        return self._inbox + token

    def forget(self, reply: str) -> None:
        """Take no more answers on a subject from `expect`."""
        self._replies.pop(reply[len(self._inbox) :].encode(), None)

    async def request(
        self,
        subject: str,
        data: bytes = b"",
        *,
        headers: bytes = b"",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Reply:
        """Ask and return the first answer. `headers` are lines that each end in CR LF.

        Waits for the connection if need be. Raises LogUnavailableError where none comes; the
        request may have been heard nevertheless.
        """
        await self.wait_connected(timeout_s)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_reply(headers: bytes, answer: bytes) -> None:
            if not future.done():
                future.set_result(Reply(headers, answer))

        def on_lost() -> None:
            if not future.done():
                future.set_exception(LogUnavailableError("the connection to NATS was lost"))

        reply = self.expect(on_reply, on_lost)
        try:
            self.write(pub(subject, data, reply=reply, headers=headers))
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise LogUnavailableError(f"no answer from NATS within {timeout_s} s") from None
        finally:
            self.forget(reply)

    async def echo(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Send a message to itself and return when it is back: what NATS had sent on this
        connection before it heard of this has been handed on. Raises LogUnavailableError."""
        back: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_back(_headers: bytes, _data: bytes) -> None:
            if not back.done():
                back.set_result(None)

        def on_lost() -> None:
            if not back.done():
                back.set_exception(LogUnavailableError("the connection to NATS was lost"))

        reply = self.expect(on_back, on_lost)
        try:
            self.write(pub(reply, b""))
            async with asyncio.timeout(timeout_s):
                await back
        except TimeoutError:
            raise LogUnavailableError(f"no answer from NATS within {timeout_s} s") from None
        finally:
            self.forget(reply)

    async def close(self) -> None:
        """Send what waits, disconnect, and stay so."""
        if self._client is not None:
            await self._is_alive(self._client)
        self._closing = True  # nats-py's `wait_for` may swallow that the task is cancelled
        if self._supervisor is not None:
            await end_task(self._supervisor)
            self._supervisor = None

    async def _supervise(self) -> None:
        while not self._closing:
            client = _Client()
            client.on_inbox = self._on_inbox
            try:
                await client.dial(self._servers, self._name)
                if not self._closing:
                    self._begin(client)
                    await self._watch(client)
            except (OSError, TimeoutError, nats.errors.Error) as error:
                self._last_error = error
                _log.debug("connecting to NATS failed: %s", error)
            finally:
                self._end(client)
                await _drop(client)
            await asyncio.sleep(RECONNECT_WAIT_S)

    def _begin(self, client: _Client) -> None:
        lines = [b"SUB %b* %d\r\n" % (self._inbox.encode(), _INBOX_SID)]
        for sid, (subject, handler) in self._subscriptions.items():
            client.handlers[sid] = handler
            lines.append(b"SUB %b %d\r\n" % (subject.encode(), sid))
        client.write(b"".join(lines))
        self._client = client
        self.generation += 1
        self._up.set()
        for listener in self._up_listeners:
            listener()

    def _end(self, client: _Client) -> None:
        if self._client is not client:
            return
        self._client = None
        self._up.clear()
        lost, self._replies = list(self._replies.values()), {}
        for _, on_lost in lost:
            on_lost()

    async def _watch(self, client: _Client) -> None:
        """Return when the connection is gone, whether or not the socket says so."""
        missed = 0
        while not client.closed.is_set():
            alive = await self._is_alive(client)
            missed = 0 if alive else missed + 1
            if missed >= PONGS_MISSED_MAX:
                _log.warning("NATS does not answer: connecting anew")
                return
            if alive:
                with contextlib.suppress(TimeoutError):
                    # Not `wait_for`, which may swallow that the task is cancelled.
                    async with asyncio.timeout(PING_INTERVAL_S):
                        await client.closed.wait()

    @staticmethod
    async def _is_alive(client: _Client) -> bool:
        """Ask for a PONG. Messages that come meanwhile count too: a PONG may queue behind them."""
        client.pong.clear()
        heard = client.heard
        client.write(b"PING\r\n")
        waits = [asyncio.create_task(client.pong.wait()), asyncio.create_task(client.closed.wait())]
        try:
            await asyncio.wait(waits, timeout=PONG_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return client.heard > heard and not client.closed.is_set()

    def _on_inbox(self, subject: bytes, headers: bytes, data: bytes) -> None:
        entry = self._replies.get(subject[len(self._inbox) :])
        if entry is not None:
            entry[0](headers, data)


async def _drop(client: _Client) -> None:
    client.abort()
    with contextlib.suppress(Exception):  # what it says of its end concerns nobody
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.close()

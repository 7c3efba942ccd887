"""Messages are cut as nats-py cuts them, wherever the pieces that come begin and end."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from roomlog.jetstream.parsing import LINE_BYTES_MAX, Cutter


class _Client:
    """Notes what nats-py's parser makes of what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, ...]] = []
        self.lines: list[tuple[Any, ...]] = []

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        del reply
        self.messages.append((sid, bytes(subject), headers or b"", data))

    async def _process_ping(self) -> None:
        self.lines.append(("ping",))

    async def _process_pong(self) -> None:
        self.lines.append(("pong",))

    async def _process_err(self, error: str) -> None:
        self.lines.append(("error", error))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.lines.append(("info", info))


def _parsed(pieces: Iterable[bytes]) -> _Client:
    client = _Client()
    parser = Parser(client)

    async def parse() -> None:
        for piece in pieces:
            await parser.parse(piece)

    asyncio.run(parse())
    return client


def _cut(pieces: Iterable[bytes]) -> _Client:
    """What is cut out, and what nats-py makes of the rest."""
    messages: list[tuple[Any, ...]] = []
    lines: list[bytes] = []

    def on_message(*message: Any) -> None:
        messages.append(message)

    cutter = Cutter(on_message, lines.append)
    for piece in pieces:
        cutter.take(piece)
    client = _parsed(lines)
    assert not client.messages
    client.messages = messages
    return client


_SUBJECTS = st.sampled_from([b"ev.a", b"_INBOX.77.1f", b"live.x.y"])
# Data may look like the protocol itself.
_DATA = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"\r\n", b"MSG a 1 3\r\nabc\r\n", b"x" * 3000])
)


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    reply = draw(st.sampled_from([b"", b"re.ply "]))
    subject, sid, data = draw(_SUBJECTS), draw(st.integers(1, 99)), draw(_DATA)
    if draw(st.booleans()):
        return b"MSG %b %d %b%d\r\n%b\r\n" % (subject, sid, reply, len(data), data)
    headers = b"NATS/1.0\r\n" + draw(st.sampled_from([b"", b"K: v\r\n"])) + b"\r\n"
    sizes = (len(headers), len(headers) + len(data))
    return b"HMSG %b %d %b%d %d\r\n%b%b\r\n" % (subject, sid, reply, *sizes, headers, data)


_LINES = st.sampled_from(
    [b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'no such thing'\r\n", b'INFO {"a": 1}\r\n']
)


@given(st.lists(st.one_of(_messages(), _messages(), _LINES), max_size=8), st.data())
def test_what_comes_is_what_nats_py_would_hear(items: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(items)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, heard = _cut(pieces), _parsed([stream])
    assert (cut.messages, cut.lines) == (heard.messages, heard.lines)
    # An acknowledgement says nothing.
    assert len(heard.messages + heard.lines) == len([item for item in items if item != b"+OK\r\n"])


_STREAM = b"HMSG s 3 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\nMSG t 4 r 0\r\n\r\n"
_MESSAGES = [(3, b"s", b"NATS/1.0\r\n\r\n", b"hi"), (4, b"t", b"", b"")]


def _bytes(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def test_byte_by_byte() -> None:
    cut = _cut(_bytes(_STREAM))
    assert (cut.messages, cut.lines) == (_MESSAGES, [("ping",)])


@pytest.mark.parametrize("held", [b"I", b"INFO {", b'INFO {"a": 1}', b'INFO {"a": 1}\r'])
@pytest.mark.parametrize("cut", [_bytes, lambda stream: [stream]])
def test_it_may_begin_amid_a_line(held: bytes, cut: Callable[[bytes], list[bytes]]) -> None:
    info = b'INFO {"a": 1}\r\n'
    lines: list[bytes] = [held]
    messages: list[tuple[Any, ...]] = []

    def on_message(*message: Any) -> None:
        messages.append(message)

    cutter = Cutter(on_message, lines.append, within_line=True)
    for piece in cut(info.removeprefix(held) + _STREAM):
        cutter.take(piece)
    assert (messages, _parsed(lines).lines) == (_MESSAGES, [("info", {"a": 1}), ("ping",)])


@pytest.mark.parametrize(
    "line",
    [
        b"MSG a\r\n",
        b"MSG a b 3\r\nxyz\r\n",
        b"MSG a 1 -4\r\n",
        b"HMSG a 1 20 10\r\n",
        b"HMSG a 1 x 10\r\n",
        b"NONSENSE\r\n",
        b"\r\n",
        b"x" * (LINE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        _cut([line])

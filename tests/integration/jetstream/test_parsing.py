"""Messages are cut as nats-py cuts them, wherever the pieces that come begin and end."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from roomlog.jetstream.parsing import LINE_BYTES_MAX, MessageParser


class _Client:
    """Notes what a parser makes of what came."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def receive(self, sid: int, subject: bytes, headers: bytes, data: bytes) -> None:
        self.heard.append((sid, subject, headers, data))

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        del reply
        self.receive(sid, bytes(subject), headers or b"", data)

    async def _process_ping(self) -> None:
        self.heard.append(("ping",))

    async def _process_pong(self) -> None:
        self.heard.append(("pong",))

    async def _process_err(self, error: str) -> None:
        self.heard.append(("error", error))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.heard.append(("info", info))


def _parsed(parser: type[Parser], pieces: list[bytes]) -> list[tuple[Any, ...]]:
    client = _Client()
    made = parser(client)

    async def parse() -> None:
        for piece in pieces:
            await made.parse(piece)

    asyncio.run(parse())
    return client.heard


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
    heard = _parsed(MessageParser, pieces)
    assert heard == _parsed(Parser, [stream])
    # An acknowledgement says nothing.
    assert len(heard) == len([item for item in items if item != b"+OK\r\n"])


def test_byte_by_byte() -> None:
    stream = b"HMSG s 3 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\nMSG t 4 r 0\r\n\r\n"
    heard = _parsed(MessageParser, [stream[at : at + 1] for at in range(len(stream))])
    assert heard == [(3, b"s", b"NATS/1.0\r\n\r\n", b"hi"), ("ping",), (4, b"t", b"", b"")]


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
        _parsed(MessageParser, [line])

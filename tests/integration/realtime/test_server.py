"""Many who come at once: a few begin in each turn of the event loop, in their order, and who left
while waiting costs nothing more."""

import asyncio
import re
from typing import Any, cast

import pytest

from roomlog.realtime import server
from roomlog.realtime.server import HANDSHAKES_PER_TURN_MAX, Turnstile
from tests.integration.realtime.node import MEMBERS, Node, eventually, running_node, token
from tests.within import within

MANY = 100
WAIT_S = 60.0
LAST = "Connection: close"
DOCUMENT = "/schema/asyncapi.json"


class _Waiting:
    """Stands for a protocol; notes in which turn of the loop it began."""

    def __init__(self, began: list[tuple[int, int]], number: int, turn: list[int]) -> None:
        self.loop = asyncio.get_running_loop()
        self._note = lambda: began.append((turn[0], number))

    def begin_websocket(self) -> None:
        self._note()


async def test_a_few_begin_in_each_turn_in_the_order_in_which_they_came():
    turnstile, began, turn = Turnstile(), list[tuple[int, int]](), [0]
    for number in range(MANY):
        turnstile.enter(cast("Any", _Waiting(began, number, turn)))
    while len(began) < MANY:
        await asyncio.sleep(0)
        turn[0] += 1
    assert [number for _, number in began] == list(range(MANY))
    by_turn = [sum(at == turn for at, _ in began) for turn in {at for at, _ in began}]
    assert set(by_turn) == {HANDSHAKES_PER_TURN_MAX}

    turnstile.enter(cast("Any", _Waiting(began, MANY, turn)))
    await asyncio.sleep(0)
    assert began[-1][1] == MANY


async def test_all_who_come_at_once_get_in():
    async with running_node() as node:
        room = await node.new_room()

        async def come(number: int) -> None:
            async with node.client(room, MEMBERS[number % len(MEMBERS)]) as client:
                await client.until("subscribed")

        await asyncio.gather(*(come(number) for number in range(MANY)))


async def test_who_leaves_while_waiting_leaves_nothing_behind():
    async with running_node() as node:
        room = await node.new_room()
        request = (
            f"GET /ws/{room}?token={token()} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
        opened = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MANY)]
        for _, writer in opened:
            writer.write(request)
        for _, writer in opened:
            writer.transport.abort()
        async with node.client(room) as client:
            await client.until("subscribed")
        assert node.server is not None
        state = node.server.server_state
        await eventually(lambda: not state.connections and not state.tasks)
        assert node.manager.connections == []


_KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
_VERSION = "Sec-WebSocket-Version: 13"
_UPGRADE = "Upgrade: websocket"
_CONNECTION = "Connection: Upgrade"
_PLAIN = (_UPGRADE, _CONNECTION, _VERSION, _KEY)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET {path} HTTP/1.1", _PLAIN, 101),
        ("GET {path} HTTP/1.1", (*_PLAIN, "Content-Length: 0"), 101),
        ("GET {path} HTTP/1.1", (*_PLAIN, "X-Name: J\xfcrgen", "X-Empty:", "Cookie: a=b"), 101),
        ("GET {path} HTTP/1.1", (*_PLAIN, "Sec-WebSocket-Protocol: roomlog.v1, other"), 101),
        ("GET {path} HTTP/1.1", (*_PLAIN, *(f"X-{number}: y" for number in range(120))), 101),
        ("GET {path} HTTP/1.1", (*_PLAIN, *(f"X-{number}: y" for number in range(130))), 431),
        ("GET {path} HTTP/1.1", (*_PLAIN, "X-Long: " + "y" * 9_000), 431),
        ("GET {path}&x=" + "y" * 9_000 + " HTTP/1.1", _PLAIN, 414),
        ("GET {path} HTTP/1.1", (_UPGRADE, _CONNECTION, _VERSION), 400),
        ("GET {path} HTTP/1.1", (*_PLAIN, _KEY), 400),
        ("GET {path} HTTP/1.1", (_UPGRADE, _CONNECTION, _VERSION, "Sec-WebSocket-Key: x"), 400),
        ("GET {path} HTTP/1.1", (_UPGRADE, _CONNECTION, "Sec-WebSocket-Version: 12", _KEY), 400),
        ("GET {path} HTTP/1.1", ("Upgrade: WebSocket", "Connection: a, UPGRADE", *_PLAIN[2:]), 101),
        ("POST {path} HTTP/1.1", _PLAIN, 405),
        ("GET {path} HTTP/1.0", _PLAIN, 101),
    ],
)
async def test_a_handshake_is_answered_as_if_it_were_parsed_by_the_library_itself(
    line: str, headers: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch
):
    async with running_node() as node:
        path = f"/ws/{await node.new_room()}?token={token()}"
        asked = "\r\n".join([line.format(path=path), "Host: x", *headers]) + "\r\n\r\n"
        told = await _shaken(node, asked)
        assert int(told[0].split()[1]) == status
        monkeypatch.setattr(server.PacedHttpProtocol, "_usual_handshake", lambda _: False)
        assert await _shaken(node, asked) == told


async def _shaken(node: Node, asked: str) -> list[bytes]:
    """The answer's lines but its time, and the kind of the first frame after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(asked.encode("latin-1"))
    head = await within(reader.readuntil(b"\r\n\r\n"), WAIT_S)
    after = await within(reader.read(1), WAIT_S)
    writer.close()
    return [line for line in head.split(b"\r\n") if not line.startswith(b"date")] + [after]


async def test_an_answer_goes_out_in_one_write_with_its_head(monkeypatch: pytest.MonkeyPatch):
    written = list[bytes]()
    begin = server.PacedHttpProtocol.connection_made

    def note(protocol: server.PacedHttpProtocol, transport: asyncio.Transport) -> None:
        begin(protocol, cast("Any", _Noted(transport, written)))

    monkeypatch.setattr(server.PacedHttpProtocol, "connection_made", note)
    async with running_node() as node:
        head, body = await _asked(node, f"GET {DOCUMENT} HTTP/1.1", LAST)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body
    assert written == [head + body]


async def test_answers_to_requests_sent_together_come_whole_and_in_order():
    paths = [DOCUMENT, "/nowhere", DOCUMENT, "/nowhere"]
    async with running_node() as node:
        lines = [f"GET {path} HTTP/1.1\r\nHost: x" for path in paths[:-1]]
        told = b"".join(
            await _asked(node, "\r\n\r\n".join([*lines, f"GET {paths[-1]} HTTP/1.1"]), LAST)
        )
        one = b"".join(await _asked(node, f"GET {DOCUMENT} HTTP/1.1", LAST))
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", told)
    assert statuses == [b"200", b"404", b"200", b"404"]
    assert told.count(one.partition(b"\r\n\r\n")[2]) == 2


class _Noted:
    """A transport; notes what is written to it."""

    def __init__(self, transport: asyncio.Transport, written: list[bytes]) -> None:
        self._transport = transport
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def _asked(node: Node, line: str, header: str) -> tuple[bytes, bytes]:
    """A request's answer, head and body, up to where the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(f"{line}\r\nHost: x\r\n{header}\r\n\r\n".encode())
    told = await within(reader.read(), WAIT_S)
    writer.close()
    end = told.index(b"\r\n\r\n") + 4
    return told[:end], told[end:]

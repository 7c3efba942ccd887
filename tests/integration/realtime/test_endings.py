"""How connections end: each with its code, freed, and without harm to others."""

import asyncio
import base64
import contextlib
import logging
import os
import socket
import struct
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from roomlog import metrics
from roomlog.core.policy import Actor
from roomlog.realtime import protocol
from roomlog.realtime.replay_slots import ReplaySlots
from tests.integration.realtime.node import (
    COMMANDER,
    MEMBERS,
    WAIT_S,
    Client,
    Node,
    assert_chain,
    eventually,
    message,
    running_node,
    token,
)
from tests.within import within

STRANGER = "eve@example.org"


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CLOSE_GRACE_S", 0.5)


async def _refusal(node: Node, room: str | None, **options: Any) -> tuple[int | None, str | None]:
    query = options.pop("query", {})
    async with connect(node.url(room, **query), proxy=None, **options) as websocket:
        return await Client(websocket).closed()


def _bearer(user: str = COMMANDER, *roles: str, ttl_s: float = 3600) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user, *roles, ttl_s=ttl_s)}"}


async def test_who_is_refused_is_accepted_and_then_told_by_a_code():
    async with running_node() as node:
        room = await node.new_room()
        assert (await _refusal(node, room))[0] == 4501
        nonsense = {"Authorization": "Bearer x.y.z"}
        assert (await _refusal(node, room, additional_headers=nonsense))[0] == 4501
        assert (await _refusal(node, room, query={"token": "nonsense"}))[0] == 4501
        expired = await _refusal(node, room, additional_headers=_bearer(ttl_s=-5))
        assert expired == (4501, "the token has expired")
        for path in (room, None):
            foreign = await _refusal(
                node, path, additional_headers=_bearer(), origin="https://evil.example"
            )
            assert foreign[0] == 4502
        assert (await _refusal(node, room, additional_headers=_bearer(STRANGER)))[0] == 4503
        for missing in (str(uuid4()), "no-uuid"):
            assert (await _refusal(node, missing, additional_headers=_bearer()))[0] == 4504
        for after in ("x", "-1", str(2**63), "٣"):
            refused = await _refusal(
                node, room, additional_headers=_bearer(), query={"after": after}
            )
            assert refused[0] == 4500
        assert not node.manager.connections
        assert not node.manager.channels


async def test_the_token_is_taken_from_header_subprotocol_or_query_and_never_logged(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    # The client's own debug lines show what it sends.
    logging.getLogger("websockets.client").setLevel(logging.INFO)
    async with running_node(allowed_origins=("https://ops.example",)) as node:
        room = await node.new_room()
        secret = token()
        url = node.url(room, after=0)
        offered: list[Any] = ["roomlog.v1", f"roomlog.bearer.{secret}"]
        async with connect(url, subprotocols=offered, proxy=None) as websocket:
            assert websocket.subprotocol == "roomlog.v1"
            await Client(websocket).until("live")
        url = node.url(room, token=secret, after=0)
        async with connect(url, origin="https://ops.example", proxy=None) as websocket:  # type: ignore[arg-type]
            assert websocket.subprotocol is None
            await Client(websocket).until("live")
        async with connect(node.url(room), additional_headers=_bearer(), proxy=None) as websocket:
            await Client(websocket).until("hello")
    logged = caplog.text
    assert "connection is CONNECTING" in logged
    assert secret.split(".")[2] not in logged
    assert "Bearer" not in logged


async def test_a_page_of_the_servers_own_origin_may_connect():
    async with running_node() as node:
        room = await node.new_room()
        origin: Any = f"http://127.0.0.1:{node.port}"
        async with connect(
            node.url(room), additional_headers=_bearer(), origin=origin, proxy=None
        ) as websocket:
            await Client(websocket).until("subscribed")


async def test_expiry_ends_a_connection():
    async with running_node() as node:
        room = await node.new_room()
        started = asyncio.get_running_loop().time()
        refusal = await _refusal(node, room, additional_headers=_bearer(ttl_s=1.5))
        assert refusal == (4501, "the token has expired")
        assert asyncio.get_running_loop().time() - started >= 1.4


async def test_who_loses_membership_is_cut_off_and_the_others_are_not():
    async with running_node() as node:
        room = await node.new_room()
        async with (
            node.client(room, MEMBERS[0]) as bob,
            node.client(None, MEMBERS[0]) as everywhere,
            node.client(room, MEMBERS[1]) as cid,
        ):
            await everywhere.send({"type": "subscribe", "room_id": room, "ref": "s"})
            for client in (bob, everywhere, cid):
                await client.until("subscribed")
            await node.rooms.remove_member(Actor(COMMANDER), room, MEMBERS[0], None)
            assert await bob.closed() == (4503, "membership ended")
            ended = await everywhere.until("unsubscribed")
            assert (ended["room_id"], ended["code"]) == (room, "forbidden")
            await cid.send({"type": "send", "ref": "1", "content": "he is gone"})
            await cid.until("ack")
            await everywhere.send({"type": "ping"})
            assert (await everywhere.until("pong"))["heads"] == {}
            assert [e["event"]["type"] for e in bob.events] == ["member.removed"]
            assert [e["event"]["type"] for e in everywhere.events] == ["member.removed"]


async def test_a_new_epoch_closes_everyone_with_4001():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as one, node.client(None) as two:
            await one.until("subscribed")
            await two.until("hello")
            node.log.epoch = "epoch-2"
            node.manager.log_was_reset()
            assert (await one.closed())[0] == 4001
            assert (await two.closed())[0] == 4001
        await node.room_cache.clear()
        async with node.client(room, after=1, epoch="epoch-1") as client:
            subscribed = await client.until("subscribed")
            assert (subscribed["epoch"], subscribed["resumed"]) == ("epoch-2", False)


async def test_a_node_takes_only_so_many_connections():
    async with running_node(connections_max=1) as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            code, reason = await _refusal(node, room, additional_headers=_bearer())
            assert code == 4029
            assert reason == "retry_after=5"


async def test_repeated_malformed_frames_close_with_4500():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            for _ in range(9):
                await client.websocket.send("{")
                assert (await client.until("error"))["code"] == "invalid"
            await client.websocket.send(b"binary")
            assert (await client.until("error"))["detail"] == "text frames only"
            assert (await client.closed())[0] == 4500


@pytest.mark.parametrize("size", [(1 << 20) + 1, 8 << 20])
async def test_a_frame_too_large_is_told_by_1009(size: int):
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            await client.websocket.send("x" * size)
            assert (await client.closed())[0] == 1009
        await eventually(lambda: not node.manager.connections)


# What no proper client does: raw sockets


async def _raw(node: Node, room: str, *, query: str = "", rcvbuf: int | None = None):
    """A socket that did the handshake; whatever it is sent waits unread."""
    plain = socket.socket()
    if rcvbuf:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, ("127.0.0.1", node.port))
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /ws/{room}{query} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n"
        f"Authorization: Bearer {token()}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    await loop.sock_sendall(plain, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await within(loop.sock_recv(plain, 1), WAIT_S)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"deflate" not in answer
    return plain


def _frame(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    length = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    else:
        head += bytes([0x80 | 126]) + struct.pack("!H", length)
    return head + bytes(4) + payload


async def _read_all(plain: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while True:
        try:
            more = await within(loop.sock_recv(plain, 1 << 16), WAIT_S)
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more


def _close_code(data: bytes) -> int:
    at = data.rindex(b"\x88", 0, len(data) - 3)
    while data[at + 1] + at + 2 != len(data):
        at = data.rindex(b"\x88", 0, at)
    return struct.unpack("!H", data[at + 2 : at + 4])[0]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (_frame(b"\xff\xfe"), 1007),
        (_frame(b"x", opcode=3), 1002),
        (b"\x81\x01x", 1002),  # not masked
        (_frame(b"", opcode=0), 1002),  # a continuation of nothing
        (_frame(b"a", fin=False) + _frame(b"", opcode=0, fin=False) * 2000, 1009),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_told_how(frames: bytes, code: int):
    async with running_node() as node:
        room = await node.new_room()
        plain = await _raw(node, room)
        with plain:
            await asyncio.get_running_loop().sock_sendall(plain, frames)
            # The server waits for the answer to its close, but not for ever.
            assert _close_code(await _read_all(plain)) == code
        await eventually(lambda: not node.manager.connections)


async def test_half_of_a_connection_is_none():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 3000, size=10_000)
        plain = await _raw(node, room, query="?after=0", rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            plain.shutdown(socket.SHUT_WR)
            await eventually(lambda: not node.manager.connections)
            assert node.server is not None
            await eventually(lambda: not node.server.server_state.connections)


async def test_a_closing_peer_that_does_not_read_is_freed():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 3000, size=10_000)
        plain = await _raw(node, room, query="?after=0", rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            await asyncio.sleep(0.1)
            close = _frame(struct.pack("!H", 1000), opcode=8)
            await asyncio.get_running_loop().sock_sendall(plain, close)
            await eventually(lambda: not node.manager.connections)
            assert node.server is not None
            await eventually(lambda: not node.server.server_state.connections)


async def test_pings_of_a_peer_that_does_not_read_do_not_pile_up():
    # A busy machine takes longer than a usual heartbeat for so many, and answers none itself.
    async with running_node(heartbeat_s=600) as node:
        room = await node.new_room()
        plain = await _raw(node, room, rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            (peer,) = node.server.server_state.connections  # type: ignore[union-attr]
            pings = _frame(b"p" * 125, opcode=9) * 500
            for _ in range(100):
                await asyncio.get_running_loop().sock_sendall(plain, pings)
            assert peer.transport.get_write_buffer_size() < 1 << 20


async def test_a_stalled_reader_is_cut_and_freed_and_nobody_else_notices():
    async with running_node(outbox_bytes=1 << 20) as node:
        room = await node.new_room()
        async with AsyncExitStack() as clients:
            others = [await clients.enter_async_context(node.client(room)) for _ in range(3)]
            for client in others:
                await client.until("subscribed")
            stalled = [await _raw(node, room, rcvbuf=4096) for _ in range(3)]
            await eventually(lambda: len(node.manager.connections) == 6)
            outboxes = [c.outbox for c in node.manager.connections]
            most = 0
            text = "x" * 10_000
            for _ in range(60):
                for _ in range(20):
                    node.log.put(room, message(room, text))
                node.log.deliver(room)
                for client in others:
                    while len(client.events) < len(node.log.rooms[room]) - 4:
                        await client.next()
                most = max(most, *(outbox.waiting_bytes for outbox in outboxes))
            assert most <= (1 << 20) + 65_536
            await eventually(lambda: len(node.manager.connections) == 3)
            assert all(outbox.waiting_bytes == 0 for outbox in outboxes)
            assert node.server is not None
            await eventually(lambda: len(node.server.server_state.connections) == 3)
            for plain in stalled:
                plain.close()
            assert [len(c.events) for c in others] == [1200] * 3


async def test_a_slow_reader_that_reads_on_learns_that_it_was_too_slow():
    async with running_node(outbox_bytes=1 << 20) as node:
        room = await node.new_room()
        plain = await _raw(node, room, rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            while node.manager.connections:
                node.log.put(room, message(room, "x" * 10_000))
                node.log.deliver(room)
                await asyncio.sleep(0)
            assert _close_code(await _read_all(plain)) == 4000


async def test_a_replay_to_a_reader_that_stands_still_takes_little_memory():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 20_000, size=1000)
        await node.room_cache.open(room)
        node.log.largest_read = 0
        plain = await _raw(node, room, query="?after=0", rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            (connection,) = node.manager.connections
            (peer,) = node.server.server_state.connections  # type: ignore[union-attr]
            await eventually(lambda: peer.writing_paused)
            reached = node.log.largest_read
            for _ in range(50):
                await asyncio.sleep(0.01)
                assert connection.outbox.waiting_bytes < 1 << 20
                assert peer.transport.get_write_buffer_size() < 1 << 20
            assert node.log.largest_read == reached < 20_000


async def test_a_reader_that_stands_still_keeps_its_replay_only_while_nobody_waits():
    deaf, slots = 6, 2
    closes = metrics.SLOW_CONSUMER_CLOSES._value.get()

    def closed() -> float:
        return metrics.SLOW_CONSUMER_CLOSES._value.get() - closes

    async with running_node(replay_slots=ReplaySlots(slots, still_s=0.2)) as node:
        assert node.server is not None
        room = await node.new_room()
        node.put_messages(room, 3000, size=1000)
        with contextlib.ExitStack() as sockets:
            for _ in range(deaf):
                sockets.enter_context(await _raw(node, room, query="?after=0", rcvbuf=4096))
            await eventually(lambda: closed() == deaf - slots)
            await eventually(lambda: len(node.manager.connections) == slots)
            async with node.client(room, after=0) as client:
                await client.until("live")
                assert_chain(client.events, after=0)
                assert len(client.events) == len(node.log.rooms[room])
            assert closed() == deaf - slots + 1
        await eventually(lambda: not node.manager.connections)


async def test_replays_that_take_turns_are_whole():
    async with running_node(replay_slots=ReplaySlots(1, hold_s=0)) as node:
        room = await node.new_room()
        node.put_messages(room, 2500)

        async def resume(after: int) -> None:
            async with node.client(room, after=after) as client:
                await client.until("live")
                assert_chain(client.events, after=after)
                assert len(client.events) == sum(e.sequence > after for e in node.log.rooms[room])

        await asyncio.gather(*(resume(after) for after in (0, 1, 600, 1200)))


async def test_who_does_not_answer_pings_is_cut_off():
    async with running_node(heartbeat_s=0.3) as node:
        room = await node.new_room()
        plain = await _raw(node, room)
        with plain:
            assert _close_code(await _read_all(plain)) == 4008
        await eventually(lambda: not node.manager.connections)


async def test_who_neither_reads_nor_answers_pings_is_cut_off():
    async with running_node(heartbeat_s=0.3) as node:
        room = await node.new_room()
        node.put_messages(room, 3000, size=10_000)
        plain = await _raw(node, room, query="?after=0", rcvbuf=4096)
        with plain:
            await eventually(lambda: len(node.manager.connections) == 1)
            assert node.server is not None
            await eventually(lambda: not node.server.server_state.connections)
            assert not node.manager.connections


async def test_a_stopping_server_tells_everyone_and_waits_for_nobody_long():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 3000, size=10_000)
        stalled = await _raw(node, room, query="?after=0", rcvbuf=4096)
        with stalled:
            async with node.client(room) as client:
                await client.until("subscribed")
                await eventually(lambda: len(node.manager.connections) == 2)
                started = asyncio.get_running_loop().time()
                assert node.server is not None
                node.server.should_exit = True
                assert (await client.closed())[0] == 1012
                await eventually(lambda: not node.server.server_state.tasks)
                assert asyncio.get_running_loop().time() - started < 5


@pytest.mark.parametrize(("header", "status"), [("x" * 9000, 431), ("x" * 9000 + " y", 431)])
async def test_a_request_that_is_too_large_is_answered(header: str, status: int):
    async with running_node() as node:
        room = await node.new_room()
        with pytest.raises((InvalidStatus, ConnectionClosed)) as refused:
            async with connect(
                node.url(room), additional_headers={"Authorization": header}, proxy=None
            ):
                pass
        assert isinstance(refused.value, InvalidStatus)
        assert refused.value.response.status_code == status
        assert node.server is not None
        await eventually(lambda: not node.server.server_state.connections)

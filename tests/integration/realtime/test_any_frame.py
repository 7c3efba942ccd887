"""No frame breaks a connection otherwise than the contract says."""

import asyncio
import json
import logging
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as s

from roomlog.core.policy import Actor
from roomlog.realtime.connection import Connection
from roomlog.services.tokens import Identity
from roomlog_contract.frames import Error, ServerFrame, WebSocketMessage
from tests.integration.realtime.memory_log import MemoryLog
from tests.integration.realtime.node import COMMANDER, MEMBERS, Node, running_node

_decoder = msgspec.json.Decoder(ServerFrame)
_fields = sorted(
    {f.encode_name for one in get_args(WebSocketMessage) for f in msgspec.structs.fields(one)}
)
_types = [str(one.__struct_config__.tag) for one in get_args(WebSocketMessage)]

json_values = s.recursive(
    s.none() | s.booleans() | s.integers() | s.floats() | s.text(max_size=20),
    lambda inner: (
        s.lists(inner, max_size=4) | s.dictionaries(s.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
likely_values = {
    "ref": s.text(max_size=5),
    "room_id": s.sampled_from(["ROOM", "OTHER", "x"]),
    "content": s.text(max_size=30),
    "message_type": s.sampled_from(["text", "image_ref", "system", "incident_data"]),
    "metadata": s.dictionaries(s.text(max_size=5), json_values, max_size=3),
    "message_id": s.uuids().map(str) | s.just("x"),
    "emoji": s.text(max_size=3),
    "sequence": s.integers(-1, 2**65),
    "after": s.integers(-1, 2**65),
    "active": s.booleans(),
    "html": s.booleans(),
    "idempotency_key": s.text(max_size=300),
}
frames = s.fixed_dictionaries(
    {"type": s.sampled_from(_types)},
    optional={name: likely_values.get(name, json_values) | json_values for name in _fields},
)


@s.composite
def mutated(draw: s.DrawFn) -> str:
    text = json.dumps(draw(frames))
    at = draw(s.integers(0, len(text)))
    return text[:at] + draw(s.text(max_size=3)) + text[at + draw(s.integers(0, 5)) :]


lines = (
    frames.map(json.dumps)
    | json_values.map(json.dumps)
    | mutated()
    | s.text(max_size=50).filter(lambda t: t.isprintable())
)


class FakeWire:
    """A socket that says what it is given and keeps what it is told."""

    writing_paused = False

    def __init__(self, said: list[str | bytes]) -> None:
        self.said = list(reversed(said))
        self.frames: list[bytes] = []
        self.code: int | None = None
        self.kept: list[asyncio.Task[None]] = []

    def next_message(self) -> tuple[str | bytes, float] | None:
        return (self.said.pop(), asyncio.get_running_loop().time()) if self.said else None

    def keep(self, task: asyncio.Task[None]) -> None:
        self.kept.append(task)

    def write_frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def close(self, code: int, reason: str = "") -> None:
        self.code = self.code or code

    @property
    def answers(self) -> list[Any]:
        payloads = [frame[{126: 4, 127: 10}.get(frame[1], 2) :] for frame in self.frames]
        return [_decoder.decode(line) for payload in payloads for line in payload.split(b"\n")]


async def _exchange(said: list[str | bytes], *, many_rooms: bool) -> FakeWire:
    node = Node(MemoryLog())
    room, other = await node.new_room(), await node.new_room()
    named = [
        t.replace('"ROOM"', f'"{room}"').replace('"OTHER"', f'"{other}"')
        if isinstance(t, str)
        else t
        for t in said
    ]
    wire = FakeWire(named)
    identity = Identity(Actor(COMMANDER), 4e9)
    connection = Connection(node.parts, wire, identity, None if many_rooms else room)
    node.manager.connect(connection)
    from roomlog_contract.frames import Subscribe

    waiting, wire.said = wire.said, []
    await connection.begin(None if many_rooms else Subscribe(after=0))
    while waiting:
        wire.said.insert(0, waiting.pop())
        connection.read()
        for _ in range(20):
            await asyncio.sleep(0)
    while wire.said and wire.code is None:
        await asyncio.sleep(0)
    connection.lost()
    await asyncio.gather(*wire.kept)
    assert not node.manager.connections
    assert not node.manager.channels
    return wire


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(said=s.lists(lines, min_size=1, max_size=12), many_rooms=s.booleans(), joined=s.booleans())
def test_whatever_is_said_the_answers_are_frames_and_the_only_end_is_4500(
    said: list[str], *, many_rooms: bool, joined: bool, caplog: pytest.LogCaptureFixture
):
    caplog.clear()
    frames_sent: list[str | bytes] = ["\n".join(said)] if joined else list(said)
    wire = asyncio.run(_exchange(frames_sent, many_rooms=many_rooms))
    assert wire.code in {None, 4500}
    errors = [answer for answer in wire.answers if isinstance(answer, Error)]
    if wire.code == 4500:
        assert len([e for e in errors if e.code == "invalid"]) >= 10
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@settings(max_examples=100, deadline=None)
@given(said=s.binary(max_size=50))
def test_binary_frames_are_refused_one_by_one(said: bytes):
    wire = asyncio.run(_exchange([said], many_rooms=False))
    assert wire.code is None
    assert [a.detail for a in wire.answers if isinstance(a, Error)] == ["text frames only"]


@pytest.mark.parametrize("nested", ['{"a":', "["])
async def test_json_nested_beyond_measure_is_an_error(nested: str):
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room, MEMBERS[0]) as client:
            await client.until("subscribed")
            await client.websocket.send('{"type":"send","ref":"1","metadata":' + nested * 100_000)
            assert (await client.until("error"))["code"] == "invalid"
            await client.send({"type": "ping"})
            await client.until("pong")


async def test_a_client_that_is_gone_before_it_could_begin_leaves_nothing_behind():
    node = Node(MemoryLog())
    room = await node.new_room()
    wire = FakeWire([])
    connection = Connection(node.parts, wire, Identity(Actor(COMMANDER), 4e9), room)
    node.manager.connect(connection)
    connection.lost()
    await connection.begin(None)
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.frames == []
    assert connection._expiry is None
    assert not node.manager.connections
    assert not node.manager.channels

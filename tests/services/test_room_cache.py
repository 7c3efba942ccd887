"""Rooms in memory, over a log in memory: never behind in a refusal, never of another log."""

import asyncio
from typing import Any, cast

import pytest

from roomlog.core.policy import Act, Actor
from roomlog.ports import LogUnavailableError
from roomlog.services.identity import new_id
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog_contract import stored as st
from roomlog_contract.errors import RefusedError
from roomlog_contract.types import MessageType, RoomRole
from tests.integration.realtime.memory_log import MemoryLog, NoSnapshots

ANN, BOB = Actor("ann@example.org"), Actor("bob@example.org")
AT = "2030-01-31T12:00:00.000Z"


class World:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.cache = RoomCache(cast("Any", self.log), NoSnapshots())
        self.room_id = new_id()
        self.put("room.created", st.RoomCreatedBody(name="incident", salt="00"))

    def put(self, kind: str, body: st.Body) -> int:
        """Append an event, which no feed delivers by itself."""
        data = st.encode_stored(
            type=kind, id=new_id(), room_id=self.room_id, actor=ANN.user_id, at=AT, body=body
        )
        return self.log.put(self.room_id, data)

    def put_bob(self) -> int:
        body = st.MemberBody(user_id=BOB.user_id, role=RoomRole.RESPONDER, salt="00")
        return self.put("member.added", body)

    def say(self) -> int:
        body = st.MessageSentBody(content="said", message_type=MessageType.TEXT, salt="00")
        return self.put("message.sent", body)

    async def open(self) -> LiveRoom:
        return await self.cache.open(self.room_id)


async def test_who_was_let_in_is_not_refused_because_the_feed_is_behind():
    world = World()
    room = await world.open()
    with pytest.raises(RefusedError):
        await room.require(Act.SEND, BOB)
    world.put_bob()
    assert BOB.user_id not in room.state.members

    await room.require(Act.SEND, BOB)


async def test_where_the_log_cannot_be_asked_nobody_is_refused_for_certain(
    monkeypatch: pytest.MonkeyPatch,
):
    world = World()
    room = await world.open()

    async def gone() -> None:
        raise LogUnavailableError("gone")

    monkeypatch.setattr(room.feed, "check", gone)
    with pytest.raises(LogUnavailableError):
        await room.require(Act.SEND, BOB)
    await room.require(Act.SEND, ANN)


async def test_a_room_knows_since_when_its_state_stands():
    world = World()
    changed = world.put_bob()
    world.say()
    room = await world.open()
    assert (room.changed_at, room.position) == (changed, changed + 1)
    world.say()
    await room.refresh()
    assert (room.changed_at, room.position) == (changed, changed + 2)
    again = world.put_bob()
    await room.refresh()
    assert room.changed_at == again


async def test_a_room_that_was_being_read_when_the_log_became_another_one_is_not_kept():
    world = World()
    opening = asyncio.create_task(world.open())
    while not world.log.feeds.get(world.room_id):
        await asyncio.sleep(0)
    await world.cache.clear()
    with pytest.raises(LogUnavailableError):
        await opening
    assert not world.log.feeds[world.room_id]

    assert (await world.open()).state.name == "incident"

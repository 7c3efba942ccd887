"""Presence, typing, notifications and notices over two nodes that share a log and a bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roomlog.core.policy import Actor
from roomlog.core.presence import GRACE_S
from roomlog.core.typists import FRAME_INTERVAL_S
from roomlog.presence_ports import PublicNotice
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.frames import Notice
from roomlog_contract.types import GlobalRole, RoomRole
from tests.integration.realtime.memory_bus import MemoryBus
from tests.integration.realtime.memory_log import MemoryLog
from tests.integration.realtime.node import (
    COMMANDER,
    MEMBERS,
    Client,
    Node,
    eventually,
    running_node,
)

BOB, CID, DEE = MEMBERS
BOT = Actor("bot@example.org", roles=frozenset({GlobalRole.SERVICE}))


@asynccontextmanager
async def _two_nodes(**parts: Any) -> AsyncIterator[tuple[Node, Node, str]]:
    log, bus = MemoryLog(), MemoryBus()
    async with running_node(log, bus, **parts) as one, running_node(log, bus, **parts) as two:
        yield one, two, await one.new_room()


async def _told_in_between(client: Client, kind: str) -> list[dict[str, Any]]:
    """The frames of a kind that come before the answer to a ping."""
    await client.send({"type": "ping", "ref": kind})
    told = []
    while (frame := await client.next())["type"] != "pong":
        if frame["type"] == kind:
            told.append(frame)
    return told


async def test_users_come_and_go_for_everybody_on_every_node():
    async with _two_nodes() as (one, two, room), one.client(room) as ann:
        assert (await ann.until("subscribed"))["online"] == [COMMANDER]
        assert await ann.until("presence") == {
            "type": "presence",
            "room_id": room,
            "joined": COMMANDER,
        }
        async with two.client(room, BOB) as bob, two.client(room, BOB):
            await bob.until("subscribed")
            assert (await ann.until("presence"))["joined"] == BOB
            await eventually(lambda: sorted(two.presence.online(room)) == [COMMANDER, BOB])
            async with one.client(room, CID) as cid:
                online = (await cid.until("subscribed"))["online"]
                assert sorted(online) == sorted([COMMANDER, BOB, CID])
                assert (await ann.until("presence"))["joined"] == CID
        left = [await ann.until("presence"), await ann.until("presence")]
        assert sorted(frame["left"] for frame in left) == sorted([BOB, CID])
        assert one.presence.online(room) == [COMMANDER]


async def test_a_reconnect_on_another_node_makes_no_stir():
    async with _two_nodes() as (one, two, room), one.client(room) as ann:
        async with one.client(room, BOB):
            await ann.until("presence", joined=BOB)
        async with two.client(room, BOB) as bob:
            await bob.until("subscribed")
            began_s = asyncio.get_running_loop().time()
            await eventually(lambda: asyncio.get_running_loop().time() > began_s + GRACE_S + 1)
            told = await _told_in_between(ann, "presence")
            assert [frame for frame in told if BOB in frame.values()] == []
            assert sorted(one.presence.online(room)) == sorted([COMMANDER, BOB])


async def test_a_node_that_comes_later_learns_who_is_there():
    log, bus = MemoryLog(), MemoryBus()
    async with running_node(log, bus) as one:
        room = await one.new_room()
        async with one.client(room) as ann, one.client(room, BOB):
            await ann.until("presence", joined=BOB)
            async with running_node(log, bus) as two:
                await eventually(lambda: sorted(two.presence.online(room)) == [COMMANDER, BOB])


async def test_what_was_lost_while_disconnected_is_made_good_and_nobody_is_given_up():
    async with _two_nodes() as (one, two, room), one.client(room) as ann:
        await ann.until("presence", joined=COMMANDER)
        one.bus.connected = False
        async with two.client(room, BOB) as bob:
            await bob.until("subscribed")
            began_s = asyncio.get_running_loop().time()
            await eventually(lambda: asyncio.get_running_loop().time() > began_s + GRACE_S + 1)
            assert one.presence.online(room) == [COMMANDER]
            assert sorted(two.presence.online(room)) == [COMMANDER, BOB]
            one.bus.connected = True
            await ann.until("presence", joined=BOB)


async def test_typing_is_told_on_every_node_and_expires():
    async with _two_nodes(typing_s=1) as (one, two, room):
        async with one.client(room) as ann, two.client(room, BOB) as bob:
            await ann.until("subscribed")
            await bob.until("subscribed")
            await bob.send({"type": "typing", "active": True})
            assert (await ann.until("typing"))["users"] == [BOB]
            assert one.presence.typists(room) == [BOB]
            assert (await ann.until("typing"))["users"] == []
            assert await _told_in_between(bob, "error") == []
        assert len(one.log.rooms[room]) == 4, "neither presence nor typing is in the log"


@pytest.mark.parametrize(
    "ending",
    [{"type": "send", "ref": "1", "content": "there"}, {"type": "typing", "active": False}],
    ids=["sent", "given up"],
)
async def test_typing_ends_with_the_message_or_when_it_is_given_up(ending: dict[str, Any]):
    async with (
        _two_nodes(typing_s=3600) as (one, two, room),
        one.client(room) as ann,
        two.client(room, BOB) as bob,
    ):
        await ann.until("subscribed")
        await bob.until("subscribed")
        await bob.send({"type": "typing", "active": True})
        assert (await ann.until("typing"))["users"] == [BOB]
        await bob.send(ending)
        assert (await ann.until("typing"))["users"] == []


async def test_who_may_not_send_may_not_type_nor_where_not_subscribed():
    async with _two_nodes() as (one, _, room):
        await one.rooms.put_member(
            Actor(COMMANDER), room, CID, rs.MemberUpdate(RoomRole.OBSERVER), None
        )
        async with one.client(room, CID) as cid, one.client(None, BOB) as bob:
            await cid.until("subscribed")
            await cid.send({"type": "typing", "active": True, "ref": "t"})
            error = await cid.until("error")
            assert (error["code"], error["ref"]) == ("forbidden", "t")
            await bob.send({"type": "typing", "active": True, "room_id": room})
            assert (await bob.until("error"))["code"] == "not_found"
        assert one.presence.typists(room) == []


async def test_a_thousand_typists_cost_a_handful_of_frames():
    async with _two_nodes() as (one, two, room), two.client(room) as ann:
        await ann.until("subscribed")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for _ in range(3):
            for number in range(1000):
                one.presence.types(room, f"u{number}", active=True)
            await asyncio.sleep(0)
        frames = 1
        while len((await ann.until("typing"))["users"]) < 1000:
            frames += 1
        assert frames <= (loop.time() - began_s) / FRAME_INTERVAL_S + 1
        assert sum(type(m).__name__ == "Typed" for m in one.bus.told) <= 3


async def test_the_mentioned_are_told_wherever_they_are_connected_but_not_the_author():
    async with (
        _two_nodes() as (one, two, room),
        one.client(room) as ann,
        two.client(None, BOB) as bob,
        one.client(None, BOB) as bob_too,
        two.client(None, CID) as cid,
    ):
        for client in (ann, bob, bob_too, cid):
            await client.until("hello")
        await ann.send({"type": "send", "ref": "1", "content": f"@bob and @{COMMANDER}, `@cid`"})
        ack = await ann.until("ack")
        for client in (bob, bob_too):
            told = await client.until("notification")
            assert told == {
                "type": "notification",
                "kind": "mention",
                "room_id": room,
                "sequence": ack["sequence"],
            }
        await ann.send({"type": "send", "ref": "2", "content": "@room"})
        second = await ann.until("ack", ref="2")
        assert (await cid.until("notification"))["sequence"] == second["sequence"]
        assert (await bob.until("notification"))["sequence"] == second["sequence"]
        assert await _told_in_between(ann, "notification") == []


async def test_members_are_told_when_they_are_added_and_removed():
    async with _two_nodes() as (one, two, room), two.client(None, "eve@example.org") as eve:
        await eve.until("hello")
        by = Actor(COMMANDER)
        for role in (RoomRole.OBSERVER, RoomRole.RESPONDER):
            await one.rooms.put_member(by, room, "eve@example.org", rs.MemberUpdate(role), None)
        await one.rooms.remove_member(by, room, "eve@example.org", None)
        told = [await eve.until("notification") for _ in range(2)]
        assert [frame["kind"] for frame in told] == ["added", "removed"]
        assert told[1]["sequence"] == one.log.head(room)
        made = await one.rooms.create_room(
            by,
            rs.RoomCreate("other", members=[rs.NewMember("eve@example.org", RoomRole.OBSERVER)]),
            None,
        )
        assert (await eve.until("notification"))["room_id"] == made.room_id


async def test_a_notice_reaches_every_connection_once_however_often_it_is_sent():
    async with (
        _two_nodes() as (one, two, room),
        one.client(room) as ann,
        two.client(None, "eve@example.org") as eve,
    ):
        await ann.until("hello")
        await eve.until("hello")
        notice = rs.BroadcastRequest("restart at noon")
        first, repeated = await one.notices.broadcast(BOT, notice, "key")
        assert not repeated
        assert await one.notices.broadcast(BOT, notice, "key") == (first, True)
        # As one sends it who does not know that it was sent.
        await two.bus.broadcast(PublicNotice(first, Notice(content=notice.content)))
        await two.notices.broadcast(BOT, rs.BroadcastRequest("done"), None)
        for client in (ann, eve):
            told = [(await client.until("notice"))["content"] for _ in range(2)]
            assert told == ["restart at noon", "done"]


async def test_a_notice_is_for_services_and_admins_and_has_a_content():
    node = Node(MemoryLog())
    heard: list[Notice] = []
    node.notices.on_public(heard.append)
    for actor, content, code in (
        (Actor(COMMANDER), "x", ErrorCode.FORBIDDEN),
        (BOT, " \n", ErrorCode.INVALID),
        (BOT, "x" * 20_000, ErrorCode.TOO_LARGE),
    ):
        with pytest.raises(RefusedError) as refused:
            await node.notices.broadcast(actor, rs.BroadcastRequest(content), None)
        assert refused.value.code is code
    await node.bus.broadcast(PublicNotice("1", Notice(content="heard")))
    await eventually(lambda: [notice.content for notice in heard] == ["heard"])


async def test_markers_are_written_at_once_then_once_a_second_and_at_the_end():
    async with _two_nodes() as (one, _, room):
        written: list[int] = []
        advance = one.markers.advance

        async def counted(user_id: str, room_id: str, sequence: int) -> None:
            written.append(sequence)
            await advance(user_id, room_id, sequence)

        one.markers.advance = counted  # type: ignore[method-assign]
        one.put_messages(room, 500)
        one.log.deliver(room)
        head = one.log.head(room)
        async with one.client(room) as ann:
            await ann.until("subscribed")
            for sequence in range(1, head + 1):
                await ann.send({"type": "seen", "sequence": sequence})
            await ann.send({"type": "seen", "sequence": head + 1, "ref": "beyond"})
            assert (await ann.until("error"))["ref"] == "beyond"
            await ann.send({"type": "seen", "sequence": 1})
        await eventually(lambda: one.markers.markers[COMMANDER] == {room: head})
        assert written == sorted(written)
        assert len(written) <= 20

"""`/ws/{room_id}`: what is said on it, and in which order."""

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from roomlog.core.admission import Patience
from roomlog.core.policy import Actor
from roomlog.realtime.connection import COMMANDS_IN_FLIGHT_MAX
from roomlog.realtime.on_record import record_followers
from roomlog.services import identity
from roomlog.services.readers import Readers
from roomlog.services.trail import Trail
from roomlog_contract import resources as rs
from roomlog_contract.types import RoomRole
from tests.integration.realtime.node import (
    COMMANDER,
    MEMBERS,
    Client,
    Node,
    assert_chain,
    eventually,
    message,
    running_node,
    token,
)


async def test_a_connection_without_after_begins_with_hello_and_subscribed_and_then_is_live():
    async with running_node(limits={"text_bytes": 10240}) as node:
        room = await node.new_room()
        async with node.client(room) as client:
            hello, subscribed = await client.next(), await client.next()
            assert hello["type"] == "hello"
            assert hello["user_id"] == COMMANDER
            assert hello["heartbeat_seconds"] == 30
            assert hello["limits"]["text_bytes"] == 10240
            assert subscribed == {
                "type": "subscribed",
                "room_id": room,
                "epoch": "epoch-1",
                "head": node.log.head(room),
                "role": "commander",
                "resumed": False,
                "online": [COMMANDER],
            }
            await client.send({"type": "send", "ref": "1", "content": "smoke"})
            ack = await client.until("ack")
            assert ack["ref"] == "1"
            assert ack["sequence"] == node.log.head(room)
            assert ack["room_id"] == room
            assert ack["duplicate"] is False
            if not client.events:
                await client.until("event")
            (event,) = client.events
            assert event["sequence"] == ack["sequence"]
            assert event["prev_sequence"] == subscribed["head"]
            assert event["event"]["content"] == "smoke"
            assert event["event"]["message_id"] == ack["message_id"]
            assert "content_html" not in event["event"]


async def test_everyone_in_the_room_receives_the_same_events():
    async with running_node() as node:
        room = await node.new_room()
        async with AsyncExitStack() as clients:
            ann = await clients.enter_async_context(node.client(room))
            assert (await ann.until("subscribed"))["online"] == [COMMANDER]
            bob = await clients.enter_async_context(node.client(room, MEMBERS[0]))
            subscribed = await bob.until("subscribed")
            assert subscribed["online"] == [COMMANDER, MEMBERS[0]]
            assert subscribed["role"] == "responder"
            for number in range(20):
                frame = {"type": "send", "ref": str(number), "content": f"n{number}"}
                await (ann if number % 2 else bob).send(frame)
            for client in (ann, bob):
                while len(client.events) < 20:
                    await client.next()
            assert ann.events == bob.events


async def test_after_zero_replays_every_event_and_then_says_live():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 3000)
        head = node.log.head(room)
        async with node.client(room, after=0, epoch="epoch-1") as client:
            assert (await client.until("subscribed"))["resumed"] is True
            live = await client.until("live")
            assert live["sequence"] == head
            assert [e["sequence"] for e in client.events] == [
                e.sequence for e in node.log.rooms[room]
            ]
            assert_chain(client.events, 0)


@pytest.mark.parametrize("query", [{"after": 0, "epoch": "another"}, {"after": 10**6}])
async def test_what_cannot_be_resumed_goes_on_live_from_the_head(query: dict[str, object]):
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room, **query) as client:
            subscribed = await client.until("subscribed")
            assert subscribed["resumed"] is False
            assert subscribed["head"] == node.log.head(room)
            await client.send({"type": "send", "ref": "1", "content": "on"})
            event = await client.until("event")
            assert event["prev_sequence"] == subscribed["head"]


async def test_resuming_at_any_sequence_gives_the_suffix():
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    async with running_node() as node:
        room, other = await node.new_room(), await node.new_room()
        for _ in range(300):
            target = room if rng.random() < 0.5 else other
            node.put_messages(target, 1)
        node.log.deliver(room)
        sequences = [e.sequence for e in node.log.rooms[room]]
        for after in [0, sequences[-1], *rng.sample(range(sequences[-1]), 12)]:
            async with node.client(room, after=after) as client:
                await client.until("live")
                got = [e["sequence"] for e in client.events]
                assert got == [s for s in sequences if s > after], f"seed {seed}, after {after}"
                assert_chain(client.events, after)


@pytest.mark.parametrize("feed_delay_s", [0.0, 0.03])
async def test_a_long_replay_while_messages_go_on_has_no_hole_and_no_double(feed_delay_s: float):
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 20_000)
        await node.room_cache.open(room)
        node.log.feed_delay_s = feed_delay_s
        stop = asyncio.Event()

        async def talk() -> None:
            started, said = time.monotonic(), 0
            while not stop.is_set():
                due = int((time.monotonic() - started) * 1000)
                node.put_messages(room, due - said)
                node.log.deliver(room)
                said = due
                await asyncio.sleep(0.002)

        talking = asyncio.create_task(talk())
        try:
            async with node.client(room, after=0) as client:
                live = await client.until("live")
                assert live["sequence"] > 20_000
                replayed = len(client.events)
                while len(client.events) < replayed + 500:
                    await client.next()
                stop.set()
                await talking
                head = node.log.head(room)
                while client.events[-1]["sequence"] < head:
                    await client.next()
                expected = [e.sequence for e in node.log.rooms[room]]
                assert [e["sequence"] for e in client.events] == expected
                assert_chain(client.events, 0)
        finally:
            stop.set()
            await talking


async def test_a_client_that_is_cut_off_again_and_again_misses_nothing():
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    async with running_node() as node:
        room = await node.new_room()
        seen: list[dict[str, object]] = []
        stop = asyncio.Event()

        async def talk() -> None:
            while not stop.is_set():
                node.put_messages(room, 5)
                node.log.deliver(room)
                await asyncio.sleep(0.001)

        talking = asyncio.create_task(talk())
        try:
            while len(seen) < 2000:
                after = int(str(seen[-1]["sequence"])) if seen else 0
                async with node.client(room, after=after) as client:
                    for _ in range(rng.randrange(1, 400)):
                        await client.next()
                    assert_chain(client.events, after)
                    seen += client.events
                    client.websocket.transport.abort()
        finally:
            stop.set()
            await talking
        expected = [e.sequence for e in node.log.rooms[room]][: len(seen)]
        assert [e["sequence"] for e in seen] == expected, f"seed {seed}"


async def test_events_that_cannot_be_read_leave_no_gap_in_the_chain():
    async with running_node() as node:
        room = await node.new_room()
        await node.room_cache.open(room)
        for number in range(40):
            node.put_messages(room, 3)
            node.log.put(room, b"not an event")
            if number % 2:
                node.log.deliver(room)
        async with node.client(room, after=0) as client:
            await client.until("live")
            node.log.put(room, b"not an event")
            node.log.deliver(room)
            node.put_messages(room, 1)
            node.log.deliver(room)
            while len(client.events) < 4 + 120 + 1:
                await client.next()
            assert_chain(client.events, 0)


async def test_only_who_asks_for_html_gets_it_replayed_and_live():
    async with running_node() as node:
        room = await node.new_room()
        node.log.put(room, message(room, "*old* <b>"))
        async with (
            node.client(room, after=0, html="true") as shown,
            node.client(room, after=0) as plain,
        ):
            await shown.until("live")
            await plain.until("live")
            await plain.send({"type": "send", "ref": "1", "content": "**new**"})
            await shown.until("event")
            await plain.until("event")
            assert [e["event"].get("content_html") for e in shown.events[-2:]] == [
                "<p><em>old</em> &lt;b&gt;</p>",
                "<p><strong>new</strong></p>",
            ]
            assert all("content_html" not in e["event"] for e in plain.events)


async def test_sends_are_appended_in_the_order_in_which_they_came():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            frames = [
                {
                    "type": "send",
                    "ref": str(n),
                    "content": f"n{n}",
                    **({"idempotency_key": identity.new_id()} if n % 3 else {}),
                }
                for n in range(500)
            ]
            await client.send(*frames[:250])
            for frame in frames[250:]:
                await client.send(frame)
            while len(client.events) < 500:
                await client.next()
            assert [e["event"]["content"] for e in client.events] == [f"n{n}" for n in range(500)]


async def _send_held_back(node: Node, client: Client) -> asyncio.Event:
    """Send as ref 0 what is appended and seen by all, and not acked before the event is set."""
    node.log.appends_held = held = asyncio.Event()
    await client.send({"type": "send", "ref": "0", "content": "slow"})
    await client.until("event")
    node.log.appends_held = None
    return held


async def test_sends_are_acked_in_their_order_whichever_is_known_first():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            held = await _send_held_back(node, client)
            refused = {"type": "send", "ref": "2", "content": ""}
            await client.send({"type": "send", "ref": "1", "content": "fast"}, refused)
            await client.until("event")
            await client.send({"type": "ping", "ref": "ping"})
            assert (await client.next())["ref"] == "ping"
            held.set()
            answers = [await client.next() for _ in range(3)]
            assert [(a["type"], a["ref"]) for a in answers] == [
                ("ack", "0"),
                ("ack", "1"),
                ("error", "2"),
            ]
            assert answers[0]["sequence"] < answers[1]["sequence"]


async def test_what_waited_too_long_is_turned_away_for_certain_and_in_its_place():
    # So little patience that of a flood at once some must wait for longer, on whatever machine.
    async with running_node(patience=Patience(0.005)) as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            sends = [{"type": "send", "ref": str(n), "content": f"no {n}"} for n in range(2000)]
            await client.send(*sends)
            answers: list[dict[str, Any]] = []
            while len(answers) < len(sends):
                if (frame := await client.next())["type"] in {"ack", "error"}:
                    answers.append(frame)

    assert [one["ref"] for one in answers] == [str(n) for n in range(len(sends))]
    acked = [one for one in answers if one["type"] == "ack"]
    refused = [one for one in answers if one["type"] == "error"]
    assert acked
    assert refused
    for one in refused:
        assert one["code"] == "log_unavailable"
        assert one["retry_after"] == 1.0
        assert one["detail"].endswith("nothing of this was taken")
    logged = [event for event in node.log.rooms[room] if b"message.sent" in event.data]
    assert [e.sequence for e in logged] == [one["sequence"] for one in acked]


async def test_only_what_writes_is_turned_away_where_it_waited_too_long():
    async with running_node() as node:
        room = await node.new_room()
        about = {"message_id": str(uuid4()), "room_id": room}
        async with node.client(room) as client:
            await client.until("subscribed")
            [connection] = node.manager.connections
            before = len(node.log.rooms[room])
            for asked in (
                {"type": "send", "content": "x"},
                {"type": "edit", **about, "content": "x"},
                {"type": "delete", **about},
                {"type": "react", **about, "emoji": "x"},
                {"type": "unreact", **about, "emoji": "x"},
            ):
                connection.take(json.dumps({**asked, "ref": asked["type"]}), late=True)
                told = await client.until("error", ref=asked["type"])
                assert (told["code"], told["room_id"]) == ("log_unavailable", room)
            connection.take(json.dumps({"type": "subscribe", "ref": "s", "after": 0}), late=True)
            await client.until("subscribed", ref="s")
            connection.take(json.dumps({"type": "ping", "ref": "p"}), late=True)
            await client.until("pong", ref="p")
            assert len(node.log.rooms[room]) == before


async def test_answers_that_wait_for_one_before_them_count_as_under_way():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            held = await _send_held_back(node, client)
            [connection] = node.manager.connections
            await client.send(
                *({"type": "send", "ref": str(n), "content": ""} for n in range(1, 1000))
            )
            await eventually(lambda: connection._lanes.full)
            assert len(connection._sends._answers._expected) == COMMANDS_IN_FLIGHT_MAX
            held.set()
            answers: list[dict[str, Any]] = []
            while len(answers) < 1000:
                if (frame := await client.next())["type"] in {"ack", "error"}:
                    answers.append(frame)
    assert [one["ref"] for one in answers] == [str(n) for n in range(1000)]


async def test_with_64_commands_under_way_pongs_are_still_seen():
    async with running_node(heartbeat_s=0.2) as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            node.log.appends_held = asyncio.Event()
            for n in range(200):
                await client.send({"type": "send", "ref": str(n), "content": "held"})
            before = node.log.sequence
            await eventually(lambda: len(node.log.rooms[room]) == 4 + 64)
            await asyncio.sleep(1)  # several heartbeats: the bound and the connection must hold
            assert len(node.log.rooms[room]) == 4 + 64
            assert node.log.sequence >= before
            node.log.appends_held.set()
            refs = {(await client.until("ack"))["ref"] for _ in range(200)}
            assert refs == {str(n) for n in range(200)}


async def test_what_waits_unread_for_commands_under_way_is_bounded_and_no_reason_to_cut_off():
    async with running_node(heartbeat_s=2) as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            assert node.server is not None
            (peer,) = node.server.server_state.connections
            node.log.appends_held = asyncio.Event()
            frame = "\n".join(
                [json.dumps({"type": "send", "ref": "r", "content": "x" * 9000})] * 50
            )

            async def flood() -> None:
                for _ in range(40):
                    await client.websocket.send(frame)

            flooding = asyncio.create_task(flood())
            await eventually(lambda: peer.read_paused)
            # A pong may be among what is held back, so that the heartbeat waits too.
            await eventually(lambda: peer._held_pings > 0)
            assert peer.read_paused
            assert peer._inbox_bytes < 2 << 20
            assert not flooding.done()
            node.log.appends_held.set()
            for _ in range(2000):
                await client.until("ack")
            await flooding


async def test_a_ping_is_answered_with_the_head_that_was_delivered():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            await client.send(
                {"type": "send", "ref": "1", "content": "x"}, {"type": "ping", "ref": "p"}
            )
            pong = await client.until("pong", ref="p")
            assert pong["heads"][room] in {node.log.head(room), node.log.head(room) - 1}
            await client.send({"type": "ping"})
            pong = await client.until("pong")
            assert pong == {"type": "pong", "heads": {room: node.log.head(room)}}
            assert client.events[-1]["sequence"] == node.log.head(room)


async def test_seen_moves_the_read_marker_and_not_beyond_the_head():
    async with running_node() as node:
        room = await node.new_room()
        head = node.log.head(room)
        async with node.client(room) as client:
            await client.send({"type": "seen", "sequence": head})
            await eventually(lambda: node.markers.markers.get(COMMANDER) == {room: head})
            await client.send({"type": "seen", "sequence": head + 5, "ref": "s"})
            error = await client.until("error")
            assert (error["code"], error["field"], error["ref"]) == ("invalid", "sequence", "s")


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ({"type": "dance", "ref": "r"}, "unknown_type", "type"),
        ({"type": "send", "ref": "r"}, "invalid", "content"),
        ({"type": "send", "ref": "r", "content": 5}, "invalid", "content"),
        ({"type": "send", "ref": "r", "content": ""}, "invalid", "content"),
        (
            {"type": "send", "ref": "r", "content": "a", "room_id": str(uuid4())},
            "invalid",
            "room_id",
        ),
        (
            {"type": "send", "ref": "r", "content": "a", "message_type": "x"},
            "invalid",
            "message_type",
        ),
        ({"type": "seen", "ref": "r", "sequence": -1}, "invalid", "sequence"),
        ({"type": "send", "ref": "r", "content": "a" * 20_000}, "too_large", "content"),
        ({"type": "auth", "ref": "r", "token": "nonsense"}, "unauthenticated", None),
    ],
)
async def test_a_frame_that_cannot_be_is_answered_with_why(
    frame: dict[str, object], code: str, field: str | None
):
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.send(frame)
            error = await client.until("error")
            assert (error["code"], error.get("field"), error["ref"]) == (code, field, "r")
            await client.send({"type": "ping"})
            await client.until("pong")


async def test_an_observer_may_listen_but_not_send():
    async with running_node() as node:
        room = await node.new_room()
        await node.rooms.put_member(
            Actor(COMMANDER), room, "eve@example.org", rs.MemberUpdate(RoomRole.OBSERVER), None
        )
        async with node.client(room, "eve@example.org") as client:
            assert (await client.until("subscribed"))["role"] == "observer"
            await client.send({"type": "send", "ref": "1", "content": "hi"})
            assert (await client.until("error"))["code"] == "forbidden"


async def test_an_auditor_who_is_no_member_reads_along():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room, "aud@example.org", roles=("auditor",), after=0) as client:
            assert (await client.until("subscribed"))["role"] is None
            await client.until("live")
            assert len(client.events) == 4
        assert node.trail.of("aud@example.org") == ["room.followed"]
        assert node.trail.of(COMMANDER) == []
        (record,) = node.trail.records
        assert (record.room_id, record.roles) == (room, ["auditor"])
        assert record.until is not None


async def test_who_can_not_be_put_on_the_audit_trail_does_not_read_along():
    async with running_node() as node:
        room = await node.new_room()
        node.trail.away = True
        async with node.client(room, "aud@example.org", roles=("auditor",), after=0) as client:
            assert (await client.closed())[0] == 4001
            assert client.events == []
        async with node.client(room) as client:
            await client.until("subscribed")


async def test_who_goes_on_reading_along_is_recorded_anew_or_closed():
    async with running_node() as node:
        room = await node.new_room()
        async with (
            node.client(room, "aud@example.org", roles=("auditor",)) as auditor,
            node.client(room) as member,
        ):
            await auditor.until("subscribed")
            await member.until("subscribed")
            await record_followers(node.manager, node.events)
            assert len(node.trail.stored) == 1

            trail = Trail(node.trail, identity.SystemClock(), span_s=0)
            node.events.readers = Readers(node.room_cache, trail)
            await record_followers(node.manager, node.events)
            assert node.trail.of("aud@example.org") == ["room.followed"] * 2

            node.trail.away = True
            await record_followers(node.manager, node.events)
            assert (await auditor.closed())[0] == 4001
            await member.send({"type": "ping"})
            await member.until("pong")


async def test_an_auditor_whose_membership_ends_reads_on_only_with_a_record():
    async with running_node() as node:
        room = await node.new_room()
        user, update = "aud@example.org", rs.MemberUpdate(RoomRole.OBSERVER)
        await node.rooms.put_member(Actor(COMMANDER), room, user, update, None)
        async with node.client(room, user, roles=("auditor",)) as client:
            await client.until("subscribed")
            assert node.trail.stored == []
            await node.rooms.remove_member(Actor(COMMANDER), room, user, None)
            assert (await client.closed())[0] == 4503
        async with node.client(room, user, roles=("auditor",)) as client:
            await client.until("subscribed")
        assert node.trail.of(user) == ["room.followed"]


async def test_when_the_log_is_away_a_send_is_refused_and_the_connection_goes_on():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            node.log.gone = True
            await client.send({"type": "send", "ref": "1", "content": "hi"})
            error = await client.until("error")
            assert error["code"] == "log_unavailable"
            assert error["retry_after"] > 0
            node.log.gone = False
            await client.send({"type": "send", "ref": "2", "content": "hi"})
            await client.until("ack")


async def test_when_the_log_is_away_a_replay_ends_with_4001():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 10)
        node.log.deliver(room)
        await node.room_cache.open(room)
        node.log.gone = True
        async with node.client(room, after=0) as client:
            assert (await client.closed())[0] == 4001


async def test_several_objects_in_one_frame_either_way_are_single_lines():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            node.put_messages(room, 50)
            node.log.deliver(room)
            text = await client.websocket.recv()
            assert isinstance(text, str)
            lines = text.split("\n")
            assert len(lines) == 50
            assert all(json.loads(line)["type"] == "event" for line in lines)


async def test_auth_replaces_a_token_that_ends():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room) as client:
            await client.until("subscribed")
            await client.send({"type": "auth", "token": token(ttl_s=1.2), "ref": "a"})
            await client.send({"type": "auth", "token": token(MEMBERS[0]), "ref": "b"})
            error = await client.until("error")
            assert (error["code"], error["ref"]) == ("forbidden", "b")
            assert (await client.closed())[0] == 4501

"""`/ws`: many rooms on one connection."""

from uuid import uuid4

from roomlog.realtime.connection import SUBSCRIPTIONS_MAX
from tests.integration.realtime.node import (
    COMMANDER,
    MEMBERS,
    assert_chain,
    eventually,
    running_node,
)


async def test_rooms_are_subscribed_and_left_one_by_one():
    async with running_node() as node:
        rooms = [await node.new_room() for _ in range(3)]
        async with node.client(None) as client:
            assert (await client.next())["type"] == "hello"
            for number, room in enumerate(rooms):
                node.put_messages(room, 300)
                await client.send(
                    {"type": "subscribe", "room_id": room, "ref": f"s{number}", "after": 0}
                )
            lives = {}
            while len(lives) < 3:
                live = await client.until("live")
                lives[live["room_id"]] = live["sequence"]
            assert lives == {room: node.log.head(room) for room in rooms}
            for room in rooms:
                assert_chain([e for e in client.events if e["room_id"] == room], 0)
            await client.send({"type": "ping"})
            assert (await client.until("pong"))["heads"] == lives

            await client.send({"type": "unsubscribe", "room_id": rooms[0], "ref": "u"})
            left = await client.until("unsubscribed")
            assert (left["room_id"], left["ref"]) == (rooms[0], "u")
            client.events.clear()
            for room in rooms:
                node.put_messages(room, 1)
                node.log.deliver(room)
            while len(client.events) < 2:
                await client.next()
            assert [e["room_id"] for e in client.events] == rooms[1:]
            await client.send({"type": "ping"})
            assert list((await client.until("pong"))["heads"]) == rooms[1:]
        await eventually(lambda: not node.manager.channels)


async def test_commands_name_their_room():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(None) as client:
            await client.send({"type": "send", "ref": "1", "content": "where?"})
            error = await client.until("error")
            assert (error["code"], error["field"]) == ("invalid", "room_id")
            await client.send({"type": "send", "ref": "2", "content": "here", "room_id": room})
            ack = await client.until("ack")
            assert (ack["ref"], ack["sequence"]) == ("2", node.log.head(room))


async def test_a_room_that_may_not_be_read_or_is_none_is_refused_and_the_connection_goes_on():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(None, "eve@example.org") as client:
            for asked, code in ((room, "forbidden"), (str(uuid4()), "not_found"), ("x", "invalid")):
                await client.send({"type": "subscribe", "room_id": asked, "ref": "s"})
                error = await client.until("error")
                assert (error["code"], error["ref"], error["room_id"]) == (code, "s", asked)
            await client.send({"type": "unsubscribe", "room_id": room, "ref": "u"})
            assert (await client.until("error"))["code"] == "not_found"
        assert not node.manager.channels


async def test_subscribing_again_begins_anew_also_in_the_middle_of_a_replay():
    async with running_node() as node:
        room = await node.new_room()
        node.put_messages(room, 5000)
        async with node.client(None) as client:
            await client.send({"type": "subscribe", "room_id": room, "after": 0, "ref": "1"})
            await client.until("subscribed", ref="1")
            await client.send({"type": "subscribe", "room_id": room, "after": 4000, "ref": "2"})
            await client.until("subscribed", ref="2")
            client.events.clear()
            await client.until("live")
            assert_chain(client.events, 4000)
            assert client.events[0]["sequence"] == 4001
            assert client.events[-1]["sequence"] == node.log.head(room)


async def test_one_connection_has_only_so_many_rooms():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(None) as client:
            await client.until("hello")
            (connection,) = node.manager.connections
            connection.subscriptions.update(
                {str(n): None for n in range(SUBSCRIPTIONS_MAX)}  # type: ignore[misc]
            )
            await client.send({"type": "subscribe", "room_id": room, "ref": "s"})
            assert (await client.until("error"))["code"] == "invalid"
            connection.subscriptions.clear()


async def test_the_manager_finds_connections_by_room_and_by_user():
    from roomlog_contract.frames import Notice, TypingUsers

    async with running_node() as node:
        room = await node.new_room()
        async with (
            node.client(room) as ann,
            node.client(None, MEMBERS[0]) as bob,
            node.client(room, MEMBERS[0]) as bob_too,
        ):
            await ann.until("subscribed")
            await bob.until("hello")
            await bob_too.until("subscribed")
            users = [s.actor.user_id for s in node.manager.get_room_connections(room)]
            assert sorted(users) == sorted([COMMANDER, MEMBERS[0]])
            assert node.manager.send_personal(MEMBERS[0], Notice(content="you")) == 2
            assert node.manager.send_personal("nobody@example.org", Notice(content="you")) == 0
            node.manager.broadcast_to_room(room, TypingUsers(room_id=room, users=[COMMANDER]))
            for client in (bob, bob_too):
                assert (await client.until("notice"))["content"] == "you"
            for client in (ann, bob_too):
                assert (await client.until("typing"))["users"] == [COMMANDER]
        await eventually(lambda: not node.manager.connections)
        assert node.manager.get_room_connections(room) == []


async def test_the_only_subscriber_of_a_room_may_subscribe_again_and_stays_live():
    async with running_node() as node:
        room = await node.new_room()
        async with node.client(room, after=0) as client:
            await client.until("live")
            await client.send({"type": "subscribe", "ref": "again", "html": True})
            await client.until("subscribed", ref="again")
            await client.send({"type": "send", "ref": "1", "content": "still here"})
            event = await client.until("event")
            assert event["event"]["content_html"] == "<p>still here</p>"
            await client.send({"type": "ping"})
            assert (await client.until("pong"))["heads"] == {room: event["sequence"]}
            assert client.events.count(event) == 1

"""What others did while a client was away may leave no place for what it was about to say: whoever
said it is told, with the reason, and what stands behind it goes on."""

import asyncio
from pathlib import Path

import httpx
import pytest

from roomlog_client import RefusedError, Room, RoomlogClient, Signal, State, UnsentError
from roomlog_client.core.effects import Acked, Refused
from roomlog_client.queue_file import QueueFile
from tests.integration.client.following import ADA, BOB, create_room, logged_events, until
from tests.stack import Stack


async def _close_room(stack: Stack, room_id: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.patch(
            f"{stack.base_url}/api/rooms/{room_id}",
            headers=stack.headers(ADA),
            json={"status": "closed"},
        )
    assert answer.status_code == 200, answer.text


async def _contents(stack: Stack, room_id: str) -> list[str]:
    log = await logged_events(stack, room_id)
    return [e.event.content for e in log if e.event.type == "message.sent"]


async def _ask_offline(
    client: RoomlogClient, room: Room, message_id: str
) -> list["asyncio.Task[object]"]:
    """An edit, a message and a reaction, asked for in this order without a connection."""
    # The ack of what was said before may come ahead of its event.
    await until(lambda: not room.pending, "nothing pending")
    client.offline()
    await client.wait_for(State.OFFLINE)
    asked: list[asyncio.Task[object]] = []
    for work in (
        room.edit(message_id, "meant otherwise"),
        room.send("a word from the tunnel"),
        room.react(message_id, "👍"),
    ):
        asked.append(asyncio.create_task(work))
        await until(lambda: len(room.pending) == len(asked), "pending")
    return asked


async def test_an_edit_of_what_was_deleted_meanwhile_is_refused_and_the_rest_goes_on(
    stack: Stack,
):
    async with (
        RoomlogClient(stack.base_url, token=stack.token(ADA)) as ada,
        RoomlogClient(stack.base_url, token=stack.token(BOB)) as bob,
    ):
        room = await bob.room(await create_room(ada))
        mine = await room.send("in doubt")
        asked = await _ask_offline(bob, room, mine.message_id)
        await (await ada.room(room.room_id)).delete(mine.message_id)
        bob.online()

        edit, send, react = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(edit, RefusedError)
    assert isinstance(react, RefusedError)
    assert edit.code == react.code == "already_deleted"
    assert not isinstance(send, BaseException)
    assert await _contents(stack, room.room_id) == ["in doubt", "a word from the tunnel"]


async def test_what_was_said_to_a_room_that_was_closed_meanwhile_is_refused(stack: Stack):
    async with (
        RoomlogClient(stack.base_url, token=stack.token(ADA)) as ada,
        RoomlogClient(stack.base_url, token=stack.token(BOB)) as bob,
    ):
        room = await bob.room(await create_room(ada))
        mine = await room.send("the last word")
        asked = await _ask_offline(bob, room, mine.message_id)
        await _close_room(stack, room.room_id)
        bob.online()

        _, send, _ = await asyncio.gather(*asked, return_exceptions=True)

        assert isinstance(send, RefusedError)
        assert send.code == "room_closed"
        await until(lambda: not room.pending, "nothing is pending")
    assert await _contents(stack, room.room_id) == ["the last word"]


async def test_what_an_earlier_run_left_and_is_refused_is_told_as_a_signal(
    stack: Stack, tmp_path: Path
):
    queue_file = tmp_path / "queue"
    async with RoomlogClient(stack.base_url, token=stack.token(ADA)) as ada:
        room_id = await create_room(ada)
    async with RoomlogClient(
        stack.base_url, token=stack.token(BOB), queue_file=queue_file
    ) as before:
        room = await before.room(room_id)
        mine = await room.send("the last word")
        asked = await _ask_offline(before, room, mine.message_id)
    for task in asked:
        with pytest.raises(UnsentError) as unsent:
            await task
        assert (unsent.value.kept, unsent.value.maybe_sent) == (True, False)
    await _close_room(stack, room_id)

    signals: list[Signal] = []
    async with RoomlogClient(
        stack.base_url, token=stack.token(BOB), queue_file=queue_file, on_signal=signals.append
    ):
        await until(
            lambda: len([one for one in signals if isinstance(one, Acked | Refused)]) == 3,
            "each is told of",
        )

    refused = [one.code for one in signals if isinstance(one, Refused)]
    assert "room_closed" in refused
    assert await _contents(stack, room_id) == ["the last word"]
    # The next client has nothing to send.
    left = QueueFile(queue_file)
    left.close()
    assert not left.items

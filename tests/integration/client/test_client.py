"""The Python client against a real server, each promise of its guide by itself."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from roomlog_client import (
    ClosedError,
    QueueFileError,
    RefusedError,
    Reload,
    Room,
    RoomEndedError,
    RoomlogClient,
    RoomView,
    Signal,
    State,
    UnavailableError,
    UnsentError,
)
from roomlog_client.room import BUFFERED_EVENTS_MAX
from roomlog_contract import frames as fr
from tests.integration.client.following import ADA, BOB, create_room, logged_events, until
from tests.integration.client.proxy import faulty_proxy
from tests.stack import Stack


@pytest.fixture
async def ada(stack: Stack) -> AsyncIterator[RoomlogClient]:
    async with RoomlogClient(stack.base_url, token=stack.token(ADA)) as client:
        yield client


@pytest.fixture
async def bob(stack: Stack) -> AsyncIterator[RoomlogClient]:
    async with RoomlogClient(stack.ws_url, token=lambda: stack.token(BOB)) as client:
        yield client


async def _next(room: Room, count: int) -> list[fr.MessageBroadcast]:
    async with asyncio.timeout(30):
        return [await anext(room) for _ in range(count)]


async def test_every_command_returns_at_its_ack_with_its_place_in_the_log(
    stack: Stack, ada: RoomlogClient
):
    room = await ada.room(await create_room(ada))
    sent = await room.send("hello", metadata={"a": 1})
    edited = await room.edit(sent.message_id, "hello!", expected_version=sent.sequence)
    reacted = await room.react(sent.message_id, "👍")
    again = await room.react(sent.message_id, "👍")
    taken_back = await room.unreact(sent.message_id, "👍")
    deleted = await room.delete(sent.message_id, reason="a test")

    log = await logged_events(stack, room.room_id)
    told = [sent, edited, reacted, again, taken_back, deleted]
    assert [one.sequence for one in told] == [
        e.sequence for e in log if e.sequence >= sent.sequence
    ]
    assert [one.duplicate for one in told] == [False, False, False, True, False, False]
    assert {one.message_id for one in told} == {sent.message_id}
    events = await _next(room, 6)
    assert [e.event.type for e in events] == [
        *("message.sent", "message.edited", "reaction.added", "reaction.added"),
        *("reaction.removed", "message.deleted"),
    ]
    with pytest.raises(RefusedError) as refused:
        await room.edit(sent.message_id, "too late")
    assert refused.value.code == "already_deleted"


async def test_what_no_server_would_take_is_refused_at_once(ada: RoomlogClient):
    room = await ada.room(await create_room(ada))
    for content, more, code in [
        ("x" * 1_000_001, {}, "too_large"),
        ("\ud800", {}, "invalid"),
        ("x", {"metadata": {"x": object()}}, "invalid"),
        ("x", {"idempotency_key": ""}, "invalid"),
    ]:
        with pytest.raises(RefusedError) as refused:
            await room.send(content, **more)
        assert refused.value.code == code
    assert not room.pending
    await room.send("still well")


async def test_one_key_is_one_message(stack: Stack, ada: RoomlogClient):
    room = await ada.room(await create_room(ada))
    first = room.send("alert", idempotency_key="alert-1")
    one, other = await asyncio.gather(first, room.send("alert", idempotency_key="alert-1"))
    later = await room.send("alert", idempotency_key="alert-1")

    assert one == other
    assert (later.sequence, later.duplicate) == (one.sequence, True)
    with pytest.raises(RefusedError) as refused:
        await room.send("another", idempotency_key="alert-1")
    assert refused.value.code == "idempotency_mismatch"


async def test_a_room_that_may_not_be_read_or_is_not_there_is_refused(
    stack: Stack, ada: RoomlogClient
):
    room_id = await create_room(ada)
    async with RoomlogClient(stack.base_url, token=stack.token("eve@example.org")) as eve:
        with pytest.raises(RoomEndedError) as ended:
            await eve.room(room_id, after=0)
        assert ended.value.code == "forbidden"
        with pytest.raises(RoomEndedError) as ended:
            await eve.room("018f0000-0000-7000-8000-000000000009")
        assert ended.value.code == "not_found"
        with pytest.raises(ValueError, match="badly formed"):
            await eve.room("payments")


async def test_a_membership_that_ends_ends_the_room_and_it_can_be_joined_anew(
    stack: Stack, ada: RoomlogClient, bob: RoomlogClient
):
    room_id = await create_room(ada)
    there = await bob.room(room_id)
    path = f"/api/rooms/{room_id}/members/{BOB}"
    headers = stack.headers(ADA)

    await asyncio.to_thread(_request, "DELETE", stack.base_url + path, headers)
    with pytest.raises(RoomEndedError) as ended:
        [event async for event in there]
    assert ended.value.code == "forbidden"
    with pytest.raises(RefusedError) as refused:
        await there.send("am I still in?")
    assert refused.value.code == "forbidden"

    await asyncio.to_thread(_request, "PUT", stack.base_url + path, headers, {"role": "responder"})
    again = await bob.room(room_id, after=there.position)
    assert [e.event.type for e in await _next(again, 1)] == ["member.added"]


def _request(method: str, url: str, headers: dict[str, str], body: object = None) -> None:
    import httpx

    httpx.request(method, url, headers=headers, json=body, timeout=30).raise_for_status()


async def test_a_token_is_renewed_in_band_before_it_expires(stack: Stack, ada: RoomlogClient):
    made = 0

    async def token() -> str:
        nonlocal made
        made += 1
        return stack.token(ADA, ttl_s=4)

    room_id = await create_room(ada)
    async with faulty_proxy(stack.base_url) as proxy, RoomlogClient(proxy.url, token=token) as own:
        room = await own.room(room_id)
        await until(lambda: made >= 4, "tokens are asked for again", 30)
        await room.send("on one connection")
        assert proxy.connections == 1


async def test_a_token_that_expires_closes_the_client_until_there_is_another(
    stack: Stack, ada: RoomlogClient
):
    room_id = await create_room(ada)
    async with RoomlogClient(stack.base_url, token=stack.token(ADA, ttl_s=2)) as client:
        room = await client.room(room_id)
        with pytest.raises(ClosedError) as closed:
            await _next(room, 1)
        assert (closed.value.code, closed.value.close_code) == ("unauthenticated", 4501)
        with pytest.raises(ClosedError):
            await room.send("too late")

        await client.set_token(stack.token(ADA))
        sent = await room.send("again")
        assert [e.sequence for e in await _next(room, 1)] == [sent.sequence]


async def test_another_users_token_closes_the_client(stack: Stack, ada: RoomlogClient):
    async with RoomlogClient(stack.base_url, token=stack.token(ADA)) as client:
        await client.wait_for(State.LIVE)
        client.offline()
        await client.set_token(stack.token(BOB))
        client.online()
        with pytest.raises(ClosedError) as closed:
            await client.wait_for(State.LIVE)
        assert closed.value.code == "user_changed"


async def test_a_token_function_that_fails_for_now_is_asked_again(stack: Stack):
    calls = 0

    def token() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the identity provider is away")
        return stack.token(ADA)

    signals: list[Signal] = []
    async with RoomlogClient(stack.base_url, token=token, on_signal=signals.append) as client:
        await client.wait_for(State.WAITING)
        assert client.reason is not None
        assert client.reason.code == "token_failed"
        assert "the identity provider is away" in client.reason.detail
        await client.wait_for(State.LIVE)


async def test_a_slow_reader_is_bounded_and_misses_nothing(
    stack: Stack, ada: RoomlogClient, bob: RoomlogClient
):
    room_id = await create_room(ada)
    slow = await ada.room(room_id, after=0)
    writing = await bob.room(room_id)
    count = 2 * BUFFERED_EVENTS_MAX + 100
    for number in range(0, count, 50):
        await asyncio.gather(*(writing.send(f"{number + n}") for n in range(50)))
    assert len(slow._buffer) == BUFFERED_EVENTS_MAX
    await slow.leave()
    slow = await ada.room(room_id, after=0)
    await until(lambda: len(slow._buffer) == BUFFERED_EVENTS_MAX, "what fits of a replay")

    await slow.send("sending goes on meanwhile")
    log = await logged_events(stack, room_id)
    events = await _next(slow, len(log))
    assert [(e.sequence, e.event) for e in events] == [(e.sequence, e.event) for e in log]


async def test_a_log_that_is_another_one_begins_the_room_anew(stack: Stack, ada: RoomlogClient):
    room_id = await create_room(ada)
    first = await ada.room(room_id)
    sent = await first.send("before")
    await first.react(sent.message_id, "👍")
    resets: list[Reload] = []
    view = RoomView()

    def on_reset(reload: Reload) -> None:
        resets.append(reload)
        view.reset(reload)

    async with RoomlogClient(stack.base_url, token=stack.token(ADA)) as client:
        room = await client.room(room_id, after=1, epoch="another", on_reset=on_reset)
        later = await room.send("after")
        (event,) = await _next(room, 1)
        view.apply(event)

        assert event.sequence == later.sequence
        assert resets[0].messages[-1].content == "before"
        assert room.epoch == first.epoch == resets[0].epoch
        page = await room.history(min_sequence=later.sequence)
        assert [one.message_id for one in page.items[::-1]] == [
            one.message_id for one in view.timeline()
        ]
        assert view.room is not None
        assert set(view.room.members) == {ADA, BOB}
        assert list(view.messages[sent.message_id].reactions) == [("👍", ADA)]


async def test_commands_wait_for_the_connection_and_are_shown_as_pending(
    stack: Stack, ada: RoomlogClient
):
    room_id = await create_room(ada)
    async with faulty_proxy(stack.base_url) as proxy:
        proxy.refusing = True
        async with RoomlogClient(proxy.url, token=stack.token(ADA)) as client:
            opening = asyncio.create_task(client.room(room_id, after=0))
            await client.wait_for(State.WAITING)
            proxy.refusing = False
            room = await opening
            client.offline()
            await client.wait_for(State.OFFLINE)
            sending = [asyncio.create_task(room.send(f"{n}")) for n in range(3)]
            given_up = asyncio.create_task(room.send("never mind"))
            await until(lambda: len(room.pending) == 4, "pending")
            given_up.cancel()
            await until(lambda: len(room.pending) == 3, "withdrawn")
            assert [p.status for p in room.pending] == ["queued"] * 3
            client.online()
            sent = await asyncio.gather(*sending)
            await until(lambda: not room.pending, "nothing pending")
            assert [s.sequence for s in sent] == sorted(s.sequence for s in sent)
    contents = [
        e.event.content
        for e in await logged_events(stack, room_id)
        if e.event.type == "message.sent"
    ]
    assert contents == ["0", "1", "2"]


async def test_closing_tells_who_waits_and_ends_the_reading(stack: Stack, ada: RoomlogClient):
    room_id = await create_room(ada)
    client = RoomlogClient(stack.base_url, token=stack.token(ADA), queue_max=1)
    async with client:
        room = await client.room(room_id)
        client.offline()
        waiting = asyncio.create_task(room.send("too late"))
        await until(lambda: len(room.pending) == 1, "pending")
        with pytest.raises(RefusedError) as refused:
            await room.send("one too many")
        assert refused.value.code == "queue_full"
        reading = asyncio.create_task(anext(room))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader"):
            await anext(room)
    with pytest.raises(UnsentError) as unsent:
        await waiting
    assert (unsent.value.maybe_sent, unsent.value.kept) == (False, False)
    with pytest.raises(StopAsyncIteration):
        await reading
    assert [event async for event in room] == []
    with pytest.raises(ClosedError):
        await room.send("far too late")


async def test_leaving_a_room_ends_its_reading_and_it_can_be_opened_anew(ada: RoomlogClient):
    room = await ada.room(await create_room(ada))
    assert await ada.room(room.room_id) is room
    with pytest.raises(ValueError, match="open already"):
        await ada.room(room.room_id, after=0)

    await room.leave()

    assert [event async for event in room] == []
    again = await ada.room(room.room_id, after=0)
    assert [e.event.type for e in await _next(again, 1)] == ["room.created"]


async def test_presence_typing_notices_and_the_read_marker(
    stack: Stack, ada: RoomlogClient, bob: RoomlogClient
):
    signals: list[Signal] = []
    room_id = await create_room(ada)
    async with RoomlogClient(
        stack.base_url, token=stack.token(ADA), on_signal=signals.append
    ) as client:
        room = await client.room(room_id)
        there = await bob.room(room_id)
        await until(lambda: {ADA, BOB} <= room.online, "both are online")
        assert {one.user_id for one in await room.presence()} == {ADA, BOB}
        await there.typing(True)
        await until(lambda: room.typists == [BOB], "Bob types")
        sent = await there.send(f"hello @{ADA}")
        await until(
            lambda: any(isinstance(one, fr.Notification) for one in signals), "a notification"
        )
        await _next(room, 1)
        await room.history(min_sequence=sent.sequence)
        assert await room.unread() == 1
        await room.seen(sent.sequence)

        async def unread() -> int:
            return await room.unread()

        end_s = time.monotonic() + 30
        while await unread():
            assert time.monotonic() < end_s


async def test_history_and_search_page_through_all(ada: RoomlogClient):
    room = await ada.room(await create_room(ada))
    for number in range(7):
        last = await room.send(f"number {number} is up")

    page = await room.history(limit=3, min_sequence=last.sequence)
    contents = [one.content for one in page.items]
    while page.next is not None:
        page = await room.history(limit=3, cursor=page.next)
        contents += [one.content for one in page.items]
    found = await room.search('"number 3"')

    assert contents[:7] == [f"number {n} is up" for n in range(6, -1, -1)]
    assert [hit.message.content for hit in found.items] == ["number 3 is up"]
    assert "<mark>" in found.items[0].highlight
    with pytest.raises(RefusedError) as refused:
        await room.history(limit=0)
    assert refused.value.code == "invalid"


async def test_a_question_that_finds_nobody_ends_when_its_time_is_over(stack: Stack):
    async with faulty_proxy(stack.base_url) as proxy:
        proxy.refusing = True
        async with RoomlogClient(proxy.url, token=stack.token(ADA), read_timeout_s=1.0) as client:
            with pytest.raises(UnavailableError) as away:
                await client.rooms()
            assert away.value.code == "unreachable"


_LEAVES_A_COMMAND_BEHIND = """
import asyncio, sys
from roomlog_client import RoomlogClient

async def main(url, token, room_id, queue_file):
    async with RoomlogClient(url, token=token, queue_file=queue_file) as client:
        room = await client.room(room_id)
        await room.send("acked")
        client.offline()
        waiting = [asyncio.create_task(room.send(f"waiting {n}")) for n in range(3)]
        while len(room.pending) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        print("enqueued", flush=True)
        await asyncio.gather(*waiting)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_was_enqueued_by_a_process_that_was_killed_is_sent_by_the_next(
    stack: Stack, ada: RoomlogClient, tmp_path: Path
):
    room_id = await create_room(ada)
    queue_file = tmp_path / "deep" / "queue"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _LEAVES_A_COMMAND_BEHIND),
            *(stack.base_url, stack.token(ADA), room_id, str(queue_file)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "enqueued\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    # Not Bob's to send.
    async with RoomlogClient(
        stack.base_url, token=stack.token(BOB), queue_file=queue_file
    ) as other:
        await other.wait_for(State.LIVE)
        with pytest.raises(QueueFileError) as in_use:
            async with RoomlogClient(stack.base_url, token=stack.token(ADA), queue_file=queue_file):
                pass
        assert in_use.value.code == "queue_in_use"
    async with RoomlogClient(
        stack.base_url, token=stack.token(ADA), queue_file=queue_file
    ) as client:
        await until(lambda: not client._queue_file.items, "all is sent")
        room = await client.room(room_id, after=0)
        last = await room.send("and after")
        async with aclosing(_until_sequence(room, last.sequence)) as events:
            contents = [e.event.content async for e in events if e.event.type == "message.sent"]
    assert contents == ["acked", "waiting 0", "waiting 1", "waiting 2", "and after"]
    assert queue_file.stat().st_mode & 0o777 == 0o600


async def _until_sequence(room: Room, sequence: int) -> AsyncIterator[fr.MessageBroadcast]:
    async for event in room:
        yield event
        if event.sequence >= sequence:
            return


async def test_a_queue_file_that_is_damaged_is_not_written_over(stack: Stack, tmp_path: Path):
    queue_file = tmp_path / "queue"
    queue_file.write_bytes(b"{}\nnonsense\n" + json.dumps({"store": None}).encode())

    with pytest.raises(QueueFileError) as damaged:
        async with RoomlogClient(stack.base_url, token="", queue_file=queue_file):
            pass

    assert damaged.value.code == "queue_damaged"
    assert "line 2" in damaged.value.detail
    assert b"nonsense" in queue_file.read_bytes()


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="address of a server"):
        RoomlogClient("localhost:8080", token="t")


async def test_whatever_is_asked_of_a_room_may_be_asked_of_its_past(ada: RoomlogClient):
    room = await ada.room(await create_room(ada))
    sent = await room.send("the cache is cold")
    edited = await room.edit(sent.message_id, "the cache is full")
    await room.send("said later")
    created = (await room.info()).created_at
    past = {"as_of": sent.sequence, "min_sequence": edited.sequence}

    assert (await room.message(sent.message_id, **past)).content == "the cache is cold"
    assert (await room.message(sent.message_id, as_of=edited.sequence)).content.endswith("full")
    page = await room.history(type="text", **past)
    assert [one.content for one in page.items] == ["the cache is cold"]
    for moment, found in ((sent.sequence, 1), (edited.sequence, 0), (None, 0)):
        assert len((await room.search("cold", as_of=moment)).items) == found
    members = await room.members(limit=1, **past)
    more = await room.members(cursor=members.next)
    assert [one.user_id for one in (*members.items, *more.items)] == [ADA, BOB]
    assert members.head == more.head == (await room.info(as_of=sent.sequence)).head == sent.sequence
    before = datetime.fromisoformat(created) - timedelta(days=1)
    for moment in (before, before.isoformat(), 0):
        assert (await room.members(as_of=moment)).items == []
        with pytest.raises(RefusedError) as refused:
            await room.info(as_of=moment)
        assert refused.value.code == "not_found"
    with pytest.raises(ValueError, match="time zone"):
        await room.history(as_of=before.replace(tzinfo=None))

"""The same over the real log, tables and projector: what only they can show."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect

from tests.integration.realtime.node import Client, assert_chain, eventually
from tests.stack import Stack

ANN, BOB = "ann@example.org", "bob@example.org"
PAST_EVENTS = 20_000
LIVE_PER_SECOND = 1000


@asynccontextmanager
async def _socket(
    stack: Stack, room: str | None, user: str = ANN, query: str = ""
) -> AsyncIterator[Client]:
    path = "/ws" if room is None else f"/ws/{room}"
    async with connect(
        stack.ws_url + path + query,
        additional_headers=stack.headers(user),
        max_size=None,
        proxy=None,
    ) as websocket:
        yield Client(websocket)


def _room(stack: Stack) -> str:
    answer = httpx.post(
        f"{stack.base_url}/api/rooms",
        json={"name": "incident", "members": [{"user_id": BOB, "role": "responder"}]},
        headers=stack.headers(ANN),
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["room_id"]


def _log_of(stack: Stack, room: str, after: int = 0) -> list[dict[str, Any]]:
    headers = {**stack.headers(ANN), "Accept": "application/x-ndjson"}
    url = f"{stack.base_url}/api/rooms/{room}/events?after={after}"
    answer = httpx.get(url, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def _ask(client: Client, **frame: Any) -> dict[str, Any]:
    ref = str(uuid4())
    await client.send({"ref": ref, **frame})
    while True:
        answer = await client.next()
        if answer.get("ref") == ref:
            return answer


async def test_every_command_is_acked_with_its_effect_or_refused(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann, _socket(stack, room, BOB) as bob:
        begun = [await client.until("subscribed") for client in (ann, bob)]
        sent = await _ask(ann, type="send", content="smoke in rack 4")
        assert sent["type"] == "ack"
        about = {"message_id": sent["message_id"]}
        edited = await _ask(ann, type="edit", content="fire in rack 4", **about)
        assert (edited["type"], edited["duplicate"]) == ("ack", False)
        assert edited["sequence"] > sent["sequence"]
        stale = {"content": "late", "expected_version": sent["sequence"]}
        assert (await _ask(ann, type="edit", **stale, **about))["code"] == "version_mismatch"
        assert (await _ask(bob, type="edit", content="mine", **about))["code"] == "forbidden"

        first = await _ask(bob, type="react", emoji="👀", **about)
        again = await _ask(bob, type="react", emoji="👀", **about)
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        gone = await _ask(bob, type="unreact", emoji="👀", **about)
        twice = await _ask(bob, type="unreact", emoji="👀", **about)
        assert (gone["duplicate"], twice["duplicate"]) == (False, True)

        assert (await _ask(bob, type="delete", **about))["code"] == "forbidden"
        assert (await _ask(ann, type="delete", reason="wrong room", **about))["type"] == "ack"
        assert (await _ask(ann, type="edit", content="x", **about))["code"] == "already_deleted"
        missing = {"message_id": str(uuid4())}
        assert (await _ask(ann, type="react", emoji="x", **missing))["code"] == "not_found"
        assert (await _ask(ann, type="edit", content="x", message_id="x"))["code"] == "invalid"
        await _ask(ann, type="send", content="end")
        await _ask(bob, type="send", content="end")
        assert begun[0]["head"] == begun[1]["head"]
        logged = _log_of(stack, room, after=begun[0]["head"])
        for client in (ann, bob):
            while len(client.events) < len(logged):
                await client.next()
            assert [e["event"] for e in client.events] == [e["event"] for e in logged]


async def test_a_repeated_key_is_acked_as_the_same_message_and_a_misused_one_refused(stack: Stack):
    room = _room(stack)
    for key in ("fixed-key", str(uuid4())):
        async with _socket(stack, room) as ann:
            asked = {"type": "send", "content": "once", "idempotency_key": key}
            first, again = await _ask(ann, **asked), await _ask(ann, **asked)
            assert (first["duplicate"], again["duplicate"]) == (False, True)
            same = ("message_id", "sequence", "at")
            assert [first[name] for name in same] == [again[name] for name in same]
            other = await _ask(ann, **{**asked, "content": "twice"})
            assert other["code"] == "idempotency_mismatch"


async def test_sends_under_old_and_new_keys_are_appended_in_their_order(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann:
        await ann.send(
            *(
                {
                    "type": "send",
                    "ref": str(n),
                    "content": f"n{n}",
                    **({"idempotency_key": f"old-{n}"} if n % 7 == 0 else {}),
                }
                for n in range(140)
            )
        )
        while len(ann.events) < 140:
            await ann.next()
        assert [e["event"]["content"] for e in ann.events] == [f"n{n}" for n in range(140)]


async def test_edits_of_one_message_are_appended_in_their_order(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann:
        sent = await _ask(ann, type="send", content="v")
        edits = [
            {"type": "edit", "ref": str(n), "message_id": sent["message_id"], "content": f"v{n}"}
            for n in range(15)
        ]
        await ann.send(*edits)
        while len(ann.events) < 16:
            await ann.next()
        assert [e["event"]["content"] for e in ann.events[1:]] == [f"v{n}" for n in range(15)]


async def test_after_an_ack_the_tables_know_what_min_sequence_asks_for(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann, httpx.AsyncClient(timeout=30) as rest:
        for n in range(10):
            ack = await _ask(ann, type="send", content=f"n{n}")
            url = (
                f"{stack.base_url}/api/rooms/{room}/messages?min_sequence={ack['sequence']}&limit=1"
            )
            page = (await rest.get(url, headers=stack.headers(ANN))).json()
            assert page["items"][0]["message_id"] == ack["message_id"]


async def test_reactions_of_a_message_can_be_read_as_soon_as_it_is_acked(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann, httpx.AsyncClient(timeout=30) as rest:
        for n in range(20):
            ack = await _ask(ann, type="send", content=f"n{n}")
            url = f"{stack.base_url}/api/messages/{ack['message_id']}/reactions"
            asked = {"min_sequence": ack["sequence"]}
            answer = await rest.get(url, params=asked, headers=stack.headers(ANN))
            assert (answer.status_code, answer.json()) == (200, {"reactions": []})


async def test_who_has_read_a_page_misses_nothing_after_its_head(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann, httpx.AsyncClient(timeout=30) as rest:
        for n in range(40):
            ack = await _ask(ann, type="send", content=f"n{n}")
            url = f"{stack.base_url}/api/rooms/{room}/messages?limit=1"
            page = (await rest.get(url, headers=stack.headers(ANN))).json()
            newest = page["items"][0]["sequence_number"]
            # Nobody else writes: what lies between the page and its head would be lost.
            assert newest == page["head"] <= ack["sequence"]


async def _talk(stack: Stack, room: str, stop: asyncio.Event, said: list[int]) -> None:
    """Send LIVE_PER_SECOND until told to stop; the number of acks goes to `said`."""
    async with _socket(stack, room, BOB) as bob:
        await bob.until("subscribed")

        async def count() -> None:
            while True:
                if (await bob.next())["type"] == "ack":
                    said[0] += 1

        counting = asyncio.create_task(count())
        started, sent = time.monotonic(), 0
        while not stop.is_set():
            due = int((time.monotonic() - started) * LIVE_PER_SECOND)
            if due > sent:
                await bob.send(
                    *(
                        {"type": "send", "ref": str(n), "content": f"live {n}"}
                        for n in range(sent, due)
                    )
                )
                sent = due
            await asyncio.sleep(0.01)
        deadline = time.monotonic() + 60
        while said[0] < sent and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        counting.cancel()
        assert said[0] == sent


async def test_a_long_replay_while_messages_arrive_has_no_hole_and_no_double(stack: Stack):
    room = _room(stack)
    async with _socket(stack, room) as ann:
        for start in range(0, PAST_EVENTS, 1000):
            await ann.send(
                *(
                    {"type": "send", "ref": str(n), "content": f"past {n}"}
                    for n in range(start, start + 1000)
                )
            )
            acked = 0
            while acked < 1000:
                acked += (await ann.next())["type"] == "ack"
    stop, said = asyncio.Event(), [0]
    talking = asyncio.create_task(_talk(stack, room, stop, said))
    try:
        await eventually(lambda: said[0] >= 100 or talking.done())
        async with _socket(stack, room, query="?after=0") as client:
            live = await client.until("live")
            assert len(client.events) > PAST_EVENTS
            assert client.events[-1]["sequence"] == live["sequence"]
            replayed = len(client.events)
            while len(client.events) < replayed + 500:
                await client.next()
            stop.set()
            await talking
            logged = _log_of(stack, room)
            while client.events[-1]["sequence"] < logged[-1]["sequence"]:
                await client.next()
            assert [e["sequence"] for e in client.events] == [e["sequence"] for e in logged]
            assert_chain(client.events, 0)
    finally:
        stop.set()
        await talking


async def test_resuming_at_random_places_after_being_cut_off_gives_the_suffix(stack: Stack):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    room = _room(stack)
    stop, said = asyncio.Event(), [0]
    talking = asyncio.create_task(_talk(stack, room, stop, said))
    seen: list[dict[str, Any]] = []
    try:
        while len(seen) < 3000:
            after = seen[-1]["sequence"] if seen else 0
            async with _socket(stack, room, query=f"?after={after}") as client:
                wanted = rng.randrange(1, 500)
                while len(client.events) < wanted:
                    await client.next()
                assert_chain(client.events, after)
                seen += client.events
                client.websocket.transport.abort()
    finally:
        stop.set()
        await talking
    logged = [e["sequence"] for e in _log_of(stack, room)]
    assert [e["sequence"] for e in seen] == logged[: len(seen)], f"seed {seed}"
    for after in [0, logged[-1], *rng.sample(range(logged[-1]), 5)]:
        async with _socket(stack, room, query=f"?after={after}") as client:
            await client.until("live")
            got = [e["sequence"] for e in client.events]
            assert got == [s for s in logged if s > after], f"seed {seed}, after {after}"

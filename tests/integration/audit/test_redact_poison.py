"""What the tables can't take may hold the password too, and is redacted like all else."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx
import nats
import pytest

from roomlog.core.decide import Fact, stamp
from roomlog.core.redaction import redaction_key
from roomlog.services.identity import keyed_event_id, new_id, new_stamp, request_digest
from tests.integration.http.api import ADMIN, ANA, Api, Room, problem
from tests.integration.projector.memory_log import fact_bytes
from tests.stack import Stack, running_stack

DEADLINE_S = 60
REASON = {"reason": "a production password was pasted"}


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture
def room(stack: Stack) -> Generator[Room]:
    api = Api(stack)
    yield api.room()
    api.client.close()


def append(stack: Stack, room: Room, data: bytes) -> int:
    async def publish() -> int:
        connection = await nats.connect(stack.run["nats_url"])
        ack = await connection.jetstream().publish(f"ev.{room.room_id}", data)
        await connection.close()
        return ack.seq

    return asyncio.run(publish())


def of_tomorrow(data: bytes) -> bytes:
    """The same event, as a version of tomorrow would have stored it."""
    return re.sub(rb'^\{"v":[0-9]+,', b'{"v":99,', data)


def sent(room: Room, event_id: str, content: str) -> bytes:
    return fact_bytes(room.room_id, event_id, "message.sent", content=content, message_type="text")


def edited(room: Room, message_id: str, content: str) -> bytes:
    fields = {"about": message_id, "content": content, "reason": content}
    return fact_bytes(room.room_id, new_id(), "message.edited", **fields)


def dead(stack: Stack) -> int:
    (partition,) = json.loads(stack.cli("projections", "status", "--json").stdout)["partitions"]
    return partition["dead"]


def until(there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not there():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def in_the_log(stack: Stack, secret: str) -> bool:
    blocks = (stack.data / "nats" / "store").rglob("*.blk")
    return any(secret.encode() in block.read_bytes() for block in blocks)


def redact(room: Room, event_id: str, by: str = ADMIN) -> httpx.Response:
    return room.api.call(by, "POST", f"/api/messages/{event_id}/redact", json=REASON)


def is_whole(stack: Stack, dead_before: int) -> None:
    until(lambda: dead(stack) == dead_before)
    for arguments in (("audit", "check"), ("projections", "verify")):
        done = stack.cli(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_message_that_was_set_aside_is_redacted_by_its_id(stack: Stack, room: Room):
    secret, message_id, before = secrets.token_hex(16), new_id(), dead(stack)
    append(stack, room, of_tomorrow(sent(room, message_id, secret)))
    append(stack, room, of_tomorrow(edited(room, message_id, secret)))
    until(lambda: dead(stack) == before + 2)
    assert in_the_log(stack, secret)
    problem(redact(room, message_id, by=ANA), 403, "forbidden")

    answer = redact(room, message_id)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["message_id"], answer.json()["content"]) == (message_id, "")
    assert not in_the_log(stack, secret)
    is_whole(stack, before)
    again = redact(room, message_id)
    assert again.json() == answer.json()


def test_an_edit_that_was_set_aside_leads_to_its_message(stack: Stack, room: Room):
    """Also where the message itself is not there at all."""
    secret, nowhere, before = secrets.token_hex(16), new_id(), dead(stack)
    data = of_tomorrow(edited(room, nowhere, secret))
    event_id = json.loads(data)["id"]
    append(stack, room, data)
    until(lambda: dead(stack) == before + 1)

    assert redact(room, event_id).status_code == 200

    assert not in_the_log(stack, secret)
    is_whole(stack, before)


def test_an_event_that_nobody_knows_the_id_of_is_redacted_by_its_place(stack: Stack, room: Room):
    secret, message_id, before = secrets.token_hex(16), new_id(), dead(stack)
    data = sent(room, message_id, secret).replace(b'"actor"', b'"of_tomorrow":1,"actor"', 1)
    sequence = append(stack, room, data)
    until(lambda: dead(stack) == before + 1)
    problem(redact(room, message_id), 404, "not_found")
    place = ("--room", room.room_id, "--sequence", str(sequence))

    done = stack.cli("audit", "redact", *place, "--reason", "a password", "--json")

    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["redacted"]
    assert told == {"message_id": message_id, "room_id": room.room_id, "erased": [sequence]}
    assert not in_the_log(stack, secret)
    is_whole(stack, before)


@pytest.mark.parametrize("place", ["bytes", "created"])
def test_by_its_place_too_only_what_was_said_is_redacted(stack: Stack, room: Room, place: str):
    events: list[Any] = room.events(ADMIN)
    sequence = events[0]["sequence"] if place == "created" else append(stack, room, b"no event")
    where = ("--room", room.room_id, "--sequence", str(sequence))

    done = stack.cli("audit", "redact", *where, "--reason", "r")

    assert done.returncode == 1
    assert "can be erased and be proved still" in done.stderr


@pytest.mark.parametrize("damage", ["unreadable", "of another event"])
def test_where_something_else_stands_in_place_of_its_redaction_that_is_told(
    stack: Stack, room: Room, damage: str
):
    """Nobody but a damaged log makes such a thing; it must not keep a worker busy for good."""
    message = room.send(ANA, "hunter2")
    sequence, message_id = message["sequence_number"], message["message_id"]
    event_id = keyed_event_id(room.room_id, ADMIN, redaction_key(sequence))
    told_of = {
        "redacted_sequence": sequence + 1,
        "redacted_envelope": "{}",
        "reason": "a password",
    }
    fact = Fact("message.redacted", told_of, message_id)
    mark = new_stamp(event_id, request_digest(("redact", message_id)))
    data = stamp(fact, room.room_id, ADMIN, message["created_at"], mark)
    append(stack, room, of_tomorrow(data) if damage == "unreadable" else data)
    room.send(ANA, "whose answer comes when all that is before it is projected")

    told = problem(redact(room, message_id), 422, "invalid")

    assert told["detail"].startswith(f"event {sequence} can't be redacted: ")
    assert "roomlog audit check" in told["detail"]

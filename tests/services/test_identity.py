import os
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core.times import rfc3339
from roomlog.services import identity
from tests.core.examples import ROOM


def test_each_new_id_is_greater_than_the_one_before():
    ids = [identity.new_id() for _ in range(100)]

    assert ids == sorted(set(ids))


def test_each_salt_is_given_once_also_in_forked_processes():
    salts = [identity.new_stamp("x", None).salt for _ in range(200)]
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, identity.new_stamp("x", None).salt.encode())
        os._exit(0)
    os.waitpid(child, 0)
    salts += [os.read(reading, 100).decode(), identity.new_stamp("x", None).salt]

    assert len(set(salts)) == len(salts) == 202
    assert {len(bytes.fromhex(salt)) for salt in salts} == {16}


@given(s.text(), s.text(), s.text(), s.text())
def test_two_writes_have_the_same_event_id_only_as_the_same_user_and_key(
    actor: str, key: str, other_actor: str, other_key: str
):
    try:
        one = identity.keyed_event_id(ROOM, actor, key)
        other = identity.keyed_event_id(ROOM, other_actor, other_key)
    except UnicodeEncodeError:
        return
    assert (one == other) == ((actor, key) == (other_actor, other_key))
    assert one == identity.keyed_event_id(ROOM, actor, key)


def test_an_event_id_is_another_in_another_room_and_never_changes():
    here = identity.keyed_event_id(ROOM, "ada@example.org", "k1")

    assert here == "c8614cd6-e8b1-5107-b98e-afbe9082fffe"
    assert UUID(here).version == 5
    assert here != identity.keyed_event_id(ROOM[:-1] + "9", "ada@example.org", "k1")


def test_a_users_key_cannot_be_shifted_into_anothers_name():
    assert identity.keyed_event_id(ROOM, "a", "bc") != identity.keyed_event_id(ROOM, "ab", "c")
    assert identity.keyed_room_id("a", "bc") != identity.keyed_room_id("ab", "c")


def test_a_rooms_id_is_made_of_actor_and_key_or_of_its_name_and_never_changes():
    assert identity.keyed_room_id("ada", "k1") == "8470a41f-989e-5c84-bdb4-02c1fbe6af62"
    assert identity.named_room_id("#ubuntu") == "e6f443b5-5fea-5063-b3d2-12a3fa521a7f"
    assert identity.keyed_room_id("a", "k") != identity.named_room_id("1:ak")


def test_a_digest_tells_requests_apart_and_does_not_mind_the_order_of_names():
    one = identity.request_digest(("send", {"a": 1, "b": 2}))

    assert one == identity.request_digest(("send", {"b": 2, "a": 1}))
    assert one != identity.request_digest(("send", {"a": 1, "b": 3}))
    assert one != identity.request_digest(("edit", {"a": 1, "b": 2}))


def test_every_stamp_has_another_salt_of_128_bits():
    salts = {identity.new_stamp("e", None).salt for _ in range(100)}

    assert len(salts) == 100
    assert {len(bytes.fromhex(salt)) for salt in salts} == {16}
    assert identity.new_stamp("e", "d").id == "e"
    assert identity.new_stamp("e", "d").digest == "d"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 9, 15, tzinfo=UTC), "2026-01-31T09:15:00.000Z"),
        (datetime(2026, 1, 31, 9, 15, 0, 999_999, tzinfo=UTC), "2026-01-31T09:15:00.999Z"),
        (
            datetime(2026, 1, 31, 9, 15, tzinfo=timezone(timedelta(hours=10))),
            "2026-01-30T23:15:00.000Z",
        ),
        (datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(moment: datetime, text: str):
    assert rfc3339(moment) == text

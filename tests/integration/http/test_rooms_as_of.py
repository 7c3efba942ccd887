"""Rooms and their members as they stood: exactly the fold of the events up to there."""

import random
from datetime import datetime
from typing import Any

import msgspec
import pytest

from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Fold, RoomState
from tests.integration.http.api import ADMIN, ANA, AUDITOR, BEN, CEM, Api, Room, problem

ROLES = ("commander", "responder", "observer")
OTHERS = (BEN, CEM, "Zoë@example.org", "dan@example.org")
STEPS = 40


class Story:
    """A room in which much was changed between what was said, by chance; the seed is printed."""

    def __init__(self, api: Api) -> None:
        self.api, self.room = api, api.room((BEN, "observer"))
        seed = random.SystemRandom().getrandbits(32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        for _ in range(STEPS):
            self.step(chance)
        self.events = msgspec.convert(self.room.events(ANA), list[RoomEvent])

    def step(self, chance: random.Random) -> None:
        path, member = self.room.path, f"{self.room.path}/members/{chance.choice(OTHERS)}"
        allowed = {200, 201, 204}
        match chance.randrange(5):
            case 0:
                self.room.send(ANA, "something")
                return
            case 1 | 2:
                role = chance.choice(ROLES)
                answer = self.api.call(ANA, "PUT", member, json={"role": role})
            case 3:
                answer = self.api.call(ANA, "DELETE", member)
                allowed |= {404}
            case _:
                change = chance.choice(
                    [
                        {"title": chance.choice(["Checkout is slow", "Nothing works", None])},
                        {"severity": chance.choice(["high", "low", None])},
                        {"status": chance.choice(["open", "mitigated", "resolved"])},
                    ]
                )
                answer = self.api.call(ANA, "PATCH", path, json=change)
        assert answer.status_code in allowed, answer.text

    def folded(self, up_to: int) -> RoomState | None:
        fold = Fold()
        for event in self.events:
            if event.sequence <= up_to:
                fold.apply(event)
        return fold.room


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def members(api: Api, room: Room, user: str = ANA, **query: Any) -> dict[str, tuple[str, str]]:
    items = api.get(user, f"{room.path}/members", **query)["items"]
    assert [one["user_id"] for one in items] == sorted(one["user_id"] for one in items)
    return {one["user_id"]: (one["role"], one["since"]) for one in items}


def test_each_moment_is_the_fold_of_the_events_up_to_there(api: Api, story: Story) -> None:
    room = story.room
    for event in story.events:
        then = story.folded(event.sequence)
        assert then is not None
        expected = {user: (one.role.value, one.since) for user, one in then.members.items()}
        assert members(api, room, as_of=event.sequence) == expected
        found = api.get(AUDITOR, room.path, as_of=event.sequence)
        assert {name: found[name] for name in ("title", "severity", "status", "name", "role")} == {
            "title": then.title,
            "severity": then.severity,
            "status": then.status,
            "name": then.name,
            "role": None,
        }
        assert (found["created_by"], found["created_at"]) == (then.created_by, then.created_at)
        assert found["head"] == event.sequence
        own = api.get(ANA, room.path, as_of=event.sequence)
        assert own["role"] == then.members[ANA].role


def test_now_is_the_moment_of_the_head(api: Api, story: Story) -> None:
    room = story.room
    head = story.events[-1].sequence
    for as_of in (head, "2999-01-01T00:00:00Z"):
        assert api.get(ANA, room.path, as_of=as_of) == api.get(ANA, room.path)
        path = f"{room.path}/members"
        assert api.get(ANA, path, as_of=as_of) == api.get(ANA, path)


def test_before_the_room_there_was_none(api: Api, story: Story) -> None:
    room = story.room
    for as_of in (0, story.events[0].sequence - 1, "2001-01-01T00:00:00Z"):
        problem(api.call(ANA, "GET", room.path, params={"as_of": as_of}), 404, "not_found")
        page = api.get(ANA, f"{room.path}/members", as_of=as_of)
        assert (page["items"], page["head"], page["next"]) == ([], 0, None)


def test_pages_that_follow_each_other_are_of_one_moment(api: Api) -> None:
    room = api.room(*((user, "observer") for user in OTHERS))
    path, head = f"{room.path}/members", api.get(ANA, room.path)["head"]
    expected = members(api, room)
    for as_of in (head, "2999-01-01T00:00:00Z"):
        page = api.get(ANA, path, as_of=as_of, limit=2)
        moment, found = page["head"], page["items"]
        while page["next"]:
            gone = api.call(ANA, "DELETE", f"{path}/{OTHERS[-1]}")
            assert gone.status_code in {204, 404}
            page = api.get(ANA, path, cursor=page["next"])
            assert page["head"] == moment
            found += page["items"]
        assert {one["user_id"]: (one["role"], one["since"]) for one in found} == expected
        back = api.call(ANA, "PUT", f"{path}/{OTHERS[-1]}", json={"role": "observer"})
        assert back.is_success
        expected = members(api, room)


def test_what_was_unread_then_is_counted_up_to_there(api: Api) -> None:
    room = api.room((BEN, "observer"))
    first, second = room.send(ANA, "one"), room.send(ANA, "two")
    unread = [
        api.get(BEN, room.path, as_of=one["sequence_number"])["unread"] for one in (first, second)
    ]
    assert unread == [1, 2]


def test_a_time_means_the_last_event_appended_by_then(api: Api, story: Story) -> None:
    created = datetime.fromisoformat(story.events[0].at)
    last = datetime.fromisoformat(story.events[-1].at)
    middle = (created + (last - created) / 2).isoformat()
    page = api.get(ANA, f"{story.room.path}/members", as_of=middle)
    then = story.folded(page["head"])
    assert then is not None
    assert {one["user_id"] for one in page["items"]} == set(then.members)
    assert api.get(ANA, story.room.path, as_of=middle)["head"] == page["head"]
    assert story.events[0].sequence < page["head"] < story.events[-1].sequence


@pytest.mark.parametrize("as_of", ["x", "-1", "1.5", "", str(2**63), "2030-01-31"])
def test_what_is_no_moment_is_told(api: Api, story: Story, as_of: str) -> None:
    for path in (story.room.path, f"{story.room.path}/members"):
        answer = api.call(ANA, "GET", path, params={"as_of": as_of})
        problem(answer, 422, "invalid", "as_of")


def test_a_sequence_above_the_head_is_told(api: Api, story: Story) -> None:
    beyond = {"as_of": story.events[-1].sequence + 1_000_000}
    for path in (story.room.path, f"{story.room.path}/members"):
        problem(api.call(ANA, "GET", path, params=beyond), 422, "invalid", "as_of")


def test_the_past_is_for_whoever_may_read_the_room_now(api: Api) -> None:
    room = api.room((BEN, "observer"))
    head = api.get(ANA, room.path)["head"]
    assert api.call(ANA, "DELETE", f"{room.path}/members/{BEN}").status_code == 204
    for path in (room.path, f"{room.path}/members"):
        for user in (BEN, CEM):
            answer = api.call(user, "GET", path, params={"as_of": head})
            problem(answer, 403, "forbidden")
        for user in (ANA, ADMIN, AUDITOR):
            assert api.call(user, "GET", path, params={"as_of": head}).status_code == 200

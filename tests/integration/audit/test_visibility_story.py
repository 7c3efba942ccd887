"""Who could see what, in a room where people come, go and come again by chance: each moment, by
sequence and by time, against what REST answers of that moment."""

import asyncio
import random
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

from roomlog.audit.visibility import Visibility, visibility
from roomlog.core.visibility import Shown
from roomlog.jetstream.log import JetStreamLog
from tests.integration.http.api import ADMIN, ANA, AUDITOR, BEN, CEM, Api
from tests.stack import Stack

STEPS = 60
PEOPLE = (ANA, BEN, CEM)
_NS = 1_000_000_000


class Story:
    """The seed is printed. `redacted`: messages, by id, whose redaction is on record."""

    def __init__(self, api: Api) -> None:
        self.api, self.room = api, api.room(by=ANA)
        seed = random.SystemRandom().getrandbits(32)
        print(f"seed {seed}")
        self.chance = random.Random(seed)
        self.sent: list[str] = []
        self.redacted: set[str] = set()
        for _ in range(STEPS):
            self.step()
        self.head: int = api.get(AUDITOR, self.room.path)["head"]

    def step(self) -> None:
        user = self.chance.choice(PEOPLE)
        member = f"{self.room.path}/members/{self.chance.choice((BEN, CEM))}"
        one = self.chance.choice(self.sent) if self.sent else None
        match self.chance.randrange(12):
            case 0 | 1:
                role = self.chance.choice(("commander", "responder", "observer"))
                self.call(ANA, "PUT", member, json={"role": role})
            case 2 | 3:
                self.call(ANA, "DELETE", member)
            case 4:
                status = self.chance.choice(("open", "closed", "mitigated"))
                self.call(ANA, "PATCH", self.room.path, json={"status": status})
            case 5 | 6 if one is not None:
                content = f"edited {self.chance.random()}"
                self.call(user, "PATCH", f"/api/messages/{one}", json={"content": content})
            case 7 if one is not None:
                self.call(ANA, "DELETE", f"/api/messages/{one}", json={"reason": "no use"})
            case 8 if one is not None and self.chance.random() < 0.5:
                body = {"reason": "a secret"}
                answer = self.call(ADMIN, "POST", f"/api/messages/{one}/redact", json=body)
                if answer == 200:
                    self.redacted.add(one)
            case _:
                body = {"content": f"said {self.chance.random()}"}
                path = f"{self.room.path}/messages"
                answer = self.api.call(user, "POST", path, json=body)
                if answer.status_code == 201:
                    self.sent.append(answer.json()["message_id"])

    def call(self, user: str, method: str, path: str, **request: Any) -> int:
        answer = self.api.call(user, method, path, **request)
        # Who is no member, or comes too late, is refused.
        assert answer.status_code < 300 or answer.status_code in {403, 404, 409}, answer.text
        return answer.status_code


@pytest.fixture(scope="module")
def story(stack: Stack) -> Generator[Story]:
    api = Api(stack)
    yield Story(api)
    api.client.close()


async def _asked(
    stack: Stack, room: str, asked: Sequence[tuple[str, int | datetime]]
) -> list[Visibility]:
    log = await JetStreamLog.connect(stack.run["nats_url"])
    try:
        return [await visibility(log, room, *one, lambda done, what: None) for one in asked]
    finally:
        await log.close()


def seen(stack: Stack, room: str, asked: Sequence[tuple[str, int | datetime]]) -> list[Visibility]:
    return asyncio.run(_asked(stack, room, asked))


def shown(api: Api, path: str, as_of: int | str) -> dict[str, dict[str, Any]]:
    """What a member was shown of the room at that moment, by what REST says of the past."""
    items = api.get(AUDITOR, f"{path}/messages", as_of=as_of, limit=500)["items"]
    return {one["message_id"]: one for one in items}


def test_each_moment_is_what_rest_says_of_it(stack: Stack, story: Story):
    api, path = story.api, story.room.path
    # Others may have said much in the same log before.
    (begins, _), *_ = asyncio.run(_stamps(stack, story.room.room_id))
    moments = range(begins - 1, story.head + 1)
    asked = [(user, moment) for moment in moments for user in PEOPLE]
    answers = dict(zip(asked, seen(stack, story.room.room_id, asked), strict=True))
    states: set[tuple[Shown, bool]] = set()
    for moment in moments:
        page = api.get(AUDITOR, f"{path}/members", as_of=moment)["items"]
        members = {one["user_id"]: one["role"] for one in page}
        then = shown(api, path, moment)
        for user in PEOPLE:
            answer = answers[user, moment]
            assert answer.role == members.get(user)
            if user not in members:
                assert answer.messages == []
                continue
            assert {one.message_id for one in answer.messages} == then.keys()
            for one in answer.messages:
                told = then[one.message_id]
                assert one.sequence == told["sequence_number"]
                assert one.content == told["content"]
                assert (one.redacted_by is not None) == (one.message_id in story.redacted)
                if one.redacted_by is None:
                    assert (one.state is Shown.DELETED) == (told["deleted_at"] is not None)
                    assert one.version == told["version"]
                else:
                    # The past is shown without it since; that it could be read is said here.
                    assert (one.state is Shown.REDACTED) == (moment >= one.redacted_by)
                    assert told["content"] == ""
                    assert all(wording.content == "" for wording in one.earlier)
                states.add((one.state, one.redacted_by is not None))
    assert (Shown.PRESENT, False) in states


def test_a_time_between_two_events_is_the_first_of_them_in_whichever_zone(
    stack: Stack, story: Story
):
    room, path = story.room.room_id, story.room.path
    stamps = asyncio.run(_stamps(stack, room))
    middles = [
        (one, earlier + (later - earlier) // 2)
        for (one, earlier), (_, later) in pairwise(stamps)
        if later - earlier > 2_000_000
    ]
    assert len(middles) >= 3  # each zone is asked in
    zones = [timezone(timedelta(hours=hours)) for hours in (14, -12)] + [UTC]
    asked = [(BEN, _moment(at, zones[n % 3])) for n, (_, at) in enumerate(middles)]
    for (_, moment), (sequence, _), answer in zip(
        asked, middles, seen(stack, room, asked), strict=True
    ):
        assert isinstance(moment, datetime)
        page = story.api.get(AUDITOR, f"{path}/messages", as_of=moment.isoformat(), limit=500)
        assert page["head"] == sequence
        by_sequence = story.api.get(AUDITOR, f"{path}/messages", as_of=sequence, limit=500)
        assert page == by_sequence
        # What was erased between the two counts from when it was said.
        assert answer.as_of >= sequence
        people = story.api.get(AUDITOR, f"{path}/members", as_of=moment.isoformat())["items"]
        assert answer.role == {one["user_id"]: one["role"] for one in people}.get(BEN)


async def _stamps(stack: Stack, room: str) -> list[tuple[int, int]]:
    """Sequence and time of the append, in nanoseconds, of each event that is there."""
    log = await JetStreamLog.connect(stack.run["nats_url"])
    try:
        return [
            (event.sequence, event.appended_ns)
            async for batch in log.read(room, after=0)
            for event in batch
        ]
    finally:
        await log.close()


def _moment(ns: int, zone: timezone) -> datetime:
    since = timedelta(microseconds=ns // 1000)
    return (datetime(1970, 1, 1, tzinfo=UTC) + since).astimezone(zone)

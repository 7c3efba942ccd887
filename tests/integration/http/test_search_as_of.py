"""Searches of the past: as of each moment is found exactly what was found then."""

import random
from typing import Any

import pytest

from tests.integration.http.api import ANA, AUDITOR, BEN, CEM, Api, all_pages, problem

WORDS = ("pool", "pools", "exhausted", "db-7", "restart", "naïve", "数据库")
QUERIES = ("pool", "restart -pool", '"db-7 restart" or naive', "db-", "数据")
STEPS = 36


class Story:
    """A room where things are said, changed, reacted to and taken back by chance; after each step,
    what every query finds is kept. The seed is printed."""

    def __init__(self, api: Api) -> None:
        self.api, self.room = api, api.room((BEN, "responder"))
        seed = random.SystemRandom().getrandbits(32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        self.path = f"{self.room.path}/messages/search"
        self.sent: list[str] = []
        self.found: dict[int, dict[tuple[str, str], Any]] = {}
        for _ in range(STEPS):
            self.step(chance)
            head = api.get(ANA, self.room.path)["head"]
            self.found[head] = {
                (q, order): api.get(ANA, self.path, q=q, order=order, limit=500)["items"]
                for q in QUERIES
                for order in ("newest", "relevance")
            }

    def step(self, chance: random.Random) -> None:
        text = " ".join(chance.choices(WORDS, k=chance.randint(1, 4)))
        one = chance.choice(self.sent) if self.sent else ""
        match chance.randrange(6) if one else 0:
            case 0 | 1:
                self.sent.append(self.room.send(ANA, text)["message_id"])
                return
            case 2 | 3:
                answer = self.api.call(ANA, "PATCH", f"/api/messages/{one}", json={"content": text})
            case 4:
                body = {"emoji": chance.choice("👀🔥")}
                path = f"/api/messages/{one}/reactions"
                answer = self.api.call(BEN, "POST", path, json=body)
            case _:
                answer = self.api.call(ANA, "DELETE", f"/api/messages/{one}")
        # A deleted message takes no more of it.
        assert answer.status_code in {200, 409}, answer.text


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def test_each_moment_finds_what_was_found_then(api: Api, story: Story) -> None:
    assert any(hits for found in story.found.values() for hits in found.values())
    for moment, found in story.found.items():
        for (q, order), hits in found.items():
            page = api.get(ANA, story.path, q=q, order=order, as_of=moment, limit=500)
            assert page["items"] == hits, (moment, q, order)
            assert page["head"] == moment


@pytest.mark.parametrize("order", ["newest", "relevance"])
def test_pages_that_follow_each_other_are_of_one_moment(api: Api, story: Story, order: str) -> None:
    moments = sorted(story.found)
    moment = moments[len(moments) // 2]
    at = next(e for e in story.room.events(ANA) if e["sequence"] == moment)["at"]
    whole = api.get(ANA, story.path, q="pool or db-7", order=order, as_of=moment)["items"]
    pages = all_pages(api, ANA, story.path, q="pool or db-7", order=order, as_of=moment, limit=1)
    assert [hit for page in pages for hit in page] == whole
    assert all(hit["message"]["sequence_number"] <= moment for hit in whole)
    # A time to come is the head, and so is the present.
    now = api.get(ANA, story.path, q="pool", order=order)
    assert api.get(ANA, story.path, q="pool", order=order, as_of="2999-01-01T00:00:00Z") == now
    assert api.get(ANA, story.path, q="pool", as_of="2001-01-01T00:00:00Z")["items"] == []
    assert at


def test_filters_rights_and_refusals_hold_for_the_past_too(api: Api, story: Story) -> None:
    head = max(story.found)
    by_ben = api.get(ANA, story.path, q="pool", as_of=head, sender=BEN)
    assert by_ben["items"] == []
    assert api.get(AUDITOR, story.path, q="pool", as_of=head)["head"] == head
    beyond = {"q": "pool", "as_of": head + 1_000_000}
    problem(api.call(ANA, "GET", story.path, params=beyond), 422, "invalid", "as_of")
    problem(
        api.call(ANA, "GET", story.path, params={**beyond, "as_of": "x"}), 422, "invalid", "as_of"
    )
    problem(api.call(CEM, "GET", story.path, params={"q": "pool", "as_of": head}), 403, "forbidden")

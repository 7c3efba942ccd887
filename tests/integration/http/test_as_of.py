"""Reads of the past: a room's messages as they stood at a sequence or a time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.http.api import (
    ADMIN,
    ANA,
    AUDITOR,
    BEN,
    CEM,
    Api,
    Room,
    all_pages,
    ids,
    problem,
)


class Story:
    """A room where things were said, changed and taken back; `at` names its moments."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.room = api.room((BEN, "observer"))
        self.at: dict[str, int] = {"opened": self.head}
        self.message = self.room.send(ANA, "the **pool** is full")
        self.id = self.message["message_id"]
        self.at["sent"] = self.head
        self.write("POST", f"/api/messages/{self.id}/reactions", json={"emoji": "👀"})
        self.at["reacted"] = self.head
        self.write("PATCH", f"/api/messages/{self.id}", json={"content": "the disk is full"})
        self.at["edited"] = self.head
        self.write("DELETE", f"/api/messages/{self.id}/reactions/👀")
        self.at["unreacted"] = self.head
        self.write("DELETE", f"/api/messages/{self.id}")
        self.at["deleted"] = self.head
        self.room.send(ANA, "later")

    def write(self, method: str, path: str, **request: Any) -> None:
        answer = self.api.call(ANA, method, path, **request)
        assert answer.status_code in {200, 201}, answer.text

    @property
    def head(self) -> int:
        return self.api.get(ANA, self.room.path)["head"]

    def stood(self, as_of: object) -> dict[str, Any]:
        """The message as it stood then, by the page and by itself, which say the same."""
        (listed,) = [m for m in self.room.messages(BEN, as_of=as_of) if m["message_id"] == self.id]
        path = f"{self.room.path}/messages/{self.id}"
        assert self.api.get(BEN, path, as_of=as_of) == listed
        return listed


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def test_a_message_is_shown_as_it_stood_also_one_that_was_deleted(story: Story) -> None:
    sent = story.stood(story.at["sent"])
    assert sent == story.message
    assert sent["content_html"] == "<p>the <strong>pool</strong> is full</p>"
    reacted = story.stood(story.at["reacted"])
    assert reacted == {**sent, "reactions": [{"emoji": "👀", "count": 1, "users": [ANA]}]}
    edited = story.stood(story.at["edited"])
    assert edited["content"] == "the disk is full"
    assert edited["version"] == story.at["edited"]
    assert edited["edited_at"] is not None
    assert edited["reactions"] == reacted["reactions"]
    assert story.stood(story.at["unreacted"]) == {**edited, "reactions": []}
    deleted = story.stood(story.at["deleted"])
    assert (deleted["content"], deleted["content_html"]) == ("", "")
    assert deleted["deleted_at"] is not None


def test_what_was_not_said_yet_is_not_there(api: Api, story: Story) -> None:
    before = story.at["opened"]
    page = api.get(ANA, f"{story.room.path}/messages", as_of=before)
    assert (page["head"], page["next"]) == (before, None)
    assert [m["message_type"] for m in page["items"]] == ["system"]
    path = f"{story.room.path}/messages/{story.id}"
    problem(api.call(ANA, "GET", path, params={"as_of": before}), 404, "not_found")
    assert story.room.messages(ANA, as_of=0) == []
    assert story.room.messages(ANA, as_of="2001-01-01T00:00:00Z") == []


def test_a_time_means_the_last_event_appended_by_then(api: Api, story: Story) -> None:
    now = story.room.messages(ANA)
    assert story.room.messages(ANA, as_of="2999-01-01T00:00:00Z") == now
    # The story's events lie further apart than a millisecond: each write waits for the last.
    events = {event["sequence"]: event["at"] for event in story.room.events(ANA)}
    after_edit = datetime.fromisoformat(events[story.at["unreacted"]]) - timedelta(milliseconds=1)
    text = after_edit.isoformat()
    assert story.stood(text)["content"] == "the disk is full"
    page = api.get(ANA, f"{story.room.path}/messages", as_of=text)
    assert page["head"] == story.at["edited"]


def test_pages_that_follow_each_other_are_of_one_moment(api: Api) -> None:
    room = api.room()
    sent = [room.send(ANA, f"message {n}") for n in range(9)]
    path = f"{room.path}/messages"
    for as_of in (sent[6]["sequence_number"], sent[7]["created_at"]):
        for direction in ({}, {"after": sent[0]["sequence_number"]}):
            expected = room.messages(ANA, as_of=as_of, type="text", **direction)
            page = api.get(ANA, path, as_of=as_of, limit=2, type="text", **direction)
            found, moment = page["items"], page["head"]
            while page["next"]:
                change = {"content": f"changed {len(found)}"}
                first = sent[0]["message_id"]
                assert api.call(ANA, "PATCH", f"/api/messages/{first}", json=change).is_success
                page = api.get(ANA, path, cursor=page["next"])
                assert page["head"] == moment
                found += page["items"]
            assert found == expected
            assert "changed" not in str(found[-1])


def test_filters_hold_for_the_past_too(api: Api) -> None:
    room = api.room((BEN, "responder"))
    one, two, three = room.send(ANA, "a"), room.send(BEN, "b"), room.send(ANA, "c")
    room.send(ANA, "d")
    head = three["sequence_number"]
    assert ids(room.messages(ANA, as_of=head, sender=ANA)[:2]) == ids([three, one])
    assert ids(room.messages(ANA, as_of=head, before=head, limit=1)) == ids([two])
    assert ids(room.messages(ANA, as_of=head, after=one["sequence_number"])) == ids([two, three])
    assert room.messages(ANA, as_of=head, type="incident_data") == []
    assert room.messages(ANA, as_of=head, before_timestamp="2001-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "as_of", ["x", "-1", "1.5", "", "٣", str(2**63), "9" * 60, "2030-01-31", "2030-01-31T12:00:00"]
)
def test_what_is_no_moment_is_told(api: Api, story: Story, as_of: str) -> None:
    for path in (f"{story.room.path}/messages", f"{story.room.path}/messages/{story.id}"):
        answer = api.call(ANA, "GET", path, params={"as_of": as_of})
        problem(answer, 422, "invalid", "as_of")


def test_a_sequence_above_the_head_is_told_and_min_sequence_holds_beside_it(
    api: Api, story: Story
) -> None:
    head = story.head
    for path in (f"{story.room.path}/messages", f"{story.room.path}/messages/{story.id}"):
        beyond = api.call(ANA, "GET", path, params={"as_of": head + 1_000_000})
        problem(beyond, 422, "invalid", "as_of")
        both = {"as_of": head, "min_sequence": head}
        assert api.call(ANA, "GET", path, params=both).status_code == 200
        both["min_sequence"] = head + 1_000_000
        problem(api.call(ANA, "GET", path, params=both), 422, "invalid", "min_sequence")


@pytest.mark.parametrize(
    ("user", "allowed"), [(BEN, True), (AUDITOR, True), (ADMIN, True), (CEM, False)]
)
def test_the_past_is_for_whoever_may_read_the_room(
    api: Api, story: Story, user: str, *, allowed: bool
) -> None:
    for path in (f"{story.room.path}/messages", f"{story.room.path}/messages/{story.id}"):
        answer = api.call(user, "GET", path, params={"as_of": story.at["sent"]})
        if allowed:
            assert answer.status_code == 200
            assert "pool" in answer.text
        else:
            problem(answer, 403, "forbidden")


def test_a_moment_may_lie_at_another_rooms_event(api: Api, story: Story) -> None:
    room: Room = api.room()
    first = room.send(ANA, "here")
    elsewhere = api.room().send(ANA, "there")
    room.send(ANA, "here again")
    page = api.get(ANA, f"{room.path}/messages", as_of=elsewhere["sequence_number"])
    assert ids(page["items"]) == ids([first])
    assert page["head"] == first["sequence_number"]


def test_a_redacted_message_has_its_tombstone_from_its_own_sequence_on(api: Api) -> None:
    """The log has nothing at that place any more, nor has it at the moment of another room."""
    room = api.room()
    opened = api.get(ANA, room.path)["head"]
    gone = room.send(ANA, "a secret")
    elsewhere = api.room().send(ANA, "elsewhere")["sequence_number"]
    kept = room.send(ANA, "later")
    message = f"{room.path}/messages/{gone['message_id']}"
    reason = {"reason": "a secret"}
    path = f"/api/messages/{gone['message_id']}/redact"
    assert api.call(ADMIN, "POST", path, json=reason).status_code == 200

    problem(api.call(ANA, "GET", message, params={"as_of": opened}), 404, "not_found")
    for as_of in (gone["sequence_number"], elsewhere):
        page = api.get(ANA, f"{room.path}/messages", as_of=as_of)
        assert ids(page["items"])[0] == gone["message_id"]
        assert page["head"] == gone["sequence_number"]
        assert page["items"][0]["content"] == ""
        assert api.get(ANA, message, as_of=as_of) == page["items"][0]
        assert api.get(ANA, room.path, as_of=as_of)["head"] == gone["sequence_number"]
    for direction in ({}, {"after": 0}):
        asked = {"as_of": elsewhere, "limit": 1, **direction}
        pages = all_pages(api, ANA, f"{room.path}/messages", **asked)
        whole = room.messages(ANA, as_of=elsewhere, **direction)
        assert [one for page in pages for one in page] == whole
        assert gone["message_id"] in ids(whole)
        assert kept["message_id"] not in ids(whole)

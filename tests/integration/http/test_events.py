"""A room's events over REST: JSON pages and NDJSON."""

import json

from tests.integration.http.api import ANA, BEN, CEM, Api, all_pages, problem

NDJSON = {"Accept": "application/x-ndjson"}


def test_every_kind_of_event_is_told_flat_and_in_order(api: Api) -> None:
    room = api.room((BEN, "responder"))
    message = room.send(ANA, "hello", metadata={"a": 1})
    path = f"/api/messages/{message['message_id']}"
    api.call(ANA, "PATCH", path, json={"content": "hello!", "reason": "typo"})
    api.call(BEN, "POST", f"{path}/reactions", json={"emoji": "\U0001f44d"})
    api.call(BEN, "DELETE", f"{path}/reactions/%F0%9F%91%8D")
    api.call(ANA, "DELETE", path, json={"reason": "done"})
    api.call(ANA, "PUT", f"{room.path}/members/{BEN}", json={"role": "observer"})
    api.call(ANA, "DELETE", f"{room.path}/members/{BEN}")
    api.call(ANA, "PATCH", room.path, json={"status": "resolved"})
    events = room.events(ANA)
    assert [e["event"]["type"] for e in events] == [
        "room.created",
        "member.added",
        "message.sent",
        "message.edited",
        "reaction.added",
        "reaction.removed",
        "message.deleted",
        "member.role_changed",
        "member.removed",
        "room.updated",
    ]
    previous = 0
    for event in events:
        assert event["room_id"] == room.room_id
        assert event["prev_sequence"] == previous
        assert event["event"]["actor"]
        assert not {"salt", "digest"} & event["event"].keys()
        previous = event["sequence"]
    said = events[2]["event"]
    assert (said["id"], said["content"], said["metadata"]) == (
        message["message_id"],
        "hello",
        {"a": 1},
    )
    assert events[3]["event"]["reason"] == "typo"
    assert events[9]["event"]["status"] == "resolved"


def test_events_are_paged_and_streamed_alike(api: Api) -> None:
    room = api.room()
    for n in range(20):
        room.send(ANA, f"message {n}")
    events = room.events(ANA)
    assert len(events) == 21
    pages = all_pages(api, ANA, f"{room.path}/events", limit=8)
    assert [e for page in pages for e in page] == events
    assert [len(page) for page in pages] == [8, 8, 5]
    after = events[4]["sequence"]
    page = api.get(ANA, f"{room.path}/events", after=after, limit=3)
    assert page["items"] == events[5:8]
    assert page["head"] == events[-1]["sequence"]
    streamed = api.call(ANA, "GET", f"{room.path}/events", headers=NDJSON, params={"after": after})
    assert streamed.status_code == 200
    assert streamed.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in streamed.text.splitlines()] == events[5:]
    assert streamed.text.endswith("\n")
    beyond = api.call(ANA, "GET", f"{room.path}/events", headers=NDJSON, params={"after": 10**12})
    assert (beyond.status_code, beyond.text) == (200, "")


def test_events_are_for_readers_and_in_known_formats(api: Api) -> None:
    room = api.room()
    path = f"{room.path}/events"
    problem(api.call(CEM, "GET", path, headers=NDJSON), 403, "forbidden")
    html = {"Accept": "text/html"}
    problem(api.call(ANA, "GET", path, headers=html), 406, "not_acceptable")
    problem(api.call(ANA, "GET", room.path, headers=NDJSON), 406, "not_acceptable")
    problem(api.call(ANA, "GET", path, params={"after": -1}), 422, "invalid", "after")
    problem(api.call(ANA, "GET", path, params={"limit": 501}), 422, "invalid", "limit")

"""Messages over REST: send, read, edit, delete, history."""

import asyncio

import httpx
import pytest

from tests.integration.http.api import (
    ADMIN,
    ANA,
    AUDITOR,
    BEN,
    BOT,
    CEM,
    DOT,
    NOWHERE,
    TIMEOUT_S,
    Api,
    problem,
)

VERBATIM = "if (a<b) {x>y} List<String>\n\t**bold** https://example.com 你好 \U0001f525"


def test_a_message_is_kept_verbatim_and_readable_at_once(api: Api) -> None:
    room = api.room((BEN, "responder"))
    body = {"content": VERBATIM, "metadata": {"ticket": 7, "big": 2**70, "none": None}}
    sent = api.call(BEN, "POST", f"{room.path}/messages", json=body)
    assert sent.status_code == 201
    assert "roomlog-projected" not in sent.headers
    assert "idempotency-replayed" not in sent.headers
    message = sent.json()
    assert sent.headers["location"] == f"{room.path}/messages/{message['message_id']}"
    assert sent.headers["etag"] == f'"{message["version"]}"'
    assert message["content"] == VERBATIM
    assert "<strong>bold</strong>" in message["content_html"]
    assert "List&lt;String&gt;" in message["content_html"]
    assert message["metadata"] == body["metadata"]
    assert (message["sender_id"], message["message_type"]) == (BEN, "text")
    assert (message["edited_at"], message["deleted_at"], message["reactions"]) == (None, None, [])
    assert message["version"] == message["sequence_number"]
    read = api.call(ANA, "GET", sent.headers["location"])
    assert read.json() == message
    assert read.headers["etag"] == sent.headers["etag"]
    assert room.messages(ANA)[0] == message


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("image_ref", {"url": "https://example.com/a.png", "content_type": "image/png"}),
        (
            "file_ref",
            {
                "url": "https://example.com/a.log",
                "filename": "a.log",
                "content_type": "text/plain",
            },
        ),
        ("incident_data", {"kind": "metric", "data": {"p99_ms": 912.5}}),
    ],
)
def test_each_type_of_message_is_taken(api: Api, kind: str, metadata: dict[str, object]) -> None:
    room = api.room()
    sent = room.send(ANA, "see this", message_type=kind, metadata=metadata)
    assert (sent["message_type"], sent["metadata"]) == (kind, metadata)
    answer = api.call(
        ANA, "POST", f"{room.path}/messages", json={"content": "", "message_type": kind}
    )
    body = problem(answer, 422, "invalid", *[e["field"] for e in answer.json()["errors"]])
    assert body["errors"][0]["field"].startswith("metadata.")


def test_system_messages_are_for_services(api: Api) -> None:
    room = api.room()
    body = {
        "content": "deploy 1.2.3",
        "message_type": "system",
        "metadata": {"event": "notice"},
    }
    path = f"{room.path}/messages"
    assert api.call(BOT, "POST", path, json=body).status_code == 201
    problem(api.call(ANA, "POST", path, json=body), 403, "forbidden")


def test_a_reply_names_what_it_replies_to(api: Api) -> None:
    room = api.room()
    first = room.send(ANA, "what happened?")
    assert room.send(ANA, "this", reply_to=first["message_id"])["reply_to"] == first["message_id"]
    bad = api.call(ANA, "POST", f"{room.path}/messages", json={"content": "a", "reply_to": "b"})
    problem(bad, 422, "invalid", "reply_to")


def test_observers_and_strangers_do_not_send(api: Api) -> None:
    room = api.room((CEM, "observer"))
    for user in (CEM, DOT, ADMIN, AUDITOR):
        answer = api.call(user, "POST", f"{room.path}/messages", json={"content": "hi"})
        problem(answer, 403, "forbidden")
    assert room.messages(ANA, type="text") == []


def test_a_closed_room_takes_no_more_messages(api: Api) -> None:
    room = api.room()
    assert api.call(ANA, "PATCH", room.path, json={"status": "closed"}).status_code == 200
    sent = api.call(ANA, "POST", f"{room.path}/messages", json={"content": "too late"})
    problem(sent, 409, "room_closed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": " \n"}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({}, "content"),
        ({"content": 5}, "content"),
        ({"content": "a", "message_type": "video"}, "message_type"),
        ({"content": "a", "metadata": []}, "metadata"),
        ({"content": "a", "metadata": {"a": "\x00"}}, "metadata"),
    ],
)
def test_an_impossible_message_is_refused_by_field(
    api: Api, body: dict[str, object], field: str
) -> None:
    room = api.room()
    head = api.get(ANA, room.path)["head"]
    for key in (None, "same-key"):
        answer = api.call(ANA, "POST", f"{room.path}/messages", json=body, key=key)
        problem(answer, 422, "invalid", field)
    assert api.get(ANA, room.path)["head"] == head


@pytest.mark.parametrize(
    "body",
    [
        b'{"content":"\\ud800"}',
        b'{"content":"a","metadata":{"\\udfff":1}}',
        b'{"content":"\xff"}',
        b'{"content":"a","metadata":{"n":1e999}}',
        b'{"content":"a","metadata":{"n":' + b"1" * 5000 + b"}}",
        b'{"content":"a","metadata":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b'{"content":"a","metadata":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"content":"a"',
        b"",
    ],
    ids=["surrogate", "key", "utf8", "huge", "digits", "deep", "deepest", "cut", "empty"],
)
def test_an_undecodable_body_is_invalid(api: Api, body: bytes) -> None:
    room = api.room()
    for key in (None, "same-key"):
        answer = api.call(
            ANA,
            "POST",
            f"{room.path}/messages",
            content=body,
            headers={"Content-Type": "application/json"},
            key=key,
        )
        assert answer.json()["code"] == "invalid", answer.text
        assert answer.status_code == 422


def test_sizes_are_limited_in_bytes(api: Api) -> None:
    room = api.room()
    path = f"{room.path}/messages"
    assert len(room.send(ANA, "é" * 5120)["content"]) == 5120
    problem(api.call(ANA, "POST", path, json={"content": "é" * 5121}), 413, "too_large", "content")
    large = {"content": "a", "metadata": {"a": "b" * 102_400}}
    problem(api.call(ANA, "POST", path, json=large), 413, "too_large", "metadata")
    larger = api.call(ANA, "POST", path, json={"content": "a" * 2_000_000})
    problem(larger, 413, "too_large")

    def chunks() -> object:
        for _ in range(20):
            yield b" " * 100_000

    chunked = api.call(
        ANA,
        "POST",
        path,
        content=chunks(),
        headers={"Content-Type": "application/json"},
    )
    problem(chunked, 413, "too_large")


def test_an_edit_changes_what_is_said_and_keeps_what_was(api: Api) -> None:
    room = api.room((BEN, "responder"))
    sent = room.send(ANA, "the database is down", metadata={"a": 1})
    path = f"/api/messages/{sent['message_id']}"
    body = {"content": "the cache is down", "reason": "wrong part"}
    answer = api.call(ANA, "PATCH", path, json=body, if_match=f'"{sent["version"]}"')
    assert answer.status_code == 200
    edited = answer.json()
    assert answer.headers["etag"] == f'"{edited["version"]}"'
    assert edited["version"] > sent["version"]
    assert edited["edited_at"] is not None
    unchanged = ("message_id", "sequence_number", "created_at", "metadata", "sender_id")
    assert {k: edited[k] for k in unchanged} == {k: sent[k] for k in unchanged}
    assert edited["content"] == "the cache is down"
    assert api.get(BEN, f"{room.path}/messages/{sent['message_id']}") == edited
    history = api.get(BEN, f"{room.path}/messages/{sent['message_id']}/history")
    assert [
        (v["version"], v["content"], v["edited_by"], v["reason"]) for v in history["items"]
    ] == [
        (sent["version"], "the database is down", ANA, None),
        (edited["version"], "the cache is down", ANA, "wrong part"),
    ]
    assert (history["next"], history["head"]) == (None, edited["version"])
    stale = api.call(ANA, "PATCH", path, json=body, if_match=f'"{sent["version"]}"')
    problem(stale, 412, "version_mismatch")
    problem(api.call(BEN, "PATCH", path, json=body), 403, "forbidden")
    problem(api.call(ADMIN, "PATCH", path, json=body), 403, "forbidden")
    assert api.call(ANA, "PATCH", path, json=body, if_match="*").status_code == 200
    version = api.get(ANA, f"{room.path}/messages/{sent['message_id']}")["version"]
    for tag in (f'W/"{version}"', '"another"'):
        for method in ("PATCH", "DELETE"):
            strong = api.call(ANA, method, path, json=body, if_match=tag)
            problem(strong, 412, "version_mismatch")
    several = api.call(ANA, "PATCH", path, json=body, if_match=f'"{version}", "1"')
    problem(several, 422, "invalid", "If-Match")
    # All other refusals come first (RFC 9110, 13.2.1).
    problem(api.call(BEN, "PATCH", path, json=body, if_match='W/"1"'), 403, "forbidden")
    nowhere = f"/api/messages/{NOWHERE}"
    problem(api.call(ANA, "PATCH", nowhere, json=body, if_match='W/"1"'), 404, "not_found")


def test_history_is_paged(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "version 0")
    for n in range(1, 5):
        body = {"content": f"version {n}"}
        path = f"/api/messages/{message['message_id']}"
        assert api.call(ANA, "PATCH", path, json=body).status_code == 200
    path = f"{room.path}/messages/{message['message_id']}/history"
    first = api.get(ANA, path, limit=3)
    second = api.get(ANA, path, cursor=first["next"])
    assert second["next"] is None
    contents = [v["content"] for v in first["items"] + second["items"]]
    assert contents == [f"version {n}" for n in range(5)]


async def test_of_racing_edits_with_one_etag_exactly_one_wins(api: Api) -> None:
    room = api.room()
    for _ in range(5):
        message = room.send(ANA, "before the race")
        headers = api.headers(ANA, if_match=f'"{message["version"]}"')
        path = f"/api/messages/{message['message_id']}"
        async with httpx.AsyncClient(base_url=api.stack.base_url, timeout=TIMEOUT_S) as client:
            answers = await asyncio.gather(
                *(
                    client.patch(path, json={"content": f"edit {n}"}, headers=headers)
                    for n in range(4)
                )
            )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        (won,) = (answer.json() for answer in answers if answer.status_code == 200)
        for answer in answers:
            if answer.status_code == 412:
                problem(answer, 412, "version_mismatch")
        assert api.get(ANA, f"{room.path}/messages/{message['message_id']}") == won


def test_a_deleted_message_stays_as_a_tombstone(api: Api) -> None:
    room = api.room((BEN, "responder"))
    sent = room.send(BEN, "my password is hunter2", metadata={"a": 1})
    path = f"/api/messages/{sent['message_id']}"
    problem(api.call(ANA, "DELETE", path, if_match='"1"'), 412, "version_mismatch")
    answer = api.call(ANA, "DELETE", path, json={"reason": "secret"})
    assert answer.status_code == 200
    tombstone = answer.json()
    assert (tombstone["content"], tombstone["content_html"], tombstone["metadata"]) == ("", "", {})
    assert tombstone["deleted_at"] is not None
    assert answer.headers["etag"] == f'"{tombstone["version"]}"'
    assert room.messages(BEN)[0] == tombstone
    problem(api.call(BEN, "DELETE", path), 409, "already_deleted")
    problem(api.call(BEN, "PATCH", path, json={"content": "again"}), 409, "already_deleted")
    reactions = api.call(BEN, "POST", f"{path}/reactions", json={"emoji": "\U0001f44d"})
    problem(reactions, 409, "already_deleted")
    history = f"{room.path}/messages/{sent['message_id']}/history"
    problem(api.call(BEN, "GET", history), 403, "forbidden")
    versions = [v["content"] for v in api.get(AUDITOR, history)["items"]]
    assert versions == ["my password is hunter2", ""]


def test_who_may_delete(api: Api) -> None:
    room = api.room((BEN, "responder"), (CEM, "responder"))
    for deleter, status in ((CEM, 403), (BEN, 200), (ANA, 200), (ADMIN, 200)):
        message = room.send(BEN, f"for {deleter}")
        answer = api.call(deleter, "DELETE", f"/api/messages/{message['message_id']}")
        assert answer.status_code == (status), answer.text


def test_messages_of_changes_cannot_be_edited(api: Api) -> None:
    room = api.room((BEN, "responder"))
    told = room.messages(ANA)[0]
    edit = api.call(ANA, "PATCH", f"/api/messages/{told['message_id']}", json={"content": "no"})
    problem(edit, 403, "forbidden")


@pytest.mark.parametrize("message_id", [NOWHERE, "x", "%00"])
def test_a_message_that_is_not_there_is_not_found(api: Api, message_id: str) -> None:
    room = api.room()
    path = f"/api/messages/{message_id}"
    problem(api.call(ANA, "PATCH", path, json={"content": "a"}), 404, "not_found")
    problem(api.call(ANA, "DELETE", path), 404, "not_found")
    problem(api.call(ANA, "GET", f"{path}/reactions"), 404, "not_found")
    reaction = api.call(ANA, "POST", f"{path}/reactions", json={"emoji": "\U0001f44d"})
    problem(reaction, 404, "not_found")
    for rest in ("", "/history"):
        answer = api.call(ANA, "GET", f"{room.path}/messages/{message_id}{rest}")
        problem(answer, 404, "not_found")


def test_a_message_is_found_in_its_own_room_only(api: Api) -> None:
    room, other = api.room(), api.room()
    message = room.send(ANA, "here")
    answer = api.call(ANA, "GET", f"{other.path}/messages/{message['message_id']}")
    problem(answer, 404, "not_found")

"""The same key gives the same answer again, whatever happened in between."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from uuid_utils import uuid7

from tests.integration.http.api import (
    ADMIN,
    ANA,
    BEN,
    BOT,
    CEM,
    TIMEOUT_S,
    Api,
    new_key,
    problem,
)
from tests.integration.http.conformance import operations, resolve

KEYS = pytest.mark.parametrize("make_key", [new_key, lambda: str(uuid7())], ids=["any", "uuid7"])


def replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert first.status_code == again.status_code, again.text
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


@KEYS
def test_a_message_is_sent_once_and_its_answer_stays(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    key = make_key()  # type: ignore[operator]
    body = {"content": "once", "metadata": {"b": 1, "a": 2}}
    path = f"{room.path}/messages"
    first = api.call(ANA, "POST", path, json=body, key=key)
    replayed(first, api.call(ANA, "POST", path, json=body, key=key))
    message = f"/api/messages/{first.json()['message_id']}"
    assert api.call(ANA, "PATCH", message, json={"content": "twice"}).status_code == 200
    assert (
        api.call(BEN, "POST", f"{message}/reactions", json={"emoji": "\U0001f44d"}).status_code
        == 200
    )
    again = api.call(ANA, "POST", path, json=body, key=key)
    replayed(first, again)
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]
    assert len(room.messages(ANA, type="text")) == 1


@KEYS
def test_another_request_under_the_same_key_is_refused(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    key = make_key()  # type: ignore[operator]
    path = f"{room.path}/messages"
    sent = api.call(ANA, "POST", path, json={"content": "one"}, key=key)
    other = api.call(ANA, "POST", path, json={"content": "two"}, key=key)
    problem(other, 422, "idempotency_mismatch")
    message = f"/api/messages/{sent.json()['message_id']}"
    edit = api.call(ANA, "PATCH", message, json={"content": "one"}, key=key)
    problem(edit, 422, "idempotency_mismatch")
    same_key = api.call(BEN, "POST", path, json={"content": "two"}, key=key)
    assert same_key.status_code == 201
    elsewhere = api.call(ANA, "POST", f"{api.room().path}/messages", json={"content": "3"}, key=key)
    assert elsewhere.status_code == 201


@KEYS
def test_every_other_write_is_repeatable(api: Api, make_key: object) -> None:
    def key() -> str:
        return make_key()  # type: ignore[operator]

    room = api.room((BEN, "responder"))
    message = room.send(ANA, "first")
    path = f"/api/messages/{message['message_id']}"
    version = f'"{message["version"]}"'
    emoji = quote("\U0001f44d")
    writes = [
        ("PATCH", room.path, {"title": "New"}, None),
        ("PUT", f"{room.path}/members/{CEM}", {"role": "observer"}, None),
        ("PUT", f"{room.path}/members/{CEM}", {"role": "responder"}, None),
        ("DELETE", f"{room.path}/members/{CEM}", None, None),
        ("PATCH", path, {"content": "second"}, version),
        ("POST", f"{path}/reactions", {"emoji": "\U0001f44d"}, None),
        ("DELETE", f"{path}/reactions/{emoji}", None, None),
        ("DELETE", path, {"reason": "done"}, None),
    ]
    done = []
    for method, where, body, if_match in writes:
        used = key()
        first = api.call(ANA, method, where, json=body, key=used, if_match=if_match)
        assert first.is_success, first.text
        again = api.call(ANA, method, where, json=body, key=used, if_match=if_match)
        replayed(first, again)
        done.append((used, first))
    count = len(room.events(ANA))
    for (method, where, body, if_match), (used, first) in zip(writes, done, strict=True):
        replayed(first, api.call(ANA, method, where, json=body, key=used, if_match=if_match))
    assert len(room.events(ANA)) == count


@KEYS
def test_a_key_is_known_also_where_nothing_had_to_change(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    title = api.get(ANA, room.path)["title"]
    member = f"{room.path}/members/{BEN}"
    writes = [
        ("PATCH", room.path, {"title": title, "status": "open"}, {"status": "closed"}),
        ("PATCH", room.path, {}, {"title": "other"}),
        ("PUT", member, {"role": "responder"}, {"role": "commander"}),
    ]
    done = []
    for method, where, body, other in writes:
        key = make_key()  # type: ignore[operator]
        first = api.call(ANA, method, where, json=body, key=key)
        assert first.status_code == 200, first.text
        done.append((method, where, body, other, key, first))
    assert len(room.messages(ANA)) == 1  # nothing but that BEN was added
    assert api.call(ANA, "PATCH", room.path, json={"title": "later"}).status_code == 200
    assert api.call(ANA, "PUT", member, json={"role": "observer"}).status_code == 200
    for method, where, body, other, key, first in done:
        replayed(first, api.call(ANA, method, where, json=body, key=key))
        misused = api.call(ANA, method, where, json=other, key=key)
        problem(misused, 422, "idempotency_mismatch")
    now = api.get(ANA, room.path)
    assert (now["title"], now["status"]) == ("later", "open")
    members = api.get(ANA, f"{room.path}/members")["items"]
    assert {m["user_id"]: m["role"] for m in members} == {ANA: "commander", BEN: "observer"}


@KEYS
def test_unread_is_told_as_it_was_right_after_the_change(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    for n in range(3):
        deleted = room.send(BEN, f"unread {n}")
    room.send(ANA, "my own")
    key = make_key()  # type: ignore[operator]
    first = api.call(ANA, "PATCH", room.path, json={"title": "New"}, key=key)
    assert first.json()["unread"] == api.get(ANA, room.path)["unread"] == 3
    room.send(BEN, "later")
    assert api.call(BEN, "DELETE", f"/api/messages/{deleted['message_id']}").status_code == 200
    replayed(first, api.call(ANA, "PATCH", room.path, json={"title": "New"}, key=key))
    room.send(BEN, "more")
    unkeyed = api.call(ANA, "PATCH", room.path, json={"title": "Newer"})
    assert unkeyed.json()["unread"] == api.get(ANA, room.path)["unread"] == 4
    unchanged = api.call(ANA, "PATCH", room.path, json={"title": "Newer"})
    assert unchanged.json()["unread"] == 4


@KEYS
def test_a_room_is_created_once(api: Api, make_key: object) -> None:
    key = make_key()  # type: ignore[operator]
    body = {"name": "once", "members": [{"user_id": BEN, "role": "responder"}]}
    first = api.call(ANA, "POST", "/api/rooms", json=body, key=key)
    replayed(first, api.call(ANA, "POST", "/api/rooms", json=body, key=key))
    room = f"/api/rooms/{first.json()['room_id']}"
    assert api.call(ANA, "PATCH", room, json={"title": "changed"}).status_code == 200
    replayed(first, api.call(ANA, "POST", "/api/rooms", json=body, key=key))
    other = api.call(ANA, "POST", "/api/rooms", json={"name": "other"}, key=key)
    problem(other, 422, "idempotency_mismatch")


@KEYS
def test_the_answer_stays_when_the_right_is_lost(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    key = make_key()  # type: ignore[operator]
    path = f"{room.path}/messages"
    first = api.call(BEN, "POST", path, json={"content": "mine"}, key=key)
    assert first.status_code == 201
    assert api.call(ANA, "DELETE", f"{room.path}/members/{BEN}").status_code == 204
    replayed(first, api.call(BEN, "POST", path, json={"content": "mine"}, key=key))
    fresh = api.call(BEN, "POST", path, json={"content": "mine"}, key=new_key())
    problem(fresh, 403, "forbidden")


def test_a_refused_edit_is_refused_again(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "first")
    path = f"/api/messages/{message['message_id']}"
    key = new_key()
    for _ in range(2):
        answer = api.call(ANA, "PATCH", path, json={"content": "x"}, key=key, if_match='"1"')
        problem(answer, 412, "version_mismatch")
    assert api.get(ANA, f"{room.path}/messages/{message['message_id']}")["content"] == "first"


@KEYS
async def test_requests_that_race_under_one_key_are_one(api: Api, make_key: object) -> None:
    room = api.room()
    headers = api.headers(ANA, key=make_key())  # type: ignore[operator]
    async with httpx.AsyncClient(base_url=api.stack.base_url, timeout=TIMEOUT_S) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"{room.path}/messages", json={"content": "race"}, headers=headers)
                for _ in range(8)
            )
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7
    assert len(room.messages(ANA, type="text")) == 1


@KEYS
def test_a_read_marker_is_moved_once(api: Api, make_key: object) -> None:
    room = api.room((BEN, "responder"))
    first_said, last_said = (room.send(ANA, text)["sequence_number"] for text in ("one", "two"))
    path, key = f"{room.path}/read-marker", make_key()  # type: ignore[operator]
    first = api.call(BEN, "PUT", path, json={"sequence": first_said}, key=key)
    assert first.status_code == 204
    replayed(first, api.call(BEN, "PUT", path, json={"sequence": first_said}, key=key))
    misused = api.call(BEN, "PUT", path, json={"sequence": last_said}, key=key)
    problem(misused, 422, "idempotency_mismatch")
    assert api.get(BEN, room.path)["unread"] == 1
    assert api.call(ANA, "PUT", path, json={"sequence": last_said}, key=key).status_code == 204
    assert api.call(ANA, "DELETE", f"{room.path}/members/{BEN}").status_code == 204
    replayed(first, api.call(BEN, "PUT", path, json={"sequence": first_said}, key=key))
    problem(api.call(BEN, "PUT", path, json={"sequence": first_said}), 403, "forbidden")
    elsewhere = api.room().path
    answer = api.call(BEN, "PUT", f"{elsewhere}/read-marker", json={"sequence": 1}, key=key)
    problem(answer, 403, "forbidden")


@KEYS
def test_a_notice_to_all_is_sent_once(api: Api, make_key: object) -> None:
    key = make_key()  # type: ignore[operator]
    body = {"content": "restart at noon"}
    first = api.call(BOT, "POST", "/api/broadcast", json=body, key=key)
    assert first.status_code == 202
    replayed(first, api.call(BOT, "POST", "/api/broadcast", json=body, key=key))
    other = api.call(BOT, "POST", "/api/broadcast", json={"content": "at one"}, key=key)
    problem(other, 422, "idempotency_mismatch")
    another = api.call(ADMIN, "POST", "/api/broadcast", json=body, key=key)
    assert another.status_code == 202
    assert another.json()["notice_id"] != first.json()["notice_id"]
    problem(api.call(ANA, "POST", "/api/broadcast", json=body, key=key), 403, "forbidden")


def test_the_length_of_a_key_is_said_to_be_in_bytes_which_a_schema_cannot_count() -> None:
    parameters = operations()["POST", "/api/messages/{message_id}/reactions"]["parameters"]
    keys = [p for p in map(resolve, parameters) if p["name"] == "Idempotency-Key"]

    assert [key["schema"]["format"] for key in keys] == ["idempotency-key"]


def test_keys_are_any_text_to_200_bytes(api: Api) -> None:
    room = api.room()
    path = f"{room.path}/messages"
    for key in ("é" * 100, "a b, c;\"'", "x" * 200):
        sent = api.call(
            ANA,
            "POST",
            path,
            json={"content": "a"},
            headers={"Idempotency-Key": key.encode()},  # type: ignore[dict-item]
        )
        assert sent.status_code == 201, sent.text
    for key in ("", "x" * 201, "é" * 101):
        for method, where, body in (
            ("POST", path, {"content": "a"}),
            ("POST", "/api/rooms", {"name": "a"}),
            ("PUT", f"{room.path}/read-marker", {"sequence": 0}),
        ):
            answer = api.call(
                ANA,
                method,
                where,
                json=body,
                headers={"Idempotency-Key": key.encode()},  # type: ignore[dict-item]
            )
            problem(answer, 422, "invalid", "Idempotency-Key")


def test_bytes_that_are_no_utf_8_are_read_as_latin_1_and_count_as_what_they_read_as(
    api: Api,
) -> None:
    room = api.room()
    path = f"/api/messages/{room.send(ANA, 'a')['message_id']}/reactions"
    for key, status in ((b"\xe9" * 100, 200), (b"\xe9" * 101, 422)):
        headers: dict[str, Any] = {"Idempotency-Key": key}
        answer = api.call(ANA, "POST", path, json={"emoji": "👀"}, headers=headers)
        assert answer.status_code == status, answer.text

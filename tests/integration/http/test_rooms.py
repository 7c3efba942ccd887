"""Rooms, members and read markers over REST."""

from datetime import datetime
from urllib.parse import quote

import pytest

from tests.integration.embedded.waiting import eventually
from tests.integration.http.api import (
    ADMIN,
    ANA,
    AUDITOR,
    BEN,
    BOT,
    CEM,
    DOT,
    NOWHERE,
    Api,
    all_pages,
    problem,
)


def test_a_room_is_created_with_its_members(api: Api) -> None:
    body = {"name": "checkout is down", "title": "Payments fail", "severity": "sev1"}
    body["members"] = [{"user_id": BEN, "role": "responder"}, {"user_id": ANA, "role": "observer"}]
    answer = api.call(ANA, "POST", "/api/rooms", json=body)
    assert answer.status_code == 201
    room = answer.json()
    assert answer.headers["location"] == f"/api/rooms/{room['room_id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    told = {k: room[k] for k in ("name", "title", "severity", "status", "created_by", "role")}
    assert told == {
        "name": "checkout is down",
        "title": "Payments fail",
        "severity": "sev1",
        "status": "open",
        "created_by": ANA,
        "role": "commander",
    }
    assert room["head"] > 0
    assert room["epoch"]
    assert room["created_at"].endswith("Z")
    assert datetime.fromisoformat(room["created_at"]).tzinfo is not None
    assert api.get(ANA, answer.headers["location"]) == room
    members = api.get(BEN, f"/api/rooms/{room['room_id']}/members")
    assert [(m["user_id"], m["role"]) for m in members["items"]] == [
        (ANA, "commander"),
        (BEN, "responder"),
    ]
    assert (members["next"], members["head"], members["epoch"]) == (
        None,
        room["head"],
        room["epoch"],
    )


def test_a_room_is_changed_by_its_commander_and_says_so(api: Api) -> None:
    room = api.room((BEN, "responder"))
    changed = api.call(ANA, "PATCH", room.path, json={"title": "Cause found", "severity": "sev2"})
    assert changed.status_code == 200
    assert (changed.json()["title"], changed.json()["severity"]) == ("Cause found", "sev2")
    closed = api.call(ANA, "PATCH", room.path, json={"status": "mitigated", "severity": None})
    now = api.get(BEN, room.path)
    assert (now["status"], now["severity"], now["title"]) == ("mitigated", None, "Cause found")
    assert closed.json()["head"] == now["head"]
    told = room.messages(BEN)[0]
    assert told["message_type"] == "system"
    assert told["metadata"]["event"] == "status_changed"
    nothing = api.call(ANA, "PATCH", room.path, json={})
    assert (nothing.status_code, nothing.json()["head"]) == (200, now["head"])
    problem(api.call(BEN, "PATCH", room.path, json={"title": "Mine"}), 403, "forbidden")
    assert api.call(ADMIN, "PATCH", room.path, json={"title": "Ours"}).json()["role"] is None


def test_members_come_change_and_go(api: Api) -> None:
    room = api.room((BEN, "responder"))
    member = f"{room.path}/members/{quote('jörg/ops+1@example.com', safe='')}"
    added = api.call(ANA, "PUT", member, json={"role": "observer"})
    assert added.status_code == 200
    assert (added.json()["user_id"], added.json()["role"]) == ("jörg/ops+1@example.com", "observer")
    changed = api.call(ANA, "PUT", member, json={"role": "responder"})
    assert (changed.json()["role"], changed.json()["since"]) == ("responder", added.json()["since"])
    assert api.call(ANA, "PUT", member, json={"role": "responder"}).json() == changed.json()
    problem(api.call(BEN, "PUT", member, json={"role": "commander"}), 403, "forbidden")
    problem(api.call(BEN, "DELETE", member), 403, "forbidden")
    gone = api.call(ANA, "DELETE", member)
    assert (gone.status_code, gone.content) == (204, b"")
    problem(api.call(ANA, "DELETE", member), 404, "not_found")
    assert api.call(BEN, "DELETE", f"{room.path}/members/{BEN}").status_code == 204
    problem(api.call(BEN, "GET", room.path), 403, "forbidden")
    assert [m["metadata"]["event"] for m in reversed(room.messages(ANA))] == [
        "member_added",
        "member_added",
        "role_changed",
        "member_removed",
        "user_left",
    ]


def test_the_last_commander_stays(api: Api) -> None:
    room = api.room((BEN, "responder"))
    problem(api.call(ANA, "DELETE", f"{room.path}/members/{ANA}"), 422, "invalid", "user_id")
    demoted = api.call(ANA, "PUT", f"{room.path}/members/{ANA}", json={"role": "observer"})
    problem(demoted, 422, "invalid", "role")


@pytest.mark.parametrize("user", ["%ff", "%00", "%20", "a" * 300])
def test_an_impossible_user_is_refused_by_field(api: Api, user: str) -> None:
    room = api.room()
    answer = api.call(ANA, "PUT", f"{room.path}/members/{user}", json={"role": "observer"})
    problem(answer, 422, "invalid", "user_id")


def test_who_may_read_a_room(api: Api) -> None:
    room = api.room((BEN, "observer"))
    for user in (ANA, BEN, ADMIN, AUDITOR):
        for path in ("", "/members", "/messages", "/events"):
            assert api.call(user, "GET", room.path + path).status_code == 200
    for user in (CEM, BOT):
        for path in ("", "/members", "/messages", "/events"):
            problem(api.call(user, "GET", room.path + path), 403, "forbidden")
    assert api.get(AUDITOR, room.path)["role"] is None


@pytest.mark.parametrize("room_id", [NOWHERE, "x", NOWHERE.replace("-", ""), "%00"])
def test_a_room_that_is_not_there_is_not_found(api: Api, room_id: str) -> None:
    for path in ("", "/members", "/messages", "/events", f"/messages/{NOWHERE}"):
        problem(api.call(ADMIN, "GET", f"/api/rooms/{room_id}{path}"), 404, "not_found")
    sent = api.call(ANA, "POST", f"/api/rooms/{room_id}/messages", json={"content": "hello?"})
    problem(sent, 404, "not_found")


def test_rooms_are_listed_in_order_of_creation_for_who_may_see_them(api: Api) -> None:
    user = "lister@example.com"
    mine = [api.room(by=user, name=f"room {n}").room_id for n in range(5)]
    shared = api.room((user, "observer"), name="shared").room_id
    hidden = api.room(name="hidden").room_id
    pages = all_pages(api, user, "/api/rooms", limit=4)
    assert [room["room_id"] for page in pages for room in page] == [*mine, shared]
    assert [len(page) for page in pages] == [4, 2]
    assert [len(page) for page in all_pages(api, user, "/api/rooms", limit=3)] == [3, 3]
    everything = [r for page in all_pages(api, ADMIN, "/api/rooms", limit=100) for r in page]
    assert {*mine, shared, hidden} <= {room["room_id"] for room in everything}
    first = api.call(user, "GET", "/api/rooms", params={"limit": 4})
    target = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    assert api.get(user, target)["items"] == pages[1]


def test_unread_follows_the_read_marker(api: Api) -> None:
    room = api.room((BEN, "responder"))
    sent = [room.send(ANA, f"message {n}") for n in range(3)]
    room.send(BEN, "mine does not count")
    assert api.get(BEN, room.path)["unread"] == 3
    assert next(r for r in all_pages(api, BEN, "/api/rooms")[-1] if r["room_id"] == room.room_id)
    marker = f"{room.path}/read-marker"
    moved = api.call(BEN, "PUT", marker, json={"sequence": sent[1]["sequence_number"]})
    assert (moved.status_code, moved.content) == (204, b"")
    assert api.get(BEN, room.path)["unread"] == 1
    assert api.call(BEN, "PUT", marker, json={"sequence": 1}).status_code == 204
    assert api.get(BEN, room.path)["unread"] == 1
    beyond = {"sequence": api.get(BEN, room.path)["head"] + 1}
    problem(api.call(BEN, "PUT", marker, json=beyond), 422, "invalid", "sequence")
    problem(api.call(BEN, "PUT", marker, json={"sequence": -1}), 422, "invalid", "sequence")
    problem(api.call(CEM, "PUT", marker, json={"sequence": 1}), 403, "forbidden")


def test_members_are_paged_in_order_of_user_id(api: Api) -> None:
    users = [f"user{n:02}@example.com" for n in range(7)]
    room = api.room(*((u, "observer") for u in users), by=DOT)
    pages = all_pages(api, DOT, f"{room.path}/members", limit=3)
    assert [m["user_id"] for page in pages for m in page] == [DOT, *users]
    assert [len(page) for page in pages] == [3, 3, 2]


def test_members_are_called_by_the_name_that_their_tokens_bore_last(api: Api) -> None:
    user = "grace@example.com"
    room = api.room((user, "responder"), by=DOT)
    member = f"{room.path}/members/{user}"
    put = api.call(DOT, "PUT", member, json={"role": "observer"})
    assert put.json()["name"] is None

    def named() -> dict[str, str | None]:
        return {m["user_id"]: m["name"] for m in api.get(DOT, f"{room.path}/members")["items"]}

    for name in ("Grace", "Grace Hopper"):
        token = api.stack.token(user, name=name)
        answer = api.client.get(room.path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        eventually(lambda: named() == {DOT: None, user: name})  # noqa: B023 - called at once
    put = api.call(DOT, "PUT", member, json={"role": "responder"})
    assert put.json()["name"] == "Grace Hopper"
    assert api.get(user, f"{room.path}/members")["items"][1]["name"] == "Grace Hopper"


def test_who_is_online_is_told_of_members_as_of_min_sequence(api: Api) -> None:
    room = api.room((BEN, "responder"))
    head = api.get(ANA, room.path)["head"]
    for what in ("online", "typing"):
        path = f"{room.path}/{what}"
        assert api.get(BEN, path, min_sequence=head) == {"users": []}
        beyond = api.call(BEN, "GET", path, params={"min_sequence": head + 1})
        problem(beyond, 422, "invalid", "min_sequence")

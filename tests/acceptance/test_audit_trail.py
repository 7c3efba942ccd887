"""The audit trail of the running product: every way to read leaves its record, by whoever is no
member, and only admins list it."""

import base64
import json
import secrets
import uuid
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from roomlog.core.merkle import leaf_hash, verify_consistency, verify_inclusion
from tests.acceptance.permission_table import COMMANDER, ROUTES, Row
from tests.acceptance.test_permissions import WAIT_S, Place
from tests.stack import Stack

_ROOM, _MESSAGE = "/api/rooms/{room_id}", "/api/messages/{message_id}"
RECORDED = {
    ("GET /api/rooms", ""): "rooms.listed",
    (f"GET {_ROOM}", ""): "room.read",
    (f"GET {_ROOM}/members", ""): "members.read",
    (f"GET {_ROOM}/stats", ""): "stats.read",
    (f"GET {_ROOM}/online", ""): "presence.read",
    (f"GET {_ROOM}/typing", ""): "presence.read",
    (f"GET {_ROOM}/messages", ""): "history.read",
    (f"GET {_ROOM}/messages/{{message_id}}", ""): "message.read",
    (f"GET {_ROOM}/messages/{{message_id}}/history", ""): "versions.read",
    (f"GET {_MESSAGE}/reactions", ""): "reactions.read",
    (f"GET {_ROOM}/messages/search", ""): "messages.searched",
    (f"GET {_ROOM}/events", ""): "events.read",
    (f"GET {_ROOM}/events", "application/x-ndjson"): "events.read",
    (f"GET {_ROOM}/events", "text/event-stream"): "room.followed",
    (f"GET {_ROOM}/tree/checkpoint", ""): "room.proved",
    (f"GET {_ROOM}/tree/inclusion", ""): "room.proved",
    (f"GET {_ROOM}/tree/consistency", ""): "room.proved",
    (f"GET {_ROOM}/tree/head", ""): "room.proved",
}
TELLS_OF_NO_ROOM = {
    *("GET /api/checkpoint", "GET /api/audit/keys", "GET /api/audit/records"),
    *("GET /api/audit/records/checkpoint", "GET /api/audit/records/inclusion"),
    "GET /api/audit/records/consistency",
}
READS = [row for row in ROUTES if row.what.startswith("GET ")]


@pytest.fixture(scope="module")
def place(stack: Stack) -> Generator[Place]:
    made = Place(stack)
    yield made
    made.client.close()


def records(place: Place, **asked: str) -> list[dict[str, Any]]:
    headers = place.stack.headers("keeper@example.org", "admin")
    answer = place.client.get("/api/audit/records", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return answer.json()["items"]


def somebody() -> str:
    return f"reader-{secrets.token_hex(6)}@example.org"


def test_every_read_of_the_table_is_recorded_or_tells_of_no_room():
    assert {row.what for row in READS} == {what for what, _ in RECORDED} | TELLS_OF_NO_ROOM


@pytest.mark.parametrize("role", ["auditor", "admin"])
@pytest.mark.parametrize(("read", "kind"), RECORDED.items(), ids=str)
def test_over_rest_who_is_no_member_leaves_one_record(
    place: Place, read: tuple[str, str], kind: str, role: str
):
    what, accept = read
    row: Row = next(row for row in READS if row.what == what)
    cell, user = place.cell(COMMANDER), somebody()
    filled = row.fill(cell)
    path = (what.removeprefix("GET ") + row.query).format(room_id=cell.room_id, **filled)
    headers = {**place.stack.headers(user, role), **({"Accept": accept} if accept else {})}

    for _ in range(2):
        with place.client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()

    (record,) = records(place, actor=user)
    assert (record["kind"], record["roles"]) == (kind, [role])
    in_a_room = kind != "rooms.listed"
    assert record.get("room_id") == (cell.room_id if in_a_room else None)
    named = kind in {"message.read", "versions.read", "reactions.read"}
    assert record.get("message_id") == (filled["message_id"] if named else None)
    assert record["at"] < record["until"]


@pytest.mark.parametrize("suffix", ["", "/members", "/messages", "/messages/{message_id}"])
def test_a_read_of_the_past_is_another_than_one_of_the_present(place: Place, suffix: str):
    cell, user = place.cell(COMMANDER), somebody()
    path = f"/api/rooms/{cell.room_id}{suffix}".format(message_id=place.deleted)
    headers = place.stack.headers(user, "auditor")
    now = place.client.get(path, headers=headers)
    head = place.client.get(f"/api/rooms/{cell.room_id}", headers=headers).json()["head"]
    past = place.client.get(path, params={"as_of": str(head)}, headers=headers)
    assert (now.status_code, past.status_code) == (200, 200)

    found = {(one["kind"], one.get("past", False)) for one in records(place, actor=user)}
    kind = {"": "room.read", "/members": "members.read", "/messages": "history.read"}.get(
        suffix, "message.read"
    )
    assert {(kind, False), (kind, True)} <= found


def test_over_a_websocket_who_is_no_member_leaves_one_record(place: Place):
    user = somebody()
    url = place.stack.base_url.replace("http", "ws", 1)
    headers = place.stack.headers(user, "auditor")
    with connect(f"{url}/ws", additional_headers=headers) as socket:
        socket.send(json.dumps({"type": "subscribe", "room_id": place.room_id, "after": 0}))
        seen = ""
        while '"subscribed"' not in seen:
            seen += str(socket.recv(timeout=WAIT_S))

        (record,) = records(place, actor=user)
    assert (record["kind"], record["room_id"]) == ("room.followed", place.room_id)


def test_members_and_those_who_are_refused_leave_none(place: Place):
    stranger = somebody()
    for path in ("", "/messages", "/members", "/events"):
        answer = place.client.get(
            f"/api/rooms/{place.room_id}{path}", headers=place.stack.headers(stranger)
        )
        assert answer.status_code == 403
        assert place.ask(COMMANDER, "GET", f"/api/rooms/{place.room_id}{path}").is_success

    assert records(place, actor=stranger) == []
    assert records(place, actor="commander@example.org") == []


def test_what_an_auditor_reads_of_a_deleted_message_is_recorded_although_a_member(place: Place):
    user = somebody()
    path = f"/api/rooms/{place.room_id}"
    place.call(COMMANDER, "PUT", f"{path}/members/{user}", {"role": "observer"})
    headers = place.stack.headers(user, "auditor")
    for _ in range(2):
        answer = place.client.get(f"{path}/messages/{place.deleted}/history", headers=headers)
        assert answer.status_code == 200, answer.text
    assert place.client.get(f"{path}/messages", headers=headers).is_success

    (record,) = records(place, actor=user)
    assert (record["kind"], record["message_id"]) == ("versions.read", place.deleted)


def test_it_is_listed_in_pages_and_by_every_filter(place: Place):
    user = somebody()
    rooms = [
        place.call(COMMANDER, "POST", "/api/rooms", {"name": f"r{number}"}).json()["room_id"]
        for number in range(2)
    ]
    headers = place.stack.headers(user, "auditor")
    for room in rooms:
        for suffix in ("", "/members", "/messages", "/events"):
            assert place.client.get(f"/api/rooms/{room}{suffix}", headers=headers).is_success
    admin = place.stack.headers("keeper@example.org", "admin")
    pages: list[list[dict[str, Any]]] = []
    asked: dict[str, Any] = {"actor": user, "limit": 3}
    while True:
        page = place.client.get("/api/audit/records", params=asked, headers=admin).json()
        pages.append(page["items"])
        if page["next"] is None:
            break
        asked = {"cursor": page["next"]}

    assert [len(page) for page in pages] == [3, 3, 2]
    everything = [one for page in pages for one in page]
    assert everything == records(place, actor=user)
    assert [one["sequence"] for one in everything] == sorted(o["sequence"] for o in everything)
    assert records(place, room_id=rooms[1]) == everything[4:]
    assert records(place, actor=user, kind="members.read") == [everything[1], everything[5]]
    assert records(place, actor=user, until="2020-01-01T00:00:00Z") == []
    assert records(place, actor=user, since="2020-01-01T00:00:00Z") == everything
    assert records(place, actor=user, since="2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("room_id=x", "room_id"),
        ("kind=reading", "kind"),
        ("since=yesterday", "since"),
        ("until=1", "until"),
        ("actor=", "actor"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("of=x", "of"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_its_field(place: Place, asked: str, field: str):
    headers = place.stack.headers("keeper@example.org", "admin")
    answer = place.client.get(f"/api/audit/records?{asked}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_record_is_proved_to_be_in_the_trail_and_the_trail_to_go_on(place: Place):
    user = somebody()
    headers = place.stack.headers(user, "auditor")
    assert place.client.get("/api/rooms", headers=headers).is_success
    (record,) = records(place, actor=user)
    asked = {"headers": headers}
    old = place.client.get("/api/audit/records/checkpoint", **asked).json()
    assert place.client.get(f"/api/rooms/{place.room_id}", headers=headers).is_success
    head = place.client.get("/api/audit/records/checkpoint", **asked).json()
    assert head["origin"].endswith(f"/{head['epoch']}/trail")
    assert head["size"] >= old["size"] + 1

    proof = place.client.get(
        "/api/audit/records/inclusion",
        params={"sequence": record["sequence"], "size": head["size"]},
        **asked,
    ).json()
    hashes = [base64.b64decode(one) for one in proof["hashes"]]
    root = base64.b64decode(head["root"])
    leaf = base64.b64decode(proof["leaf_hash"])
    assert verify_inclusion(leaf, record["sequence"] - 1, head["size"], hashes, root)
    # The leaf is the place and the stored bytes, whose form the documentation tells.
    fields = {name: value for name, value in record.items() if name != "sequence"}
    stored = json.dumps({"v": 1, **fields}, separators=(",", ":")).encode()
    assert leaf == leaf_hash(record["sequence"].to_bytes(8, "big") + stored)
    assert leaf == sha256(b"\x00" + record["sequence"].to_bytes(8, "big") + stored).digest()

    going_on = place.client.get(
        "/api/audit/records/consistency",
        params={"from": old["size"], "to": head["size"]},
        **asked,
    ).json()
    between = [base64.b64decode(one) for one in going_on["hashes"]]
    old_root = base64.b64decode(old["root"])
    assert verify_consistency(old["size"], head["size"], between, old_root, root)


def test_an_export_of_a_room_that_is_not_there_is_none(stack: Stack, tmp_path: Path):
    nowhere = str(uuid.uuid4())
    for options in ((), ("--log-alone",)):
        output = str(tmp_path / "bundle.html")
        done = stack.cli("audit", "export", nowhere, "-o", output, *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert "see whether the id is right" in done.stderr
    listed = stack.cli("audit", "records", "--room", nowhere, "--json")
    assert (listed.returncode, listed.stdout) == (0, "")


def test_commands_that_read_leave_their_records_and_list_them(stack: Stack, tmp_path: Path):
    place = Place(stack)
    room = place.room_id
    for command in (
        ("audit", "export", room, "-o", str(tmp_path / "bundle.html")),
        ("audit", "replay", room),
        ("audit", "replay", room, "--as-of", str(place.first)),
        ("audit", "visibility", room, "--user", "author@example.org"),
    ):
        done = stack.cli(*command)
        assert done.returncode == 0, done.stderr

    listed = stack.cli("audit", "records", "--room", room, "--json")
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["kind"], one.get("past", False)) for one in found] == [
        ("room.exported", False),
        ("room.replayed", False),
        ("room.replayed", True),
        ("visibility.asked", False),
    ]
    assert {one["actor"].partition(":")[0] for one in found} == {"operator"}
    assert found[3]["detail"] == "author@example.org"
    assert found == records(place, room_id=room)
    in_words = stack.cli("audit", "records", "--room", room, "--kind", "room.exported")
    assert in_words.stdout.count("\n") == 1
    assert f"room.exported, room {room}" in in_words.stdout
    since = stack.cli("audit", "records", "--since", "12")
    assert (since.returncode, "is a time" in since.stderr) == (2, True)

    checkpoint = stack.cli("audit", "checkpoint", "trail")
    assert checkpoint.stdout.splitlines()[0].endswith("/trail")
    proof = stack.cli("audit", "inclusion", "trail", str(found[0]["sequence"]), "--json")
    assert json.loads(proof.stdout)["index"] == found[0]["sequence"] - 1
    checked = stack.cli("audit", "check")
    assert checked.returncode == 0, checked.stdout
    assert "the audit trail: at" in stack.cli("audit", "status").stdout
    place.client.close()

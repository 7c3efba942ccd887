"""Who could see what of a running roomlog: the command line says what readers were given."""

import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.http.api import Api, Room
from tests.stack import Stack

ADA = "ada@example.org"
ROB = "rob@example.org"
EVE = "eve@example.org"
NO_ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001"


@pytest.fixture(scope="module")
def api(stack: Stack) -> Generator[Api]:
    running = Api(stack)
    yield running
    running.client.close()


def done(api: Api, method: str, path: str, **body: Any) -> None:
    answer = api.call(ADA, method, path, json=body or None)
    assert answer.status_code < 300, answer.text


def seen(stack: Stack, room: Room, user: str, *options: str) -> dict[str, Any]:
    told = stack.cli("audit", "visibility", room.room_id, "--user", user, "--json", *options)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def read(api: Api, room: Room, user: str) -> dict[str, tuple[str, bool]] | None:
    """What the user is given of the room now: content, and whether it was deleted; None for
    nobody's business."""
    answer = api.call(user, "GET", f"{room.path}/messages", params={"limit": 500})
    if answer.status_code == 403:
        return None
    items = answer.json()["items"]
    return {m["message_id"]: (m["content"], m["deleted_at"] is not None) for m in items}


def test_it_is_what_readers_were_given_at_each_moment(stack: Stack, api: Api):
    room = api.room(by=ADA)
    kept = room.send(ADA, "before anybody joined")["message_id"]
    gone = room.send(ADA, "never mind")["message_id"]
    member = f"{room.path}/members/{ROB}"
    moments: list[tuple[int, dict[str, dict[str, tuple[str, bool]] | None]]] = []
    for method, path, body in (
        ("PUT", member, {"role": "observer"}),
        ("PATCH", f"/api/messages/{kept}", {"content": "edited"}),
        ("PUT", member, {"role": "responder"}),
        ("DELETE", f"/api/messages/{gone}", {"reason": "no use"}),
        ("DELETE", member, {}),
        ("PATCH", room.path, {"status": "mitigated"}),
    ):
        done(api, method, path, **body)
        head = api.get(ADA, room.path)["head"]
        moments.append((head, {user: read(api, room, user) for user in (ADA, ROB, EVE)}))

    for head, given in moments:
        for user, expected in given.items():
            answer = seen(stack, room, user, "--at", str(head))
            found = {
                m["message_id"]: (m["content"], m["state"] == "deleted") for m in answer["messages"]
            }
            assert (answer["role"] is None) == (expected is None)
            assert found == (expected or {})
    deleted = seen(stack, room, ROB, "--at", str(moments[3][0]))["messages"]
    (deleted,) = [one for one in deleted if one["message_id"] == gone]
    assert [wording["content"] for wording in deleted["earlier"]] == ["never mind"]


def test_it_names_the_membership_events_and_what_it_cannot_tell(stack: Stack, api: Api):
    room = api.room((ROB, "responder"), by=ADA)
    room.send(ROB, "checkout is slow\u202e")
    done(api, "DELETE", f"{room.path}/members/{ROB}")
    changes = [one for one in room.events(ADA) if one["event"]["type"].startswith("member.")]
    (membership,) = seen(stack, room, ROB)["memberships"]

    (began,), ended = membership["changes"], membership["ended"]
    assert [
        {name: one[name] for name in ("sequence", "type", "actor", "at", "role")}
        for one in (began, ended)
    ] == [
        {
            "sequence": one["sequence"],
            "type": one["event"]["type"],
            "actor": ADA,
            "at": one["at"],
            "role": role,
        }
        for one, role in zip(changes, ("responder", None), strict=True)
    ]
    just_before = datetime.fromtimestamp(0, UTC) + timedelta(
        microseconds=ended["appended_ns"] // 1000 - 1
    )
    then = ("--at", just_before.isoformat())
    text = stack.cli("audit", "visibility", room.room_id, "--user", ROB, *then).stdout
    assert f"{ROB} was responder and could read" in text
    assert r"checkout is slow\u202e" in text
    assert "tokens with the role admin or auditor read every room" in text
    now = stack.cli("audit", "visibility", room.room_id, "--user", ROB).stdout
    assert f"{ROB} was no member any more and could read nothing" in now
    assert f"member.removed by {ADA}" in now


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([NO_ROOM, "--user", ROB], 1, "no events"),
        (["no-room", "--user", ROB], 2, "not a room's id"),
        ([NO_ROOM], 2, "--user"),
        ([NO_ROOM, "--user", " x"], 2, "printable"),
        ([NO_ROOM, "--user", ROB, "--at", "yesterday"], 2, "RFC 3339"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(
    stack: Stack, arguments: list[str], code: int, says: str
):
    told = stack.cli("audit", "visibility", *arguments)

    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (code, "", 1)
    assert says in told.stderr

"""Proofs over REST: who may have them, and what is refused."""

import base64

import pytest

from tests.core import naive_tree
from tests.integration.http.api import ADMIN, ANA, AUDITOR, BEN, DOT, NOWHERE, Api, problem


def test_whoever_reads_a_room_has_its_checkpoints_and_proofs(api: Api):
    room = api.room((BEN, "observer"))
    sent = room.send(ANA, "hello")
    for user in (ANA, BEN, AUDITOR, ADMIN):
        head = api.get(user, f"{room.path}/tree/checkpoint")
        assert (head["room_id"], head["size"]) == (room.room_id, 3)
        assert head["sequence"] == sent["sequence_number"]
        proof = api.get(user, f"{room.path}/tree/inclusion", sequence=sent["sequence_number"])
        assert (proof["index"], proof["size"], proof["root"]) == (2, 3, head["root"])
        proof = api.get(user, f"{room.path}/tree/consistency", **{"from": 1})
        assert (proof["from_size"], proof["to_size"], len(proof["hashes"])) == (1, 3, 2)
    for path in ("checkpoint", "inclusion?sequence=1", "consistency?from=1", "head"):
        problem(api.call(DOT, "GET", f"{room.path}/tree/{path}"), 403, "forbidden")


def test_all_rooms_are_for_auditors(api: Api):
    room = api.room()
    for user in (AUDITOR, ADMIN):
        head = api.get(user, "/api/checkpoint")
        assert head["origin"].endswith(f"/{head['epoch']}/heads/{head['sequences'][0]}")
        place = str(head["sequences"][0])
        proof = api.get(user, f"{room.path}/tree/head", sequences=place)
        assert (proof["root"], proof["size"]) == (head["root"], head["size"])
        assert proof["room_size"] == 1
    for path in ("/api/checkpoint", f"{room.path}/tree/head"):
        problem(api.call(ANA, "GET", path), 403, "forbidden")


@pytest.mark.parametrize(
    ("path", "status", "code", "fields"),
    [
        ("checkpoint?size=0", 422, "invalid", ["size"]),
        ("checkpoint?size=99", 422, "invalid", ["size"]),
        ("checkpoint?size=x", 422, "invalid", ["size"]),
        ("checkpoint?sise=1", 422, "invalid", ["sise"]),
        ("inclusion", 422, "invalid", ["sequence"]),
        ("inclusion?sequence=9223372036854775807", 404, "not_found", []),
        ("inclusion?sequence=9223372036854775808", 422, "invalid", ["sequence"]),
        ("consistency", 422, "invalid", ["from"]),
        ("consistency?from=0", 422, "invalid", ["from"]),
        ("consistency?from=2", 422, "invalid", ["from"]),
        ("consistency?from=1&to=2", 422, "invalid", ["to"]),
        ("head?sequences=1-", 422, "invalid", ["sequences"]),
        ("head?sequences=1-1", 422, "invalid", ["sequences"]),
        ("head?sequences=9999999999999999999", 422, "invalid", ["sequences"]),
        ("head?sequences=9223372036854775807", 422, "invalid", ["sequences"]),
        ("head?sequences=0", 404, "not_found", []),
    ],
)
def test_what_cannot_be_asked_or_proved_is_refused(
    api: Api, path: str, status: int, code: str, fields: list[str]
):
    room = api.room()
    problem(api.call(ADMIN, "GET", f"{room.path}/tree/{path}"), status, code, *fields)


def test_there_are_no_proofs_of_a_room_that_is_not_there(api: Api):
    for path in ("checkpoint", "inclusion?sequence=1", "consistency?from=1", "head"):
        problem(api.call(ADMIN, "GET", f"/api/rooms/{NOWHERE}/tree/{path}"), 404, "not_found")
        problem(api.call(ADMIN, "GET", f"/api/rooms/x/tree/{path}"), 404, "not_found")


def test_a_proof_of_the_first_size_is_of_the_first_event(api: Api):
    room = api.room()
    room.send(ANA, "hello")
    first = room.events(ANA)[0]["sequence"]
    proof = api.get(ANA, f"{room.path}/tree/inclusion", sequence=first, size=1)

    assert (proof["index"], proof["hashes"], proof["root"]) == (0, [], proof["leaf_hash"])
    head = api.get(ANA, f"{room.path}/tree/checkpoint", size=1)
    assert (head["sequence"], head["root"]) == (first, proof["root"])
    assert base64.b64decode(head["root"]) != naive_tree.root([])

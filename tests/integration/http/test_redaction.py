"""Redaction over REST: what was said is gone from all that can be asked, and stays provable."""

import hashlib
import json
import secrets
from typing import Any

import httpx
import pytest

from tests.integration.http.api import (
    ADMIN,
    ANA,
    AUDITOR,
    BEN,
    NOWHERE,
    Api,
    Room,
    new_key,
    problem,
)

REASON = {"reason": "a production password was pasted"}


def _secret() -> str:
    return f"hunter{secrets.token_hex(8)}"


def _redact(api: Api, message_id: str, key: str | None = None, by: str = ADMIN) -> httpx.Response:
    return api.call(by, "POST", f"/api/messages/{message_id}/redact", json=REASON, key=key)


def _redacted(api: Api, message_id: str, key: str | None = None) -> dict[str, Any]:
    answer = _redact(api, message_id, key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _everything(room: Room, message_id: str, secret: str) -> str:
    """All that an auditor can be told of the room, as one text."""
    api, path = room.api, room.path
    head = room.events(AUDITOR)[-1]["sequence"]
    told = [
        api.get(AUDITOR, f"{path}/messages"),
        api.get(AUDITOR, f"{path}/messages/{message_id}"),
        api.get(AUDITOR, f"{path}/messages/{message_id}/history"),
        api.get(AUDITOR, f"{path}/messages/search", q=secret),
        api.get(AUDITOR, f"{path}/events", limit=500),
    ]
    for moment in range(1, head + 1):
        told.append(api.get(AUDITOR, f"{path}/messages", as_of=moment))
        as_of = api.call(AUDITOR, "GET", f"{path}/messages/{message_id}", params={"as_of": moment})
        told.append(as_of.json())
    return json.dumps(told)


def test_nothing_of_it_is_told_any_more(api: Api):
    room = api.room((BEN, "responder"))
    pasted, mended, why = _secret(), _secret(), _secret()
    message = room.send(ANA, f"it is {pasted}", metadata={"note": pasted})
    path = f"/api/messages/{message['message_id']}"
    edited = api.call(ANA, "PATCH", path, json={"content": f"no, {mended}", "reason": why})
    assert edited.status_code == 200, edited.text
    api.call(BEN, "POST", f"{path}/reactions", json={"emoji": "👀"})
    before = _everything(room, message["message_id"], mended)
    assert all(secret in before for secret in (pasted, mended, why))

    left = _redacted(api, message["message_id"])

    assert (left["content"], left["content_html"], left["metadata"]) == ("", "", {})
    assert left["deleted_at"] is not None
    assert left["reactions"] == []
    after = _everything(room, message["message_id"], mended)
    assert not any(secret in after for secret in (pasted, mended, why))


def test_the_log_keeps_the_envelopes_who_when_and_why(api: Api):
    room = api.room()
    message = room.send(ANA, _secret())
    sent = room.events(ADMIN)[-1]
    api.call(ANA, "PATCH", f"/api/messages/{message['message_id']}", json={"content": "x"})
    edited = room.events(ADMIN)[-1]

    _redacted(api, message["message_id"])

    events = room.events(ADMIN)
    redactions = [event for event in events if event["event"]["type"] == "message.redacted"]
    assert [r["event"]["redacted_sequence"] for r in redactions] == [
        sent["sequence"],
        edited["sequence"],
    ]
    for redaction, erased in zip(redactions, (sent, edited), strict=True):
        assert redaction["event"]["actor"] == ADMIN
        assert redaction["event"]["reason"] == REASON["reason"]
        assert redaction["event"]["message_id"] == message["message_id"]
        envelope = json.loads(redaction["event"]["redacted_envelope"])
        assert envelope["id"] == erased["event"]["id"]
        assert envelope["at"] == erased["at"]
        assert len(envelope["commit"]) == hashlib.sha256().digest_size * 2
        assert "body" not in envelope
    left = {event["sequence"] for event in events}
    assert left.isdisjoint({sent["sequence"], edited["sequence"]})


def test_a_deleted_message_is_redacted_with_its_versions_and_the_reason_of_its_deletion(api: Api):
    room = api.room()
    said, why = _secret(), _secret()
    message = room.send(ANA, said)
    path = f"/api/messages/{message['message_id']}"
    assert api.call(ANA, "DELETE", path, json={"reason": why}).status_code == 200
    before = _everything(room, message["message_id"], said)
    assert said in before
    assert why in before

    _redacted(api, message["message_id"])

    after = _everything(room, message["message_id"], said)
    assert said not in after
    assert why not in after


def test_a_deletion_without_a_reason_said_nothing_and_stays(api: Api):
    room = api.room()
    message = room.send(ANA, _secret())
    api.call(ANA, "DELETE", f"/api/messages/{message['message_id']}")
    deleted = room.events(ADMIN)[-1]

    _redacted(api, message["message_id"])

    assert deleted["sequence"] in [event["sequence"] for event in room.events(ADMIN)]


def test_again_it_adds_nothing_and_answers_the_same(api: Api):
    room = api.room()
    message = room.send(ANA, _secret())
    first = _redacted(api, message["message_id"])
    events = room.events(ADMIN)

    again = _redacted(api, message["message_id"])

    assert again == first
    assert room.events(ADMIN) == events


def test_under_a_key_it_is_the_same_request_forever(api: Api):
    room, key = api.room(), new_key()
    message, other = room.send(ANA, _secret()), room.send(ANA, _secret())
    first = _redacted(api, message["message_id"], key)

    again = _redact(api, message["message_id"], key)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first
    misused = _redact(api, other["message_id"], key)
    problem(misused, 422, "idempotency_mismatch")
    assert room.messages(ANA)[0]["content"] == other["content"]


def test_a_sender_who_tries_again_is_told_that_it_is_gone(api: Api):
    room, key = api.room(), new_key()
    body = {"content": _secret()}
    sent = api.call(ANA, "POST", f"{room.path}/messages", json=body, key=key)
    _redacted(api, sent.json()["message_id"])
    events = room.events(ADMIN)

    again = api.call(ANA, "POST", f"{room.path}/messages", json=body, key=key)

    problem(again, 409, "already_deleted")
    assert room.events(ADMIN) == events


def test_it_cannot_be_edited_deleted_or_reacted_to_any_more(api: Api):
    room = api.room()
    message = room.send(ANA, _secret())
    _redacted(api, message["message_id"])
    path = f"/api/messages/{message['message_id']}"

    problem(api.call(ANA, "PATCH", path, json={"content": "x"}), 409, "already_deleted")
    problem(api.call(ANA, "DELETE", path), 409, "already_deleted")
    reaction = api.call(ANA, "POST", f"{path}/reactions", json={"emoji": "👀"})
    problem(reaction, 409, "already_deleted")


def test_what_tells_of_members_and_status_was_said_by_nobody(api: Api):
    room = api.room((BEN, "responder"))
    told = next(m for m in room.messages(ANA) if m["message_type"] == "system")

    problem(_redact(api, told["message_id"]), 422, "invalid", "message_id")


def test_a_system_message_that_somebody_sent_can_be_redacted(api: Api):
    room = api.room()
    said = _secret()
    system = {"message_type": "system", "metadata": {"event": "notice"}}
    message = room.send(ADMIN, said, **system)

    _redacted(api, message["message_id"])

    assert said not in _everything(room, message["message_id"], said)


@pytest.mark.parametrize("by", [ANA, BEN, AUDITOR])
def test_for_admins_alone(api: Api, by: str):
    room = api.room((BEN, "responder"))
    message = room.send(ANA, "a text")

    problem(_redact(api, message["message_id"], by=by), 403, "forbidden")
    assert room.messages(ANA)[0]["content"] == "a text"


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 1001}, {"reason": None}]
)
def test_a_reason_is_needed(api: Api, body: dict[str, Any]):
    room = api.room()
    message = room.send(ANA, "a text")
    answer = api.call(ADMIN, "POST", f"/api/messages/{message['message_id']}/redact", json=body)

    problem(answer, 422, "invalid", "reason")


def test_of_a_message_that_is_not_there(api: Api):
    problem(_redact(api, NOWHERE), 404, "not_found")


def test_a_message_with_more_versions_than_one_batch_takes(api: Api):
    room = api.room()
    message = room.send(ANA, _secret())
    path = f"/api/messages/{message['message_id']}"
    for _ in range(300):
        assert api.call(ANA, "PATCH", path, json={"content": _secret()}).status_code == 200

    _redacted(api, message["message_id"])

    kinds = [event["event"]["type"] for event in room.events(ADMIN)]
    assert kinds == ["room.created", *["message.redacted"] * 301]


def test_its_tombstone_stands_at_every_moment_from_its_own_on(api: Api):
    room = api.room()
    room.send(ANA, "before")
    message = room.send(ANA, _secret())
    message_id, own = message["message_id"], message["sequence_number"]
    _redacted(api, message_id)
    head = room.events(ANA)[-1]["sequence"]

    for moment in range(own, head + 1):
        page = api.get(ANA, f"{room.path}/messages", as_of=moment)
        then = api.get(ANA, f"{room.path}/messages/{message_id}", as_of=moment)
        assert page["items"][0] == then
        assert (then["content"], then["deleted_at"] is None) == ("", False)
    page = api.get(ANA, f"{room.path}/messages", as_of=own - 1)
    assert message_id not in json.dumps(page)
    gone = api.call(ANA, "GET", f"{room.path}/messages/{message_id}", params={"as_of": own - 1})
    problem(gone, 404, "not_found")

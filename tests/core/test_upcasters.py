import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import upcasters as up
from roomlog_contract import events as ev
from roomlog_contract import stored as st
from tests.core import golden_events as golden
from tests.core.examples import AT, MESSAGE, ROOM


def _stored(body: Any, **changes: Any) -> bytes:
    raw = msgspec.json.encode(body)
    fields = {
        "v": 1,
        "type": "message.sent",
        "id": MESSAGE,
        "room_id": ROOM,
        "actor": "rob@example.org",
        "at": AT,
        "commit": "00",
    }
    return msgspec.json.encode({**fields, **changes, "body": msgspec.Raw(raw)})


@dataclasses.dataclass
class _Registry:
    """Two invented versions of `message.sent`: v1 said `words`, v2 `text`, v3 is today's."""

    called: list[int] = dataclasses.field(default_factory=list)

    def upcasters(self) -> dict[tuple[str, int], up.Upcaster]:
        return {("message.sent", 1): self._from_1, ("message.sent", 2): self._from_2}

    def _from_1(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.called.append(1)
        return {"text": fields["words"], "salt": fields["salt"]}

    def _from_2(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.called.append(2)
        return {"content": fields["text"], "message_type": "text", "salt": fields["salt"]}


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's version is taken to be 3, so that 1 and 2 are old ones."""
    monkeypatch.setattr(st, "CURRENT_VERSION", 3)


@pytest.mark.usefixtures("third_version")
def test_an_old_body_goes_through_every_upcaster_from_its_version_on():
    registry = _Registry()
    event = st.decode_stored(_stored({"words": "hello", "salt": "00"}, v=1))

    body = up.decode_body(event, registry.upcasters())

    assert isinstance(body, st.MessageSentBody)
    assert body.content == "hello"
    assert registry.called == [1, 2]


@pytest.mark.usefixtures("third_version")
def test_a_body_of_a_middle_version_skips_the_upcasters_below_it():
    registry = _Registry()
    event = st.decode_stored(_stored({"text": "hello", "salt": "00"}, v=2))

    body = up.decode_body(event, registry.upcasters())

    assert isinstance(body, st.MessageSentBody)
    assert body.content == "hello"
    assert registry.called == [2]


@pytest.mark.usefixtures("third_version")
def test_a_body_of_todays_version_meets_no_upcaster():
    registry = _Registry()
    event = st.decode_stored(
        _stored({"content": "hello", "message_type": "text", "salt": "00"}, v=3)
    )

    body = up.decode_body(event, registry.upcasters())

    assert isinstance(body, st.MessageSentBody)
    assert registry.called == []


@pytest.mark.usefixtures("third_version")
def test_a_type_that_did_not_change_with_a_version_needs_no_upcaster_for_it():
    data = _stored({"emoji": "eyes", "salt": "00"}, v=1, type="reaction.added")

    assert up.decode_body(st.decode_stored(data), {}) == st.ReactionBody(emoji="eyes", salt="00")


@pytest.mark.usefixtures("third_version")
@pytest.mark.parametrize("fields", [{"salt": "00"}, {"words": 7, "salt": "00"}, {}])
def test_an_old_body_that_its_upcaster_does_not_know_is_unreadable(fields: dict[str, Any]):
    event = st.decode_stored(_stored(fields, v=1))

    with pytest.raises(up.UnreadableEventError, match="body of message"):
        up.decode_body(event, _Registry().upcasters())


def test_no_upcaster_is_registered_for_a_version_that_was_never_stored():
    versions = range(1, st.CURRENT_VERSION)
    assert set(up.UPCASTERS) <= {(kind, v) for kind in st.BODY_TYPES for v in versions}


@pytest.mark.parametrize("version", [2, 3, 2**40])
def test_an_event_of_a_newer_version_is_unreadable_and_said_to_be_newer(version: int):
    data = _stored({"content": "x", "message_type": "text", "salt": "00"}, v=version)

    with pytest.raises(up.UnreadableEventError, match=f"version {version}: newer than"):
        up.room_event(1, 0, data)


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_was_is_unreadable(version: int):
    data = _stored({"content": "x", "message_type": "text", "salt": "00"}, v=version)

    with pytest.raises(up.UnreadableEventError, match=f"no version {version}"):
        up.room_event(1, 0, data)


_DEEP = b'{"content":"x","message_type":"text","salt":"00","metadata":' + b'{"a":' * 100_000
_UNREADABLE = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "cut off": golden.encoded("message.sent full")[:-40],
    "not UTF-8 in the envelope": golden.encoded("message.sent full").replace(b"ada@", b"ad\xff@"),
    "not UTF-8 in the body": golden.encoded("message.sent minimal").replace(b'"ok"', b'"\xff"'),
    "something after the end": golden.encoded("message.sent minimal") + b"{}",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "an empty object": b"{}",
    "an unknown field": _stored({"content": "x", "salt": "00"}, extra=1),
    "an unknown type": _stored({"salt": "00"}, type="message.sung"),
    "a version that is text": _stored({"salt": "00"}, v="1"),
    "no body": b'{"v":1,"type":"message.sent","id":"i","room_id":"r","actor":"a","at":"t"}',
    "a body that is no object": _stored("hello"),
    "a body without content": _stored({"message_type": "text", "salt": "00"}),
    "a body without salt": _stored({"content": "x", "message_type": "text"}),
    "an unknown message type": _stored({"content": "x", "message_type": "song", "salt": "00"}),
    "content that is a number": _stored({"content": 1, "message_type": "text", "salt": "00"}),
    "a member without a role": _stored({"user_id": "u", "salt": "00"}, type="member.added"),
    "a change of role without one": _stored(
        {"user_id": "u", "salt": "00"}, type="member.role_changed"
    ),
    "a role that is none": _stored(
        {"user_id": "u", "role": "king", "salt": "00"}, type="member.added"
    ),
    "a status that is none": _stored({"status": "gone", "salt": "00"}, type="room.updated"),
    "an edit of no message": _stored({"content": "x", "salt": "00"}, type="message.edited"),
    "a deletion of no message": _stored({"salt": "00"}, type="message.deleted"),
    "a redaction of no message": _stored(
        {"redacted_sequence": 1, "redacted_envelope": "{}", "salt": "00"}, type="message.redacted"
    ),
    "a redaction without an envelope": _stored(
        {"redacted_sequence": 1, "redacted_envelope": "[]", "salt": "00"},
        type="message.redacted",
        message_id=MESSAGE,
    ),
    "a reaction to no message": _stored({"emoji": "x", "salt": "00"}, type="reaction.added"),
    "nested without end": _stored({}).replace(b'"body":{}', b'"body":' + _DEEP),
    "nested deeper than can be read": _stored({}).replace(
        b'"body":{}', b'"body":' + _DEEP + b"1" + b"}" * 100_001
    ),
}


@pytest.mark.parametrize("data", _UNREADABLE.values(), ids=_UNREADABLE.keys())
def test_what_no_version_explains_is_unreadable(data: bytes):
    assert not up.is_readable(data)
    with pytest.raises(up.UnreadableEventError):
        up.room_event(7, 5, data)


@given(s.binary() | s.text().map(str.encode))
def test_no_bytes_raise_anything_but_unreadable(data: bytes):
    assert not up.is_readable(data)


@given(s.sampled_from(golden.NAMES), s.data())
def test_damaged_events_are_read_or_unreadable_and_nothing_else(name: str, data: s.DataObject):
    good = golden.encoded(name)
    place = data.draw(s.integers(0, len(good) - 1))
    damaged = good[:place] + data.draw(s.binary(max_size=3)) + good[place + 1 :]

    try:
        event = up.room_event(7, 5, damaged)
    except up.UnreadableEventError:
        return
    assert msgspec.json.decode(msgspec.json.encode(event), type=ev.RoomEvent) == event


@pytest.mark.parametrize("name", golden.NAMES)
def test_readers_see_neither_digest_nor_salt_and_can_decode_what_they_see(name: str):
    event = up.room_event(7, 5, golden.encoded(name))
    seen = msgspec.json.encode(event)

    assert (event.sequence, event.prev_sequence) == (7, 5)
    assert event.room_id == ROOM
    assert {"salt", "digest", "commit"}.isdisjoint(msgspec.json.decode(seen)["event"])
    assert msgspec.json.decode(seen, type=ev.RoomEvent) == event

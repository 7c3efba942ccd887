"""What a line of existing chat becomes."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.chat_import import LINE_BYTES_MAX, parse_line
from roomlog.core.chat_items import (
    BadEntryError,
    member_fact,
    message_fact,
    normalised_time,
    room_fact,
)
from roomlog.core.decide import Limits
from roomlog_contract.types import MessageType, RoomRole

LIMITS = Limits()


def line(**fields: Any) -> bytes:
    given = {
        "room": "ops",
        "at": "2017-03-01T10:00:00Z",
        "kind": "message",
        "sender": "ana",
        "text": "hi",
    }
    return json.dumps({k: v for k, v in (given | fields).items() if v is not None}).encode()


def refusal(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(BadEntryError) as caught:
        parse_line(data, limits)
    return str(caught.value)


def test_a_message_keeps_its_text_sender_and_time() -> None:
    message = parse_line(line(text="if (a<b) {x>y} List<String>\t\n ü 漢"), LIMITS)
    assert message.content == "if (a<b) {x>y} List<String>\t\n ü 漢"
    assert (message.room, message.sender) == ("ops", "ana")
    assert message.at == "2017-03-01T10:00:00.000Z"
    assert message.message_type is MessageType.TEXT
    assert message.metadata == {}


def test_a_sender_is_kept_as_it_is() -> None:
    assert parse_line(line(sender="[FiDo] "), LIMITS).sender == "[FiDo] "


def test_an_empty_text_is_history_too() -> None:
    assert parse_line(line(text=""), LIMITS).content == ""
    assert parse_line(line(text="   "), LIMITS).content == "   "


def test_a_line_without_a_kind_is_a_message() -> None:
    assert parse_line(line(kind=None), LIMITS).message_type is MessageType.TEXT


def test_an_action_is_a_message_that_says_so() -> None:
    message = parse_line(line(kind="action", metadata={"a": 1}), LIMITS)
    assert message.message_type is MessageType.TEXT
    assert message.metadata == {"a": 1, "action": True}


def test_any_other_kind_is_a_system_message_that_names_it() -> None:
    message = parse_line(line(kind="rename", text="ana2"), LIMITS)
    assert message.message_type is MessageType.SYSTEM
    assert message.metadata == {"event": "imported", "kind": "rename"}
    assert message.content == "ana2"


def test_types_and_metadata_are_taken_over() -> None:
    image = {"url": "https://example.org/a.png", "content_type": "image/png"}
    message = parse_line(line(message_type="image_ref", metadata=image), LIMITS)
    assert message.message_type is MessageType.IMAGE_REF
    assert message.metadata == image


def test_ids_may_be_numbers() -> None:
    message = parse_line(line(id=17, reply_to="16"), LIMITS)
    assert (message.source_id, message.reply_to) == ("17", "16")


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("2017-03-01T10:00:00Z", "2017-03-01T10:00:00.000Z"),
        ("2017-03-01T10:00:00.123456+02:00", "2017-03-01T08:00:00.123Z"),
        ("0999-03-01T10:00:00-01:30", "0999-03-01T11:30:00.000Z"),
    ],
)
def test_times_are_given_in_utc_with_milliseconds(given: str, normalised: str) -> None:
    assert normalised_time(given) == normalised


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "not a JSON object"),
        (b"[1]", "expected object, got array"),
        (b'{"room": "x"}', "at: is missing"),
        (b"\xff\xfe", "not a JSON object"),
        (b'{"metadata":{"a":' + b"[" * 100_000, "not a JSON object"),
        (line(at="yesterday"), "at: 'yesterday' is not a time"),
        (line(at="2017-03-01T10:00:00"), "with its offset"),
        (line(at="0001-01-01T00:00:00+10:00"), "is not a time"),
        (line(room=""), "room: must be 1 to 200 characters"),
        (line(room="a\x00b"), "without control characters"),
        (line(room="x" * 201), "room: must be 1 to 200 characters"),
        (line(sender=""), "sender: must be 1 to 254 bytes, without control characters"),
        (line(sender="a\nb"), "sender: must be 1 to 254 bytes, without control characters"),
        (line(sender="x" * 255), "sender: must be 1 to 254 bytes"),
        (line(text=5), "text: expected str, got int"),
        (line(text="a\x00b"), "text: must not contain a NUL character"),
        (line(text="x" * 10_241), "text: at most 10240 bytes"),
        (line(text="ü" * 5_121), "text: at most 10240 bytes"),
        (line(kind=""), "kind: must be 1 to 100 characters"),
        (line(kind="x" * 101), "kind: must be 1 to 100 characters"),
        (line(id=""), "id: must be 1 to 1024 bytes"),
        (line(reply_to="x" * 1025), "reply_to: must be 1 to 1024 bytes"),
        (line(message_type="video"), "message_type: must be one of text, image_ref,"),
        (line(message_type="image_ref"), "metadata.url: is missing"),
        (line(metadata={"a": "x" * 102_401}), "metadata: at most 102400 bytes"),
        (line(metadata={"a": "\x00"}), "metadata: must not contain a NUL character"),
        (line(metadata=[1]), "metadata: expected object"),
        (b" " * (LINE_BYTES_MAX + 1), "the line is longer than"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(data: bytes, expected: str) -> None:
    assert expected.lower() in refusal(data).lower()


def test_limits_are_those_of_the_settings() -> None:
    assert "text: at most 3 bytes" in refusal(line(text="four"), Limits(text_bytes_max=3))


@given(st.binary(max_size=200))
def test_no_bytes_make_more_than_a_refusal(data: bytes) -> None:
    with contextlib.suppress(BadEntryError):
        parse_line(data, LIMITS)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=500))
def test_every_text_without_controls_is_kept_verbatim(text: str) -> None:
    assert parse_line(line(text=text), LIMITS).content == text


def test_the_facts_are_a_room_a_member_and_a_message() -> None:
    message = parse_line(line(kind="action"), LIMITS)
    assert room_fact("ops").fields == {"name": "ops"}
    assert member_fact("ana").fields == {"user_id": "ana", "role": RoomRole.RESPONDER}
    assert message_fact(message, None).fields == {
        "content": "hi",
        "message_type": MessageType.TEXT,
        "metadata": {"action": True},
    }
    assert message_fact(message, "an-id").fields["reply_to"] == "an-id"

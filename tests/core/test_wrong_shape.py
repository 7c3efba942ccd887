"""What is said of a value that has not the shape that was asked for."""

from typing import Any

import msgspec
import pytest

from roomlog.core.message_types import HANDLERS
from roomlog.core.wrong_shape import wrong_shape
from roomlog_contract.errors import RefusedError
from roomlog_contract.frames import Send
from roomlog_contract.resources import MessageCreate, RoomCreate
from roomlog_contract.types import MessageType

IMAGE = {"url": "https://x.example/a.png", "content_type": "image/png"}
FILE = {"url": "https://x.example/a", "filename": "a.log", "content_type": "text/plain"}


@pytest.mark.parametrize(
    ("shape", "value", "told"),
    [
        (RoomCreate, [], ("Expected object, got array", "")),
        (RoomCreate, {}, ("is missing", "name")),
        (RoomCreate, {"name": 5}, ("Expected str, got int", "name")),
        (
            RoomCreate,
            {"name": "x", "members": [{"user_id": "a@example.org"}]},
            ("is missing", "members[0].role"),
        ),
        (
            RoomCreate,
            {"name": "x", "members": [{"user_id": "a@example.org", "role": "boss"}]},
            ("must be one of commander, responder, observer", "members[0].role"),
        ),
        (
            MessageCreate,
            {"content": "x", "message_type": "video"},
            (
                "must be one of text, image_ref, file_ref, incident_data, system",
                "message_type",
            ),
        ),
        (Send, {"type": "send", "ref": "1"}, ("is missing", "content")),
    ],
)
def test_the_field_is_named_and_what_it_may_be(shape: Any, value: Any, told: tuple[str, str]):
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(msgspec.json.encode(value), type=shape)

    assert wrong_shape(raised.value) == told


@pytest.mark.parametrize(
    ("kind", "metadata", "told"),
    [
        (MessageType.IMAGE_REF, {}, "is missing"),
        (
            MessageType.IMAGE_REF,
            {**IMAGE, "url": "http://x"},
            "must be an https address without white space",
        ),
        (
            MessageType.IMAGE_REF,
            {**IMAGE, "content_type": "text/plain"},
            "must be a media type of pictures such as image/png",
        ),
        (
            MessageType.FILE_REF,
            {**FILE, "content_type": "text"},
            "must be a media type such as image/png",
        ),
        (MessageType.FILE_REF, {**FILE, "sha256": "0"}, "must be 64 hex digits in lower case"),
        (MessageType.SYSTEM, {"event": "party"}, "must be one of user_joined, user_left,"),
    ],
)
def test_nobody_is_shown_a_regular_expression(
    kind: MessageType, metadata: dict[str, Any], told: str
):
    with pytest.raises(RefusedError) as raised:
        HANDLERS[kind](metadata)

    assert raised.value.detail.startswith(told)

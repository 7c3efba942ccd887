import json

import pytest
from hypothesis import given
from hypothesis import strategies as s
from websockets.frames import Frame, Opcode

from roomlog.realtime.encoding import (
    FRAME_BYTES_TARGET,
    LINES_PER_FRAME_MAX,
    event_line,
    html_event_line,
    pack,
    text_frame,
)
from roomlog_contract.events import MessageEdited, MessageSent, ReactionAdded, RoomEvent
from roomlog_contract.types import MessageType


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_frame_is_what_the_websockets_library_makes_of_it(size: int):
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(s.lists(s.integers(0, FRAME_BYTES_TARGET * 2) | s.integers(0, 300), max_size=300))
def test_packing_keeps_every_line_in_order_within_the_bounds(sizes: list[int]):
    lines = [b"x" * size for size in sizes]
    packed = list(pack(lines))
    assert sum(count for _, count in packed) == len(lines)
    assert b"\n".join(payload for payload, _ in packed) == b"\n".join(lines)
    for payload, count in packed:
        assert 1 <= count <= LINES_PER_FRAME_MAX
        assert count == 1 or len(payload) <= FRAME_BYTES_TARGET + LINES_PER_FRAME_MAX


def _said(content: str) -> RoomEvent:
    return RoomEvent(
        7,
        5,
        "room",
        "2026-01-01T00:00:00.000Z",
        MessageSent(
            id="m", actor="a", message_id="m", message_type=MessageType.TEXT, content=content
        ),
    )


def test_an_event_line_has_the_contracts_fields():
    assert json.loads(event_line(_said("*hi*"))) == {
        "type": "event",
        "room_id": "room",
        "sequence": 7,
        "prev_sequence": 5,
        "at": "2026-01-01T00:00:00.000Z",
        "event": {
            "type": "message.sent",
            "id": "m",
            "actor": "a",
            "message_id": "m",
            "message_type": "text",
            "content": "*hi*",
        },
    }


def test_html_is_added_to_what_says_something_only():
    line = json.loads(html_event_line(_said("*hi* <i>")))
    assert line["event"]["content_html"] == "<p><em>hi</em> &lt;i&gt;</p>"
    edited = MessageEdited(id="e", actor="a", message_id="m", content="**x**")
    line = json.loads(html_event_line(RoomEvent(8, 7, "room", "t", edited)))
    assert line["event"]["content_html"] == "<p><strong>x</strong></p>"
    reacted = RoomEvent(
        9, 8, "room", "t", ReactionAdded(id="r", actor="a", message_id="m", emoji="x")
    )
    assert html_event_line(reacted) == event_line(reacted)


@given(s.text())
def test_no_event_line_contains_a_newline(content: str):
    try:
        content.encode()
    except UnicodeEncodeError:
        return
    assert b"\n" not in event_line(_said(content))

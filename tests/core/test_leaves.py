from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import leaves
from roomlog_contract import stored as st
from roomlog_contract.types import MessageType
from tests.core.examples import AT, MESSAGE, ROOM

_texts = s.text(s.characters(exclude_categories=("Cs",))) | s.sampled_from(
    [',"body":', '"},"body":{"a":1}}', '\\",\\"body\\":{', ',"body":{"content":"x","salt":"y"}}']
)


def _sent(content: str, actor: str = "rob@example.org") -> bytes:
    return st.encode_stored(
        type="message.sent",
        id=MESSAGE,
        room_id=ROOM,
        actor=actor,
        at=AT,
        body=st.MessageSentBody(
            content=content, message_type=MessageType.TEXT, metadata={"note": content}, salt="00"
        ),
    )


@given(_texts, _texts)
def test_envelope_and_body_make_the_stored_bytes_again_whatever_they_say(content: str, actor: str):
    data = _sent(content, actor)
    parts = leaves.parts_of(data)

    assert parts.body == bytes(st.decode_stored(data).body)
    assert leaves.whole(parts) == data
    assert leaves.commit_holds(parts)


def test_a_leaf_is_the_sequence_and_the_envelope():
    data = _sent("checkout is slow")
    envelope = leaves.parts_of(data).envelope

    begin = data.index(b',"body":')
    assert envelope == data[:begin] + b"}"
    assert leaves.leaf_of(258, envelope) == b"\x00\x00\x00\x00\x00\x00\x01\x02" + envelope
    assert (
        leaves.event_leaf_hash(258, envelope)
        == sha256(b"\x00" + b"\x00\x00\x00\x00\x00\x00\x01\x02" + envelope).digest()
    )


def test_what_was_said_changes_nothing_in_the_envelope_but_the_commit():
    one, two = (leaves.parts_of(_sent(text)).envelope for text in ("slow", "fast"))

    assert one != two
    assert b"slow" not in one
    assert len(one) == len(two)


def test_a_changed_body_does_not_hold_its_commit():
    changed = leaves.parts_of(_sent("checkout is slow").replace(b"slow", b"fast"))

    assert changed.body is not None
    assert not leaves.commit_holds(changed)


def test_fields_of_a_later_version_stand_in_the_envelope():
    data = b'{"v":9,"later":[1],"commit":"00","body":{"content":"x"}}'

    assert leaves.parts_of(data) == (b'{"v":9,"later":[1],"commit":"00"}', b'{"content":"x"}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"not json",
        b'{"v":1}',
        b'{"body":{"content":"x"},"v":1}',
        b'{"v":1,"body": {"content":"x"}}',
        b'{"v":1,"body":{"content":"x"}} ',
        b'{"body":1}',
        b'{"v":"\xff","body":1}',
        b'{"v":' + b"[" * 100_000 + b',"body":1}',
    ],
)
def test_bytes_without_a_body_at_their_end_are_an_envelope_as_a_whole(data: bytes):
    parts = leaves.parts_of(data)

    assert leaves.whole(parts) == data
    assert parts == (data, None) or data.endswith(b',"body":' + (parts.body or b"") + b"}")
    assert leaves.commit_holds(parts) == (parts.body is None)


@given(s.binary() | s.text().map(str.encode))
def test_any_bytes_are_taken_apart_and_put_together_again(data: bytes):
    assert leaves.whole(leaves.parts_of(data)) == data

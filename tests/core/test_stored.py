import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog_contract import stored as st
from roomlog_contract.types import MessageType
from tests.core.examples import AT, MESSAGE, ROOM

_texts = s.text(s.characters(exclude_categories=("Cs",))) | s.sampled_from(
    [',"body":', '"},"body":{"a":1}}', '\\",\\"body\\":{', ',"body":{"content":"x","salt":"y"}}']
)
_json = s.recursive(
    s.none() | s.booleans() | s.integers(-(2**53), 2**53) | _texts,
    lambda below: s.lists(below, max_size=3) | s.dictionaries(_texts, below, max_size=3),
    max_leaves=8,
)


def _sent(content: str, metadata: dict[str, object], actor: str = "rob@example.org") -> bytes:
    return st.encode_stored(
        type="message.sent",
        id=MESSAGE,
        room_id=ROOM,
        actor=actor,
        at=AT,
        body=st.MessageSentBody(
            content=content, message_type=MessageType.TEXT, metadata=metadata, salt="00"
        ),
        message_id=MESSAGE,
    )


@given(_texts, s.dictionaries(_texts | s.just("body"), _json, max_size=3), _texts)
def test_envelope_and_body_make_the_stored_bytes_again_whatever_they_say(
    content: str, metadata: dict[str, object], actor: str
):
    data = _sent(content, metadata, actor)
    event = st.decode_stored(data)
    body = msgspec.json.decode(event.body, type=st.MessageSentBody)

    assert (body.content, body.metadata, event.actor) == (content, metadata, actor)
    assert st.commit_is_true(event)
    assert st.envelope_of(data)[:-1] + b',"body":' + bytes(event.body) + b"}" == data


@given(_texts.filter(lambda text: len(text) > 12))
def test_nothing_of_what_was_said_is_in_the_envelope(content: str):
    envelope = st.envelope_of(_sent(content, {"note": content}))

    assert msgspec.json.encode(content)[1:-1] not in envelope
    assert list(msgspec.json.decode(envelope)) == [
        *("v", "type", "id", "room_id", "actor", "at", "message_id", "commit")
    ]


def test_a_changed_body_does_not_match_its_commit():
    data = _sent("checkout is slow", {})

    assert not st.commit_is_true(st.decode_stored(data.replace(b"slow", b"fast")))


def test_fields_are_stored_in_the_order_of_the_contract_and_what_is_null_is_left_out():
    data = st.encode_stored(
        type="message.edited",
        id=MESSAGE,
        room_id=ROOM,
        actor="rob@example.org",
        at=AT,
        body=st.MessageEditedBody(content="x", salt="00"),
        message_id=MESSAGE,
        expected_version=5,
    )

    assert list(msgspec.json.decode(data)) == [
        *("v", "type", "id", "room_id", "actor", "at"),
        *("message_id", "expected_version", "commit", "body"),
    ]
    assert msgspec.json.decode(data)["body"] == {"content": "x", "salt": "00"}


def test_an_envelope_is_refused_where_body_is_not_last():
    event = msgspec.json.decode(_sent("x", {}))
    moved = msgspec.json.encode({"body": event.pop("body"), **event})

    with pytest.raises(ValueError, match="body is not the last field"):
        st.envelope_of(moved)


def test_a_field_that_is_not_of_the_format_is_refused():
    event = msgspec.json.decode(_sent("x", {})) | {"signature": "y"}

    with pytest.raises(msgspec.ValidationError, match="signature"):
        st.decode_stored(msgspec.json.encode(event))


def test_every_salt_gives_another_commit_for_the_same_words():
    commits = {
        st.decode_stored(
            st.encode_stored(
                type="reaction.added",
                id=MESSAGE,
                room_id=ROOM,
                actor="rob@example.org",
                at=AT,
                body=st.ReactionBody(emoji="👍", salt=salt),
                message_id=MESSAGE,
            )
        ).commit
        for salt in ("00", "01", "02")
    }

    assert len(commits) == 3

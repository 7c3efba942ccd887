"""Given a room's state, when a command comes, then these facts, or this refusal."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import decide
from roomlog.core.decide import Fact, Limits, Stamp
from roomlog.core.policy import Actor
from roomlog_contract import resources as rs
from roomlog_contract import stored as st
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MemberState
from roomlog_contract.types import MessageType, RoomRole, RoomStatus
from tests.core.examples import (
    ADMIN,
    AT,
    AUDITOR,
    COMMANDER,
    MESSAGE,
    NOW,
    OBSERVER,
    RESPONDER,
    ROOM,
    SERVICE,
    STRANGER,
    a_deleted_message,
    a_message,
    a_reaction,
    a_room,
)

LIMITS = Limits(text_bytes_max=100, structured_bytes_max=100, edit_window_s=900)


class Refused:
    """Asserts that the block is refused with `code`, and `field` where one is at fault."""

    def __init__(self, code: ErrorCode, field: str | None = None) -> None:
        self._code, self._field = code, field

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, RefusedError), f"not refused: {error!r}"
        assert error.code == self._code
        assert [e.field for e in error.errors] == ([self._field] if self._field else [])
        return True


def test_a_new_room_opens_with_its_other_members_each_once():
    command = rs.RoomCreate(
        "payments",
        "Payments are slow",
        "high",
        [
            rs.NewMember(RESPONDER.user_id, RoomRole.RESPONDER),
            rs.NewMember(COMMANDER.user_id, RoomRole.OBSERVER),
            rs.NewMember(RESPONDER.user_id, RoomRole.RESPONDER),
            rs.NewMember(OBSERVER.user_id, RoomRole.OBSERVER),
        ],
    )

    assert decide.create_room(COMMANDER, command) == [
        Fact(
            "room.created",
            {"name": "payments", "title": "Payments are slow", "severity": "high"},
        ),
        Fact("member.added", {"user_id": RESPONDER.user_id, "role": RoomRole.RESPONDER}),
        Fact("member.added", {"user_id": OBSERVER.user_id, "role": RoomRole.OBSERVER}),
    ]


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (rs.RoomCreate(" \t"), "name"),
        (rs.RoomCreate("a\x00b"), "name"),
        (rs.RoomCreate("a", title="\x00"), "title"),
        (rs.RoomCreate("a", severity="\ud800"), "severity"),
        (
            rs.RoomCreate(
                "a",
                members=[
                    rs.NewMember("u", RoomRole.OBSERVER),
                    rs.NewMember("", RoomRole.OBSERVER),
                ],
            ),
            "members[1].user_id",
        ),
        (
            rs.RoomCreate(
                "a",
                members=[
                    rs.NewMember("u", RoomRole.OBSERVER),
                    rs.NewMember("v", RoomRole.OBSERVER),
                    rs.NewMember("u", RoomRole.RESPONDER),
                ],
            ),
            "members[2].user_id",
        ),
    ],
)
def test_a_new_room_is_refused_for_what_cannot_be_kept(command: rs.RoomCreate, field: str):
    with Refused(ErrorCode.INVALID, field):
        decide.create_room(COMMANDER, command)


def test_updating_a_room_says_only_what_really_changes():
    command = rs.RoomUpdate(title="Payments are slow", severity=None, status=RoomStatus.CLOSED)

    assert decide.update_room(a_room(), COMMANDER, command) == [
        Fact("room.updated", {"severity": None, "status": RoomStatus.CLOSED})
    ]


@pytest.mark.parametrize(
    "command",
    [
        rs.RoomUpdate(),
        rs.RoomUpdate(title="Payments are slow", severity="high", status=RoomStatus.OPEN),
    ],
)
def test_updating_a_room_to_what_it_is_makes_no_fact(command: rs.RoomUpdate):
    assert decide.update_room(a_room(), ADMIN, command) == []
    [event] = decide.update_room(a_room(), ADMIN, command, keyed=True)
    assert event.type == "room.updated"
    [nothing] = decide.update_room(a_room(), ADMIN, rs.RoomUpdate(), keyed=True)
    assert nothing == decide.Fact("room.updated", {})


@pytest.mark.parametrize("actor", [RESPONDER, OBSERVER, STRANGER, AUDITOR, SERVICE])
def test_only_who_manages_the_room_changes_it_or_its_members(actor: Actor):
    with Refused(ErrorCode.FORBIDDEN):
        decide.update_room(a_room(), actor, rs.RoomUpdate(status=RoomStatus.CLOSED))
    with Refused(ErrorCode.FORBIDDEN):
        decide.put_member(a_room(), actor, "new@example.org", rs.MemberUpdate(RoomRole.OBSERVER))
    with Refused(ErrorCode.FORBIDDEN):
        decide.remove_member(a_room(), actor, COMMANDER.user_id)


def test_updating_a_room_is_refused_for_what_cannot_be_kept():
    with Refused(ErrorCode.INVALID, "title"):
        decide.update_room(a_room(), COMMANDER, rs.RoomUpdate(title="a\x00"))


def test_a_user_who_is_no_member_is_added():
    command = rs.MemberUpdate(RoomRole.RESPONDER)

    assert decide.put_member(a_room(), COMMANDER, "new@example.org", command) == [
        Fact("member.added", {"user_id": "new@example.org", "role": RoomRole.RESPONDER})
    ]


def test_a_member_gets_another_role():
    command = rs.MemberUpdate(RoomRole.COMMANDER)

    assert decide.put_member(a_room(), ADMIN, OBSERVER.user_id, command) == [
        Fact("member.role_changed", {"user_id": OBSERVER.user_id, "role": RoomRole.COMMANDER})
    ]


def test_a_role_that_a_member_has_already_makes_no_fact():
    command = rs.MemberUpdate(RoomRole.COMMANDER)

    assert decide.put_member(a_room(), COMMANDER, COMMANDER.user_id, command) == []
    [event] = decide.put_member(a_room(), COMMANDER, COMMANDER.user_id, command, keyed=True)
    assert event.type == "member.role_changed"


def test_the_last_commander_keeps_the_role_and_stays():
    with Refused(ErrorCode.INVALID, "role"):
        decide.put_member(
            a_room(), COMMANDER, COMMANDER.user_id, rs.MemberUpdate(RoomRole.OBSERVER)
        )
    with Refused(ErrorCode.INVALID, "user_id"):
        decide.remove_member(a_room(), COMMANDER, COMMANDER.user_id)


def test_one_of_two_commanders_may_leave_and_may_be_made_responder():
    two = a_room(members=a_room().members | {"b": MemberState(RoomRole.COMMANDER, AT)})

    assert decide.remove_member(two, COMMANDER, "b") == [
        Fact("member.removed", {"user_id": "b", "role": RoomRole.COMMANDER})
    ]
    assert decide.put_member(two, COMMANDER, "b", rs.MemberUpdate(RoomRole.RESPONDER)) == [
        Fact("member.role_changed", {"user_id": "b", "role": RoomRole.RESPONDER})
    ]


def test_a_full_room_takes_no_more_members_but_changes_their_roles():
    everyone = {f"u{n}": MemberState(RoomRole.OBSERVER, AT) for n in range(decide.MEMBERS_MAX - 1)}
    full = a_room(members=everyone | {COMMANDER.user_id: MemberState(RoomRole.COMMANDER, AT)})
    command = rs.MemberUpdate(RoomRole.RESPONDER)

    with Refused(ErrorCode.INVALID):
        decide.put_member(full, COMMANDER, "new@example.org", command)
    assert decide.put_member(full, COMMANDER, "u1", command)


def test_a_user_id_that_is_none_cannot_become_a_member():
    with Refused(ErrorCode.INVALID, "user_id"):
        decide.put_member(a_room(), COMMANDER, "a b\n", rs.MemberUpdate(RoomRole.OBSERVER))


@pytest.mark.parametrize("actor", [OBSERVER, COMMANDER, ADMIN])
def test_a_member_is_removed_by_themselves_the_commander_or_an_admin(actor: Actor):
    assert decide.remove_member(a_room(), actor, OBSERVER.user_id) == [
        Fact("member.removed", {"user_id": OBSERVER.user_id, "role": RoomRole.OBSERVER})
    ]


def test_who_is_no_member_cannot_be_removed():
    with Refused(ErrorCode.NOT_FOUND):
        decide.remove_member(a_room(), COMMANDER, STRANGER.user_id)
    with Refused(ErrorCode.NOT_FOUND):
        decide.remove_member(a_room(), STRANGER, STRANGER.user_id)


def test_a_message_is_sent_as_it_was_typed():
    command = rs.MessageCreate("if (a<b) {x>y}\t\n", metadata={"x": [1]}, reply_to=MESSAGE.upper())

    assert decide.send(a_room(), RESPONDER, command, LIMITS) == Fact(
        "message.sent",
        {
            "content": "if (a<b) {x>y}\t\n",
            "message_type": MessageType.TEXT,
            "metadata": {"x": [1]},
            "reply_to": MESSAGE,
        },
    )


def test_a_message_that_answers_none_says_nothing_of_it():
    fact = decide.send(a_room(), RESPONDER, rs.MessageCreate("ok"), LIMITS)

    assert "reply_to" not in fact.fields


@pytest.mark.parametrize("actor", [OBSERVER, STRANGER, ADMIN, AUDITOR, SERVICE])
def test_only_commander_and_responder_send(actor: Actor):
    with Refused(ErrorCode.FORBIDDEN):
        decide.send(a_room(), actor, rs.MessageCreate("ok"), LIMITS)


@pytest.mark.parametrize("actor", [SERVICE, ADMIN])
def test_services_and_admins_send_system_messages_without_being_members(actor: Actor):
    command = rs.MessageCreate("deployed", MessageType.SYSTEM, {"event": "notice"})

    assert decide.send(a_room(), actor, command, LIMITS).fields["metadata"] == {"event": "notice"}


@pytest.mark.parametrize("actor", [COMMANDER, AUDITOR])
def test_nobody_else_sends_system_messages(actor: Actor):
    command = rs.MessageCreate("deployed", MessageType.SYSTEM, {"event": "notice"})

    with Refused(ErrorCode.FORBIDDEN):
        decide.send(a_room(), actor, command, LIMITS)


def test_a_closed_room_takes_no_more_messages():
    with Refused(ErrorCode.ROOM_CLOSED):
        decide.send(a_room(status=RoomStatus.CLOSED), COMMANDER, rs.MessageCreate("ok"), LIMITS)


@pytest.mark.parametrize("status", [RoomStatus.MITIGATED, RoomStatus.RESOLVED])
def test_a_room_that_is_not_closed_takes_messages(status: RoomStatus):
    assert decide.send(a_room(status=status), COMMANDER, rs.MessageCreate("ok"), LIMITS)


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


WIDE = Limits(text_bytes_max=0, structured_bytes_max=0, edit_window_s=0)


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (rs.MessageCreate(""), ErrorCode.INVALID, "content"),
        (rs.MessageCreate(" \n\t "), ErrorCode.INVALID, "content"),
        (rs.MessageCreate("\x01\x02"), ErrorCode.INVALID, "content"),
        (rs.MessageCreate("a\x00b"), ErrorCode.INVALID, "content"),
        (rs.MessageCreate("a\ud800b"), ErrorCode.INVALID, "content"),
        (rs.MessageCreate("x" * 101), ErrorCode.TOO_LARGE, "content"),
        (rs.MessageCreate("é" * 51), ErrorCode.TOO_LARGE, "content"),
        (rs.MessageCreate("x", metadata={"a": "b" * 100}), ErrorCode.TOO_LARGE, "metadata"),
        (rs.MessageCreate("x", metadata={"a": ["\x00"]}), ErrorCode.INVALID, "metadata"),
        (rs.MessageCreate("x", metadata={"\x00": 1}), ErrorCode.INVALID, "metadata"),
        (rs.MessageCreate("x", metadata={"a": {"\ud800": 1}}), ErrorCode.INVALID, "metadata"),
        (rs.MessageCreate("x", metadata=_nested(33)), ErrorCode.INVALID, "metadata"),
        (rs.MessageCreate("x", MessageType.IMAGE_REF), ErrorCode.INVALID, "metadata.url"),
        (rs.MessageCreate("x", reply_to="no-uuid"), ErrorCode.INVALID, "reply_to"),
        (rs.MessageCreate("x", reply_to="{" + MESSAGE[:-2] + "}"), ErrorCode.INVALID, "reply_to"),
    ],
)
def test_a_message_is_refused_with_the_field_at_fault(
    command: rs.MessageCreate, code: ErrorCode, field: str
):
    with Refused(code, field):
        decide.send(a_room(), RESPONDER, command, LIMITS)


def test_a_message_at_its_limits_is_sent():
    metadata = {"a": "b" * (100 - len('{"a":""}'))}

    assert decide.send(a_room(), RESPONDER, rs.MessageCreate("é" * 50, metadata=metadata), LIMITS)
    deep = rs.MessageCreate("x", metadata=_nested(decide.METADATA_DEPTH_MAX))
    assert decide.send(a_room(), RESPONDER, deep, WIDE)


def test_a_limit_of_zero_is_no_limit():
    command = rs.MessageCreate("x" * 1_000_000, metadata={"a": "b" * 1_000_000})

    assert decide.send(a_room(), RESPONDER, command, WIDE).fields["content"] == command.content


def test_an_image_may_come_without_words():
    metadata = {"url": "https://x.example/a.png", "content_type": "image/png"}
    command = rs.MessageCreate("", MessageType.IMAGE_REF, metadata)

    assert decide.send(a_room(), RESPONDER, command, LIMITS).fields["content"] == ""


def _edit(**changes: Any) -> Fact:
    arguments: dict[str, Any] = {
        "room": a_room(),
        "message": a_message(),
        "actor": RESPONDER,
        "command": rs.MessageEdit("better"),
        "expected_version": None,
        "now": NOW,
        "limits": LIMITS,
    }
    return decide.edit(**(arguments | changes))


def test_an_author_edits_with_or_without_metadata():
    full = rs.MessageEdit("better", metadata={"n": 1}, reason="typo")

    assert _edit() == Fact("message.edited", {"content": "better", "reason": None}, MESSAGE)
    assert _edit(command=full, expected_version=5) == Fact(
        "message.edited", {"content": "better", "metadata": {"n": 1}, "reason": "typo"}, MESSAGE, 5
    )


@pytest.mark.parametrize("actor", [COMMANDER, OBSERVER, STRANGER, ADMIN])
def test_nobody_but_the_author_edits(actor: Actor):
    with Refused(ErrorCode.FORBIDDEN):
        _edit(actor=actor)


def test_an_author_who_is_no_longer_a_member_does_not_edit():
    with Refused(ErrorCode.FORBIDDEN):
        _edit(message=a_message(sender_id=STRANGER.user_id), actor=STRANGER)


def test_system_messages_are_not_edited_even_by_who_caused_them():
    with Refused(ErrorCode.FORBIDDEN):
        _edit(message=a_message(message_type=MessageType.SYSTEM))


def test_a_deleted_message_is_not_edited():
    with Refused(ErrorCode.ALREADY_DELETED):
        _edit(message=a_deleted_message())


def test_the_edit_window_holds_to_the_second():
    assert _edit(now=NOW + timedelta(seconds=900))
    with Refused(ErrorCode.EDIT_WINDOW_CLOSED):
        _edit(now=NOW + timedelta(seconds=900, milliseconds=1))
    assert _edit(now=NOW + timedelta(days=900), limits=WIDE)


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (rs.MessageEdit(""), ErrorCode.INVALID, "content"),
        (rs.MessageEdit("x" * 101), ErrorCode.TOO_LARGE, "content"),
        (rs.MessageEdit("x", reason="\x00"), ErrorCode.INVALID, "reason"),
        (rs.MessageEdit("x", metadata={"a": "\x00"}), ErrorCode.INVALID, "metadata"),
    ],
)
def test_an_edit_is_refused_with_the_field_at_fault(
    command: rs.MessageEdit, code: ErrorCode, field: str
):
    with Refused(code, field):
        _edit(command=command)


def test_an_edit_of_an_image_keeps_it_one():
    image = a_message(message_type=MessageType.IMAGE_REF, metadata={"url": "https://x.example/"})

    with Refused(ErrorCode.INVALID, "metadata.url"):
        _edit(message=image, command=rs.MessageEdit("", metadata={}))
    assert "metadata" not in _edit(message=image, command=rs.MessageEdit("")).fields


def _delete(actor: Actor, **changes: Any) -> Fact:
    arguments: dict[str, Any] = {
        "message": a_message(),
        "command": rs.MessageDelete(),
        "expected_version": None,
    }
    return decide.delete(a_room(), actor=actor, **(arguments | changes))


@pytest.mark.parametrize("actor", [RESPONDER, COMMANDER, ADMIN])
def test_author_commander_and_admin_delete(actor: Actor):
    command = rs.MessageDelete("a customer's name")

    assert _delete(actor, command=command, expected_version=5) == Fact(
        "message.deleted", {"reason": "a customer's name"}, MESSAGE, 5
    )


@pytest.mark.parametrize("actor", [OBSERVER, STRANGER, AUDITOR, SERVICE])
def test_nobody_else_deletes(actor: Actor):
    with Refused(ErrorCode.FORBIDDEN):
        _delete(actor)


def test_a_system_message_is_deleted_by_who_manages_the_room_only():
    message = a_message(message_type=MessageType.SYSTEM)

    assert _delete(COMMANDER, message=message)
    assert _delete(ADMIN, message=message)
    with Refused(ErrorCode.FORBIDDEN):
        _delete(RESPONDER, message=message)


def test_a_deleted_message_is_not_deleted_again():
    with Refused(ErrorCode.ALREADY_DELETED):
        _delete(RESPONDER, message=a_deleted_message())


def test_a_deletion_whose_reason_cannot_be_kept_is_refused():
    with Refused(ErrorCode.INVALID, "reason"):
        _delete(RESPONDER, command=rs.MessageDelete("\x00"))


@pytest.mark.parametrize("actor", [RESPONDER, COMMANDER])
def test_commander_and_responder_react_and_take_it_back(actor: Actor):
    room, message = a_room(), a_message()

    assert decide.react(room, message, actor, "👍🏽", add=True) == Fact(
        "reaction.added", {"emoji": "👍🏽"}, MESSAGE
    )
    assert decide.react(room, message, actor, "👀", add=False) == Fact(
        "reaction.removed", {"emoji": "👀"}, MESSAGE
    )


def test_a_named_reaction_that_an_import_brought_can_be_joined_and_taken_back():
    message = a_message(reactions={(":shipit:", COMMANDER.user_id): a_reaction()})

    assert decide.react(a_room(), message, RESPONDER, ":shipit:", add=True)
    assert decide.react(a_room(), message, COMMANDER, ":shipit:", add=False)
    with Refused(ErrorCode.INVALID, "emoji"):
        decide.react(a_room(), message, RESPONDER, ":other:", add=True)


@pytest.mark.parametrize("actor", [OBSERVER, STRANGER, ADMIN, AUDITOR, SERVICE])
def test_nobody_else_reacts(actor: Actor):
    with Refused(ErrorCode.FORBIDDEN):
        decide.react(a_room(), a_message(), actor, "👍", add=True)


def test_nobody_reacts_to_a_deleted_message():
    with Refused(ErrorCode.ALREADY_DELETED):
        decide.react(a_room(), a_deleted_message(), RESPONDER, "👍", add=True)


def test_a_message_full_of_reactions_takes_no_new_one_but_lets_go_and_repeats():
    full = a_message(
        reactions={
            ("👍", f"u{n}"): a_reaction() for n in range(decide.REACTIONS_PER_MESSAGE_MAX - 1)
        }
        | {("👍", RESPONDER.user_id): a_reaction()}
    )

    with Refused(ErrorCode.INVALID, "emoji"):
        decide.react(a_room(), full, COMMANDER, "👍", add=True)
    assert decide.react(a_room(), full, RESPONDER, "👍", add=True)
    assert decide.react(a_room(), full, RESPONDER, "👍", add=False)


@pytest.mark.parametrize(
    "emoji", ["👍", "👍🏽", "👩‍🚒", "👩🏾‍❤️‍💋‍👨🏻", "❤", "❤️", "1️⃣", "🇩🇪", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "©"]
)
def test_one_emoji_is_a_reaction(emoji: str):
    assert decide.reaction_emoji(emoji) == emoji


@pytest.mark.parametrize(
    "emoji",
    [
        *(
            "",
            " ",
            "a",
            "+1",
            ":+1:",
            "thumbsup",
            "1",
            "é",
            "a b",
            "\x00",
            "\ud800",
            "\ue000",
            "\u200d",
        ),
        *(
            "👍👍",
            "👍 ",
            " 👍",
            "👍a",
            "👍" * 17,
            "👍\u200d",
            "🇩",
            "🏽🏽",
            "<b>",
            "\ufe0f",
            "x" * 10_000,
        ),
    ],
)
def test_anything_else_is_no_reaction(emoji: str):
    with Refused(ErrorCode.INVALID, "emoji"):
        decide.react(a_room(), a_message(), RESPONDER, emoji, add=True)


@pytest.mark.parametrize("value", ["ada@example.org", "x", "é" * 127, "two words", "用户"])
def test_a_printable_user_id_is_kept_as_it_is(value: str):
    assert decide.user_id(value, "f") == value


@pytest.mark.parametrize(
    "value", ["", " ", " a", "a ", "a\tb", "a\x00", "\ud800", "x" * 255, "é" * 128]
)
def test_any_other_user_id_is_refused(value: str):
    with Refused(ErrorCode.INVALID, "f"):
        decide.user_id(value, "f")


@given(s.uuids())
def test_a_uuid_is_read_in_upper_or_lower_case(value: UUID):
    assert decide.uuid(str(value).upper(), "f") == str(value)


@given(s.text() | s.uuids().map(lambda value: value.hex) | s.uuids().map(lambda v: v.urn))
def test_text_that_is_no_canonical_uuid_is_refused(value: str):
    with Refused(ErrorCode.INVALID, "f"):
        decide.uuid(value, "f")


_any_json = s.recursive(
    s.none() | s.booleans() | s.integers() | s.floats() | s.text(),
    lambda below: s.lists(below, max_size=4) | s.dictionaries(s.text(), below, max_size=4),
    max_leaves=10,
)


@given(s.text(), s.sampled_from(MessageType), s.dictionaries(s.text(), _any_json, max_size=4))
def test_whatever_is_sent_is_refused_or_can_be_stored_and_read_back(
    content: str, kind: MessageType, metadata: dict[str, Any]
):
    command = rs.MessageCreate(content, kind, metadata)
    actor = SERVICE if kind is MessageType.SYSTEM else RESPONDER
    try:
        fact = decide.send(a_room(), actor, command, LIMITS)
    except RefusedError:
        return
    data = decide.stamp(fact, ROOM, actor.user_id, AT, Stamp(MESSAGE, "00"))
    body = msgspec.json.decode(st.decode_stored(data).body, type=st.MessageSentBody)
    assert body.content == fact.fields["content"]
    # Mentions are the server's to tell, whatever the client says of them.
    kept = {name: value for name, value in metadata.items() if name != decide.MENTIONS_FIELD}
    said = {name: value for name, value in body.metadata.items() if name != decide.MENTIONS_FIELD}
    assert msgspec.json.encode(said) == msgspec.json.encode(kept)


def test_the_stamp_makes_a_sent_message_bear_its_events_id():
    fact = Fact("message.sent", {"content": "ok", "message_type": MessageType.TEXT})
    event = st.decode_stored(decide.stamp(fact, ROOM, "a", AT, Stamp(MESSAGE, "00", "dd")))

    assert (event.id, event.message_id, event.room_id, event.actor, event.at) == (
        *(MESSAGE, MESSAGE),
        *(ROOM, "a", AT),
    )
    assert msgspec.json.decode(event.body) == {
        "content": "ok",
        "message_type": "text",
        "digest": "dd",
        "salt": "00",
    }


def test_the_stamp_keeps_which_message_and_version_an_edit_means():
    fact = Fact("message.edited", {"content": "ok"}, MESSAGE, 5)
    event = st.decode_stored(decide.stamp(fact, ROOM, "a", AT, Stamp("other", "00")))

    assert (event.id, event.message_id, event.expected_version) == ("other", MESSAGE, 5)

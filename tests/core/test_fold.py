"""What each event did: one example for each effect, and one for each reason to have none."""

import msgspec
import pytest

from roomlog.core.upcasters import room_event
from roomlog_contract import events as ev
from roomlog_contract import fold as fo
from roomlog_contract import stored as st
from roomlog_contract.fold import Fold, MemberState, NoEffect, NoEffectReason
from roomlog_contract.types import MessageType, RoomRole, RoomStatus
from tests.core.examples import (
    AT,
    COMMANDER,
    MESSAGE,
    OBSERVER,
    RESPONDER,
    ROOM,
    a_deleted_message,
    a_message,
    a_reaction,
    a_room,
    logged,
)

ADA, ROB, ODA = COMMANDER.user_id, RESPONDER.user_id, OBSERVER.user_id
NEW = "new@example.org"


def _fold(*messages: fo.MessageState) -> Fold:
    fold = Fold(a_room())
    fold.messages = {message.message_id: message for message in messages}
    return fold


def _created(event_id: str = "e1") -> ev.RoomCreated:
    return ev.RoomCreated(
        id=event_id, actor=ADA, name="payments", title="Slow", severity=None, status=RoomStatus.OPEN
    )


def _edited(**changes: object) -> ev.MessageEdited:
    edit = ev.MessageEdited(id="e9", actor=ROB, message_id=MESSAGE, content="better")
    return msgspec.structs.replace(edit, **changes)


def _envelope(kind: str = "message.sent") -> str:
    stored = st.encode_stored(
        type=kind,
        id=MESSAGE,
        room_id=ROOM,
        actor=ROB,
        at=AT,
        body=st.MessageDeletedBody(salt="00"),
        message_id=MESSAGE,
    )
    return st.envelope_of(stored).decode()


def _redacted(kind: str = "message.sent") -> ev.MessageRedacted:
    return ev.MessageRedacted(
        id="e9",
        actor=ADA,
        message_id=MESSAGE,
        redacted_sequence=5,
        redacted_envelope=_envelope(kind),
        reason="a secret",
    )


def test_a_room_opens_with_its_actor_as_commander():
    fold = Fold()
    event = logged(1, _created())

    effect = fold.apply(event)

    assert effect == fo.RoomOpened(
        fo.RoomState(
            room_id=ROOM,
            name="payments",
            title="Slow",
            severity=None,
            status=RoomStatus.OPEN,
            created_by=ADA,
            created_at=event.at,
            created_sequence=1,
            members={ADA: MemberState(RoomRole.COMMANDER, event.at)},
        )
    )
    assert fold.room == effect.room


def test_a_new_title_changes_the_room_without_a_message():
    fold = _fold()

    effect = fold.apply(logged(7, ev.RoomUpdated(id="e9", actor=ADA, title=None)))

    assert effect == fo.RoomChanged(a_room(title=None), None)
    assert fold.messages == {}


def test_a_new_status_is_told_by_a_system_message_with_the_events_id():
    fold = _fold()
    event = logged(7, ev.RoomUpdated(id="e9", actor=ADA, status=RoomStatus.MITIGATED))

    effect = fold.apply(event)

    message = a_message(
        message_id="e9",
        sequence=7,
        version=7,
        sender_id=ADA,
        message_type=MessageType.SYSTEM,
        content="ada@example.org changed the status from open to mitigated",
        metadata={"event": "status_changed", "status": "mitigated", "previous_status": "open"},
        created_at=event.at,
    )
    assert effect == fo.RoomChanged(a_room(status=RoomStatus.MITIGATED), message)
    assert fold.messages == {"e9": message}


@pytest.mark.parametrize(
    ("event", "role", "metadata", "content"),
    [
        (
            ev.MemberAdded(id="e9", actor=ADA, user_id=NEW, role=RoomRole.OBSERVER),
            RoomRole.OBSERVER,
            {"event": "member_added", "user_id": NEW, "role": "observer"},
            "ada@example.org added new@example.org as observer",
        ),
        (
            ev.MemberAdded(id="e9", actor=NEW, user_id=NEW, role=RoomRole.RESPONDER),
            RoomRole.RESPONDER,
            {"event": "user_joined", "user_id": NEW, "role": "responder"},
            "new@example.org joined",
        ),
        (
            ev.MemberRoleChanged(id="e9", actor=ADA, user_id=ROB, role=RoomRole.COMMANDER),
            RoomRole.COMMANDER,
            {
                "event": "role_changed",
                "user_id": ROB,
                "role": "commander",
                "previous_role": "responder",
            },
            "ada@example.org made rob@example.org commander",
        ),
        (
            ev.MemberAdded(id="e9", actor=ADA, user_id=ROB, role=RoomRole.OBSERVER),
            RoomRole.OBSERVER,
            {
                "event": "role_changed",
                "user_id": ROB,
                "role": "observer",
                "previous_role": "responder",
            },
            "ada@example.org made rob@example.org observer",
        ),
        (
            ev.MemberRemoved(id="e9", actor=ADA, user_id=ROB, role=RoomRole.OBSERVER),
            None,
            {"event": "member_removed", "user_id": ROB, "role": "responder"},
            "ada@example.org removed rob@example.org",
        ),
        (
            ev.MemberRemoved(id="e9", actor=ROB, user_id=ROB),
            None,
            {"event": "user_left", "user_id": ROB, "role": "responder"},
            "rob@example.org left",
        ),
    ],
)
def test_a_change_of_members_is_told_by_a_system_message(
    event: ev.MemberAdded | ev.MemberRoleChanged | ev.MemberRemoved,
    role: RoomRole | None,
    metadata: dict[str, str],
    content: str,
):
    fold = _fold()

    effect = fold.apply(logged(7, event))

    assert isinstance(effect, fo.MemberChanged)
    assert effect.user_id == event.user_id
    assert (effect.member and effect.member.role) == role
    assert fold.room is effect.room
    assert effect.room.members.get(event.user_id) == effect.member
    assert (effect.message.content, effect.message.metadata) == (content, metadata)
    assert effect.message.message_type is MessageType.SYSTEM
    assert fold.messages == {"e9": effect.message}


def test_a_member_is_one_since_being_added_whatever_the_role_became():
    fold = _fold()
    added = logged(
        7, ev.MemberAdded(id="e8", actor=ADA, user_id=NEW, role=RoomRole.OBSERVER, name="Nell")
    )
    fold.apply(added)

    effect = fold.apply(
        logged(8, ev.MemberRoleChanged(id="e9", actor=ADA, user_id=NEW, role=RoomRole.COMMANDER))
    )

    assert isinstance(effect, fo.MemberChanged)
    assert effect.member == MemberState(RoomRole.COMMANDER, added.at, "Nell")


def test_a_message_is_added_with_its_events_id_and_sequence():
    fold = _fold()
    event = logged(
        7,
        ev.MessageSent(
            id="e9",
            actor=ROB,
            message_id="e9",
            message_type=MessageType.INCIDENT_DATA,
            content="p99",
            metadata={"kind": "metric", "data": {}},
            reply_to=MESSAGE,
        ),
    )

    effect = fold.apply(event)

    message = a_message(
        message_id="e9",
        sequence=7,
        version=7,
        message_type=MessageType.INCIDENT_DATA,
        content="p99",
        metadata={"kind": "metric", "data": {}},
        reply_to=MESSAGE,
        created_at=event.at,
    )
    assert effect == fo.MessageAdded(message)
    assert fold.messages == {"e9": message}


def test_an_edit_makes_a_new_version_and_leaves_metadata_that_it_does_not_name():
    fold = _fold(a_message(metadata={"n": 1}))
    event = logged(7, _edited(expected_version=5))

    effect = fold.apply(event)

    after = a_message(content="better", metadata={"n": 1}, edited_at=event.at, version=7)
    assert effect == fo.MessageChanged(a_message(metadata={"n": 1}), after)
    assert fold.messages == {MESSAGE: after}


def test_an_edit_with_metadata_replaces_it():
    fold = _fold(a_message(metadata={"n": 1}))

    fold.apply(logged(7, _edited(metadata={})))

    assert fold.messages[MESSAGE].metadata == {}


def test_a_deletion_leaves_a_tombstone_that_still_knows_its_reactions():
    reactions = {("👍", ADA): a_reaction()}
    before = a_message(metadata={"n": 1}, reactions=reactions)
    event = logged(7, ev.MessageDeleted(id="e9", actor=ROB, message_id=MESSAGE, expected_version=5))

    effect = _fold(before).apply(event)

    after = a_message(content="", metadata={}, deleted_at=event.at, version=7, reactions=reactions)
    assert effect == fo.MessageRemoved(before, after)


def test_a_redaction_leaves_nothing_of_what_was_said():
    before = a_message(metadata={"n": 1}, reply_to="x", reactions={("👍", ADA): a_reaction()})
    event = logged(7, _redacted())

    effect = _fold(before).apply(event)

    after = a_message(content="", deleted_at=event.at, version=7)
    assert effect == fo.MessageErased(before, after)


def test_a_redaction_is_the_same_where_the_erased_event_was_never_read():
    event = logged(7, _redacted())

    effect = _fold().apply(event)

    assert effect == fo.MessageErased(None, a_message(content="", deleted_at=event.at, version=7))


def test_a_reaction_is_added_and_taken_back():
    fold = _fold(a_message())
    event = logged(7, ev.ReactionAdded(id="e8", actor=ADA, message_id=MESSAGE, emoji="👍"))

    added = fold.apply(event)

    reaction = fo.ReactionState(7, event.at)
    assert added == fo.Reacted(fold.messages[MESSAGE], "👍", ADA, reaction)
    assert fold.messages[MESSAGE].reactions == {("👍", ADA): reaction}
    assert fold.messages[MESSAGE].version == 5

    removed = fold.apply(
        logged(8, ev.ReactionRemoved(id="e9", actor=ADA, message_id=MESSAGE, emoji="👍"))
    )

    assert removed == fo.Unreacted(fold.messages[MESSAGE], "👍", ADA, reaction)
    assert fold.messages[MESSAGE].reactions == {}


def test_one_may_react_to_a_system_message():
    fold = _fold()
    fold.apply(logged(7, ev.RoomUpdated(id="e8", actor=ADA, status=RoomStatus.RESOLVED)))

    effect = fold.apply(
        logged(8, ev.ReactionAdded(id="e9", actor=ADA, message_id="e8", emoji="🎉"))
    )

    assert isinstance(effect, fo.Reacted)


def _sent(event_id: str) -> ev.MessageSent:
    return ev.MessageSent(
        id=event_id, actor=ROB, message_id=event_id, message_type=MessageType.TEXT, content="x"
    )


_REACTED = a_message(reactions={("👍", ADA): a_reaction()})


@pytest.mark.parametrize(
    ("fold", "event", "reason"),
    [
        (_fold(), _created(), NoEffectReason.ROOM_EXISTS),
        (Fold(), _sent("e9"), NoEffectReason.UNKNOWN_ROOM),
        (Fold(), ev.RoomUpdated(id="e9", actor=ADA, title="x"), NoEffectReason.UNKNOWN_ROOM),
        (Fold(), ev.MemberRemoved(id="e9", actor=ADA, user_id=ROB), NoEffectReason.UNKNOWN_ROOM),
        (Fold(), _edited(), NoEffectReason.UNKNOWN_ROOM),
        (Fold(), _redacted(), NoEffectReason.UNKNOWN_ROOM),
        (
            _fold(),
            ev.RoomUpdated(id="e9", actor=ADA, title="Payments are slow", status=RoomStatus.OPEN),
            NoEffectReason.UNCHANGED,
        ),
        (
            _fold(),
            ev.MemberAdded(id="e9", actor=ADA, user_id=ROB, role=RoomRole.RESPONDER),
            NoEffectReason.UNCHANGED,
        ),
        (
            _fold(),
            ev.MemberRoleChanged(id="e9", actor=ADA, user_id=NEW, role=RoomRole.OBSERVER),
            NoEffectReason.UNCHANGED,
        ),
        (_fold(), ev.MemberRemoved(id="e9", actor=ADA, user_id=NEW), NoEffectReason.UNCHANGED),
        (_fold(), _edited(), NoEffectReason.UNKNOWN_MESSAGE),
        (
            _fold(),
            ev.MessageDeleted(id="e9", actor=ROB, message_id=MESSAGE),
            NoEffectReason.UNKNOWN_MESSAGE,
        ),
        (
            _fold(),
            ev.ReactionAdded(id="e9", actor=ADA, message_id=MESSAGE, emoji="👍"),
            NoEffectReason.UNKNOWN_MESSAGE,
        ),
        (_fold(a_deleted_message()), _edited(), NoEffectReason.MESSAGE_DELETED),
        (
            _fold(a_deleted_message()),
            ev.MessageDeleted(id="e9", actor=ROB, message_id=MESSAGE),
            NoEffectReason.MESSAGE_DELETED,
        ),
        (
            _fold(a_deleted_message()),
            ev.ReactionRemoved(id="e9", actor=ADA, message_id=MESSAGE, emoji="👍"),
            NoEffectReason.MESSAGE_DELETED,
        ),
        (_fold(a_message()), _edited(expected_version=4), NoEffectReason.VERSION_MISMATCH),
        (
            _fold(a_message()),
            ev.MessageDeleted(id="e9", actor=ROB, message_id=MESSAGE, expected_version=6),
            NoEffectReason.VERSION_MISMATCH,
        ),
        (
            _fold(_REACTED),
            ev.ReactionAdded(id="e9", actor=ADA, message_id=MESSAGE, emoji="👍"),
            NoEffectReason.REACTION_REPEATED,
        ),
        (
            _fold(_REACTED),
            ev.ReactionRemoved(id="e9", actor=ROB, message_id=MESSAGE, emoji="👍"),
            NoEffectReason.REACTION_UNKNOWN,
        ),
        (
            _fold(a_message()),
            _redacted("message.edited"),
            NoEffectReason.UNCHANGED,
        ),
    ],
)
def test_an_event_without_effect_says_why_and_changes_nothing(
    fold: Fold, event: ev.Event, reason: NoEffectReason
):
    room, messages = fold.room, {**fold.messages}

    assert fold.apply(logged(7, event)) == NoEffect(reason)
    assert (fold.room, fold.messages) == (room, messages)
    assert fold.seen[event.id] == 7


def test_a_repeated_id_has_no_effect_and_names_the_first_event():
    fold = _fold()
    fold.apply(logged(7, _sent("e9")))

    assert fold.apply(logged(8, _sent("e9"))) == NoEffect(NoEffectReason.REPEATED_ID, 7)
    assert fold.apply(logged(9, _created("e9"))) == NoEffect(NoEffectReason.REPEATED_ID, 7)
    assert fold.seen == {"e9": 7}


def test_an_event_that_had_no_effect_counts_as_seen_all_the_same():
    fold = _fold()
    fold.apply(logged(7, _edited()))
    fold.messages[MESSAGE] = a_message()

    assert fold.apply(logged(8, _edited())) == NoEffect(NoEffectReason.REPEATED_ID, 7)


def test_a_room_is_replaced_and_never_changed_in_place():
    room = a_room()
    fold = Fold(room)
    fold.apply(logged(7, ev.MemberRemoved(id="e8", actor=ADA, user_id=ROB)))
    fold.apply(logged(8, ev.RoomUpdated(id="e9", actor=ADA, title="x")))

    assert room == a_room()


def test_the_fold_reads_events_as_they_come_from_stored_bytes():
    fold = Fold()
    data = st.encode_stored(
        type="room.created",
        id="e1",
        room_id=ROOM,
        actor=ADA,
        at=AT,
        body=st.RoomCreatedBody(name="payments", salt="00"),
    )

    effect = fold.apply(room_event(1, 0, data))

    assert isinstance(effect, fo.RoomOpened)
    assert effect.room.members == {ADA: MemberState(RoomRole.COMMANDER, AT)}

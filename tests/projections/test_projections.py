"""What one event does to the rows of each table: one example for each kind of change."""

import msgspec

from projections import (
    edit_history,
    members,
    message_counts,
    messages,
    processed_events,
    reactions,
    rooms,
)
from projections.batch import project
from projections.row_changes import Add, Delete, DeleteWhere, RowChange, Update, UpdateWhere, Upsert
from roomlog_contract import events as ev
from roomlog_contract import fold as fo
from roomlog_contract.fold import NoEffect, NoEffectReason
from roomlog_contract.types import MessageType, RoomStatus
from tests.core.examples import (
    AT,
    COMMANDER,
    MESSAGE,
    RESPONDER,
    ROOM,
    a_deleted_message,
    a_message,
    a_reaction,
    a_room,
    logged,
)
from tests.projections.event_streams import redaction_of
from tests.projections.memory_tables import rendered

ADA, ROB = COMMANDER.user_id, RESPONDER.user_id
ID = "0192f0c1-2b3c-7d4e-8f50-617283940009"
EDIT = ev.MessageEdited(id=ID, actor=ROB, message_id=MESSAGE, content="better", reason="typo")
REACT = ev.ReactionAdded(id=ID, actor=ADA, message_id=MESSAGE, emoji="👍")
SENT = ev.MessageSent(
    id=MESSAGE, actor=ROB, message_id=MESSAGE, message_type="text", content="checkout is slow"
)
PARTITION = 3
ROW_ID = 9 * 1024 + PARTITION


def only(changes: "list[RowChange] | tuple[RowChange, ...]") -> RowChange:
    (change,) = changes
    return change


def test_a_room_that_opens_is_a_row_with_its_partition_and_its_first_member():
    opened = logged(1, ev.RoomCreated(id=ID, actor=ADA, name="payments", status=RoomStatus.OPEN))
    effect = fo.RoomOpened(a_room())
    room = only(rooms.project(opened, effect, PARTITION))
    assert isinstance(room, Upsert)
    assert (room.key, room.values["name"], room.values["partition"]) == (
        {"room_id": ROOM},
        "payments",
        PARTITION,
    )
    assert len(members.project(opened, effect)) == 3


def test_a_room_that_changes_keeps_what_cannot_change():
    event = logged(9, ev.RoomUpdated(id=ID, actor=ADA, title=None))
    change = only(rooms.project(event, fo.RoomChanged(a_room(title=None), None), 0))
    assert change == Update(
        "incident_rooms", {"room_id": ROOM}, {"title": None, "severity": "high", "status": "open"}
    )


def test_a_membership_that_ends_takes_its_row_along_and_leaves_a_message():
    event = logged(9, ev.MemberRemoved(id=ID, actor=ADA, user_id=ROB))
    effect = fo.MemberChanged(a_room(), ROB, None, a_message(message_id=ID, content="Rob left"))
    assert only(members.project(event, effect)) == Delete(
        "room_members", {"room_id": ROOM, "user_id": ROB}
    )
    told = only(messages.project(event, effect, rendered))
    assert isinstance(told, Upsert)
    assert told.key == {"message_id": ID}


def test_a_message_is_a_row_with_its_html():
    row = only(messages.project(logged(5, SENT), fo.MessageAdded(a_message()), rendered))
    assert isinstance(row, Upsert)
    assert row.fresh
    assert row.values["content_html"] == "<p>checkout is slow</p>"
    assert row.values["sequence_number"] == row.values["version"] == 5


def test_an_edit_keeps_what_was_said_before():
    before, after = a_message(), a_message(content="better", edited_at=AT, version=9)
    event, effect = logged(9, EDIT), fo.MessageChanged(before, after)
    kept = only(edit_history.project(event, effect, PARTITION))
    assert isinstance(kept, Upsert)
    assert kept.key == {"edit_id": ROW_ID}
    assert kept.values["original_content"] == "checkout is slow"
    assert (kept.values["original_version"], kept.values["sequence"]) == (5, 9)
    assert (kept.values["change"], kept.values["edited_by"], kept.values["reason"]) == (
        "edit",
        ROB,
        "typo",
    )
    change = only(messages.project(event, effect, rendered))
    assert isinstance(change, Update)
    assert change.values["content_html"] == "<p>better</p>"


def test_a_deletion_hides_the_text_and_keeps_it_in_the_history():
    event = logged(6, ev.MessageDeleted(id=ID, actor=ADA, message_id=MESSAGE))
    effect = fo.MessageRemoved(a_message(), a_deleted_message())
    change = only(messages.project(event, effect, rendered))
    assert isinstance(change, Update)
    assert (change.values["content"], change.values["content_html"]) == ("", "")
    kept = only(edit_history.project(event, effect, PARTITION))
    assert isinstance(kept, Upsert)
    assert (kept.values["change"], kept.values["original_content"]) == (
        "delete",
        "checkout is slow",
    )


def test_a_message_is_counted_for_everybody_and_its_sender_until_it_is_deleted():
    sequence = message_counts.BLOCK_SEQUENCES + 5
    message = a_message(sequence=sequence)
    keys = [{"room_id": ROOM, "sender_id": user, "block": 1} for user in ("", ROB)]

    def added(by: int) -> list[Add]:
        return [Add("message_counts", key, {"messages": by}) for key in keys]

    added_one = fo.MessageAdded(message)
    assert message_counts.project([added_one]) == added(1)
    assert message_counts.project([added_one, added_one]) == added(2)
    gone = a_message(sequence=sequence, deleted_at=AT)
    for effect in (fo.MessageRemoved(message, gone), fo.MessageErased(message, gone)):
        assert message_counts.project([effect]) == added(-1)
        assert message_counts.project([added_one, effect]) == []
    for before in (gone, None):
        assert message_counts.project([fo.MessageErased(before, gone)]) == []
    system = a_message(message_type=MessageType.SYSTEM)
    assert message_counts.project([fo.MessageAdded(system)]) == []


def test_a_message_that_was_sent_changes_its_own_table_alone():
    event, effect = logged(9, SENT), fo.MessageAdded(a_message())
    (row,) = project(event, effect, partition=PARTITION, render=rendered)
    assert row.table == "messages"
    assert not rooms.project(event, effect, PARTITION)
    assert not members.project(event, effect)
    assert not edit_history.project(event, effect, PARTITION)
    assert not reactions.project(event, effect, PARTITION)
    assert not processed_events.project(event, effect)


def test_a_reaction_taken_back_becomes_a_span():
    reaction = a_reaction(9)
    key = {"reaction_id": ROW_ID}
    added = only(
        reactions.project(logged(9, REACT), fo.Reacted(a_message(), "👍", ADA, reaction), PARTITION)
    )
    assert isinstance(added, Upsert)
    assert (added.table, added.key) == ("message_reactions", key)
    back = ev.ReactionRemoved(id=ID, actor=ADA, message_id=MESSAGE, emoji="👍")
    gone, span = reactions.project(
        logged(12, back), fo.Unreacted(a_message(), "👍", ADA, reaction), PARTITION
    )
    assert gone == Delete("message_reactions", key)
    assert isinstance(span, Upsert)
    assert (span.table, span.key) == ("message_reaction_spans", key)
    assert (span.values["added_sequence"], span.values["ended_sequence"]) == (9, 12)


def test_a_redaction_takes_everything_that_told_of_the_text():
    redaction = redaction_of(logged(5, SENT), ID, ADA)
    event, effect = logged(9, redaction), fo.MessageErased(a_message(), a_deleted_message())
    where = {"message_id": MESSAGE}
    assert only(edit_history.project(event, effect, 0)) == DeleteWhere(
        "message_edit_history", where
    )
    assert reactions.project(event, effect, 0) == [
        DeleteWhere("message_reactions", where),
        DeleteWhere("message_reaction_spans", where),
    ]
    tombstone = only(messages.project(event, effect, rendered))
    assert isinstance(tombstone, Upsert)
    assert not tombstone.fresh
    assert UpdateWhere("processed_events", where, {"outcome": "unknown_message"}) in (
        processed_events.project(event, effect)
    )


def test_the_record_of_a_room_event_whose_id_a_redacted_sending_repeated_stands():
    redaction = redaction_of(logged(5, SENT), ID, ADA)
    event, erased = logged(9, redaction), a_deleted_message()
    gone = DeleteWhere("processed_events", {"event_id": MESSAGE})
    other = msgspec.structs.replace(a_message(), sequence=3)
    for before, goes in ((None, True), (a_message(), True), (other, False)):
        changes = processed_events.project(event, fo.MessageErased(before, erased))
        assert (gone in changes) is goes


def test_every_event_but_sendings_and_repetitions_is_recorded():
    record = only(
        processed_events.project(logged(9, EDIT), NoEffect(NoEffectReason.VERSION_MISMATCH))
    )
    assert isinstance(record, Upsert)
    assert record.key == {"event_id": ID}
    assert (record.values["outcome"], record.values["message_id"]) == ("version_mismatch", MESSAGE)
    assert not processed_events.project(logged(5, SENT), fo.MessageAdded(a_message()))
    repeated = NoEffect(NoEffectReason.REPEATED_ID, 4)
    assert not processed_events.project(logged(9, EDIT), repeated)


def test_an_event_without_effect_changes_nothing_else():
    event, effect = logged(9, REACT), NoEffect(NoEffectReason.REACTION_REPEATED)
    assert not rooms.project(event, effect, 0)
    assert not members.project(event, effect)
    assert not messages.project(event, effect, rendered)
    assert not edit_history.project(event, effect, 0)
    assert not reactions.project(event, effect, 0)

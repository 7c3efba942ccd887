"""The laws of projecting in batches, with the tables as dictionaries."""

import copy
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from projections.batch import Wanted
from projections.message_counts import BLOCK_SEQUENCES
from projections.row_changes import event_row_id
from roomlog_contract import events as ev
from roomlog_contract.fold import Fold, MessageAdded, NoEffect, NoEffectReason
from tests.projections.event_streams import ROOMS, batches, redactions_of, splits, steps, stream
from tests.projections.memory_tables import MemoryTables, rendered


@given(steps(), splits(43))
def test_any_split_into_batches_gives_the_same_tables(taken, sizes):
    events = stream(taken)
    whole, parts = MemoryTables(), MemoryTables()
    whole.project(events)
    for batch in batches(events, sizes):
        parts.project(batch)
    assert parts.tables == whole.tables


@given(steps(), splits(43))
def test_the_tables_show_what_the_fold_says(taken, sizes):
    events = stream(taken)
    tables = MemoryTables()
    for batch in batches(events, sizes):
        tables.project(batch)

    messages, rooms = {}, {}
    for room_id in ROOMS:
        fold = Fold()
        for event in events:
            if event.room_id == room_id:
                fold.apply(event)
        messages |= fold.messages
        if fold.room is not None:
            rooms[room_id] = fold.room

    shown = {row["message_id"]: tables.message(row) for row in tables.rows("messages")}
    assert shown == messages
    asked = tables.load(Wanted(list(rooms), [], []))
    assert asked.rooms == rooms
    for row in tables.rows("messages"):
        html = "" if row["deleted_at"] else rendered(row["content"])
        assert row["content_html"] == html


@given(steps(), splits(43), st.integers(0, 40))
def test_events_that_come_again_change_no_row(taken, sizes, place):
    events = stream(taken)
    tables = MemoryTables()
    for batch in batches(events, sizes):
        tables.project(batch)
    before = copy.deepcopy(tables.tables)
    tables.project(events[: place + 1])
    assert tables.tables == before


@given(steps(), splits(43))
def test_messages_are_counted_as_they_stand(taken, sizes):
    tables = MemoryTables()
    for batch in batches(stream(taken), sizes):
        tables.project(batch)
    counted = Counter(
        (row["room_id"], sender, row["sequence_number"] // BLOCK_SEQUENCES)
        for row in tables.rows("messages")
        if row["deleted_at"] is None and row["message_type"] != "system"
        for sender in ("", row["sender_id"])
    )
    assert {
        (row["room_id"], row["sender_id"], row["block"]): row["messages"]
        for row in tables.rows("message_counts")
    } == counted


@given(steps(redactions=False), splits(43))
def test_every_event_is_remembered_by_its_id(taken, sizes):
    events = stream(taken)
    tables = MemoryTables()
    for batch in batches(events, sizes):
        tables.project(batch)

    outcomes = {}
    folds = {room_id: Fold() for room_id in ROOMS}
    for event in events:
        effect = folds[event.room_id].apply(event)
        if isinstance(effect, NoEffect) and effect.reason is NoEffectReason.REPEATED_ID:
            continue
        outcome = effect.reason.value if isinstance(effect, NoEffect) else "applied"
        place = "messages" if isinstance(effect, MessageAdded) else "processed_events"
        outcomes[event.event.id] = (place, event.sequence, outcome)

    recorded = {
        row["event_id"]: ("processed_events", row["sequence"], row["outcome"])
        for row in tables.rows("processed_events")
    }
    sent = {
        row["message_id"]: ("messages", row["sequence_number"], "applied")
        for row in tables.rows("messages")
        if row["message_id"] not in recorded
    }
    assert recorded | sent == outcomes


@given(steps(redactions=False), splits(43))
def test_edit_history_and_spans_tell_every_moment_of_the_past(taken, sizes):
    events = stream(taken)
    tables = MemoryTables()
    for batch in batches(events, sizes):
        tables.project(batch)

    folds = {room_id: Fold() for room_id in ROOMS}
    for event in events:
        fold = folds[event.room_id]
        fold.apply(event)
        for message in fold.messages.values():
            assert as_of(tables, message.message_id, event.sequence) == (
                message.content,
                message.metadata,
                message.version,
                message.edited_at,
                message.deleted_at,
                {key: reaction.sequence for key, reaction in message.reactions.items()},
            )


def as_of(tables: MemoryTables, message_id: str, sequence: int):
    """The message as it stood right after `sequence`, from rows alone."""
    (row,) = (r for r in tables.rows("messages") if r["message_id"] == message_id)
    later = sorted(
        (
            r
            for r in tables.rows("message_edit_history")
            if r["message_id"] == message_id and r["sequence"] > sequence
        ),
        key=lambda r: r["sequence"],
    )
    reactions = {
        (r["emoji"], r["user_id"]): r["added_sequence"]
        for table in ("message_reactions", "message_reaction_spans")
        for r in tables.rows(table)
        if r["message_id"] == message_id
        and r["added_sequence"] <= sequence
        and r.get("ended_sequence", sequence + 1) > sequence
    }
    if not later:
        said = (row["content"], row["metadata"], row["version"])
        return (*said, row["edited_at"], row["deleted_at"], reactions)
    first = later[0]
    said = (first["original_content"], first["original_metadata"], first["original_version"])
    return (*said, first["original_edited_at"], None, reactions)


def test_rows_made_by_one_event_have_ids_that_partitions_do_not_share():
    ids = {event_row_id(sequence, partition) for sequence in range(1, 50) for partition in range(9)}
    assert len(ids) == 49 * 9
    assert event_row_id(7, 3) >> 10 == 7


@given(steps(redactions=False), splits(43), st.integers(0, 40))
def test_tables_made_after_an_erasure_are_those_that_saw_what_was_erased(taken, sizes, place):
    # Each id once: an id that comes again after its first event's erasure is a new one's.
    events = list({event.event.id: event for event in reversed(stream(taken))}.values())[::-1]
    fold = Fold()
    effects = [fold.apply(event) for event in events if event.room_id == ROOMS[0]]
    sent = [effect for effect in effects if isinstance(effect, MessageAdded)]
    if not sent:
        return  # only what is there can be redacted
    message_id = sent[place % len(sent)].message.message_id
    erased = [e for e in events if says(e, message_id)]
    redactions = redactions_of(erased, after=events[-1].sequence)

    live, rebuilt = MemoryTables(), MemoryTables()
    for batch in batches(events, sizes):
        live.project(batch)
    live.project(redactions)
    left = [e for e in events if e not in erased]
    for batch in batches(left, sizes):
        rebuilt.project(batch)
    rebuilt.project(redactions)
    assert rebuilt.tables == live.tables


def says(event: ev.RoomEvent, message_id: str) -> bool:
    kinds = ev.MessageSent | ev.MessageEdited | ev.MessageDeleted
    return (
        event.room_id == ROOMS[0]
        and isinstance(event.event, kinds)
        and event.event.message_id == message_id
    )

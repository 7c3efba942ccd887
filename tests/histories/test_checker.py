"""The checker sees every kind of broken promise, and says nothing of a history without any."""

import copy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog_contract.events import MessageRedacted, MessageSent, RoomEvent
from tests.histories.checker import Kind, check, explain
from tests.histories.history import Act, History, Outcome, Write, load
from tests.histories.honest import ROOMS, honest

_SEED = 7
_seeds = st.integers(0, 2**32 - 1)


@given(_seeds)
def test_an_honest_history_has_no_violation(seed: int):
    assert explain(check(honest(seed))) == ""


@given(_seeds)
def test_nor_has_one_of_a_log_of_two_partitions(seed: int):
    history = honest(seed, partitions=2)

    assert explain(check(history)) == ""
    assert all(history.partitions())


@given(_seeds, st.data())
def test_a_hole_is_seen_in_each_partition_and_so_is_each_checkpoint(seed: int, data: st.DataObject):
    history = honest(seed, partitions=2)
    assert history.tables is not None
    partition = data.draw(st.integers(0, 1))
    history.tables.checkpoints[partition] += 1
    assert [one.kind for one in check(history)] == [Kind.TABLES_DIFFER]

    lost = data.draw(st.sampled_from(history.partitions()[partition][:-1]))
    history.log.remove(lost)
    assert Kind.LOG_HOLE in {one.kind for one in check(history)}


@given(_seeds)
def test_a_history_that_was_kept_is_judged_the_same(seed: int):
    history = honest(seed, steps=20)

    assert check(msgspec.json.decode(msgspec.json.encode(history), type=History)) == []


def test_a_history_can_be_kept_in_a_file(tmp_path: Path):
    history = honest(_SEED)
    history.save(tmp_path / "history.json")

    assert load(tmp_path / "history.json") == history


def _acked(history: History, *acts: Act) -> list[Write]:
    wanted = acts or (Act.SEND,)
    return [
        w
        for w in history.writes
        if w.act in wanted and w.outcome is Outcome.ACKED and not w.duplicate
    ]


def _at(history: History, sequence: int):
    return history.log[sequence - 1]


def _replace_event(history: History, sequence: int, **fields: object) -> None:
    logged = _at(history, sequence)
    event = msgspec.structs.replace(logged.event, **fields)
    history.log[sequence - 1] = msgspec.structs.replace(logged, event=event)


def lose_the_last_acked(history: History) -> None:
    # All of the log from there on, as a restored older log would have it; nobody saw it.
    lost = _acked(history)[-1].sequence
    del history.log[lost - 1 :]
    history.writes = [w for w in history.writes if w.sequence <= lost]


def ack_another_place(history: History) -> None:
    _acked(history)[0].sequence += 1


def append_twice(history: History) -> None:
    once = _at(history, _acked(history)[-1].sequence)
    head = max(e.sequence for e in history.log if e.room_id == once.room_id)
    history.log.append(
        msgspec.structs.replace(once, sequence=len(history.log) + 1, prev_sequence=head)
    )


def leave_a_hole_in_the_log(history: History) -> None:
    del history.log[len(history.log) // 2]


def link_wrongly(history: History) -> None:
    last = history.log[-1]
    history.log[-1] = msgspec.structs.replace(last, prev_sequence=last.prev_sequence + 1)


def change_what_was_said(history: History) -> None:
    _replace_event(history, _acked(history)[0].sequence, content="otherwise")


def change_who_said_it(history: History) -> None:
    _replace_event(history, _acked(history)[0].sequence, actor="eve@example.org")


def change_the_emoji(history: History) -> None:
    _replace_event(history, _acked(history, Act.REACT)[0].sequence, emoji="🎃")


def make_an_event_up(history: History) -> None:
    wanted = _acked(history)[0]
    history.writes.remove(wanted)


def append_what_failed(history: History) -> None:
    _acked(history)[0].outcome = Outcome.FAILED


def let_what_was_refused_have_its_effect(history: History) -> None:
    _acked(history, Act.EDIT)[0].outcome = Outcome.REFUSED


def ack_what_had_no_effect(history: History) -> None:
    repeated = next(w for w in history.writes if w.act is Act.REACT and w.duplicate)
    repeated.duplicate = False


def ack_an_edit_that_was_refused(history: History) -> None:
    refused = next(w for w in history.writes if w.outcome is Outcome.REFUSED)
    refused.outcome = Outcome.ACKED


def put_the_later_first(history: History) -> None:
    first, later = _in_one_room(history)
    first.begun_s, first.ended_s = later.begun_s + 10, later.begun_s + 11
    first.in_order = later.in_order = False
    later.ended_s = later.begun_s + 1


def put_what_nobody_was_told_of_before_what_was_acked(history: History) -> None:
    # The first was asked for only when the later one had been acked: a ghost of the past.
    first, later = _in_one_room(history)
    first.outcome, first.ended_s = Outcome.UNKNOWN, None
    first.begun_s = later.begun_s + 10
    first.in_order = later.in_order = False
    later.ended_s = later.begun_s + 1


def turn_a_clients_order_round(history: History) -> None:
    first, later = _in_one_room(history)
    later.client = first.client = "one"
    first.begun_s, later.begun_s = later.begun_s, first.begun_s
    # Neither was answered before the other was asked for: no matter of real time.
    first.ended_s = later.ended_s = max(first.begun_s, later.begun_s) + 1000


def _in_one_room(history: History) -> tuple[Write, Write]:
    first = _acked(history)[0]
    return first, next(
        w for w in _acked(history) if w.room == first.room and w.sequence > first.sequence
    )


def skip_an_event(history: History) -> None:
    del history.streams[0].events[3]


def skip_the_end(history: History) -> None:
    del history.streams[0].events[-1]


def skip_the_beginning(history: History) -> None:
    del history.streams[0].events[0]


def claim_a_link_too_far(history: History) -> None:
    history.streams[0].events[0].prev_sequence = 1


def deliver_twice(history: History) -> None:
    events = history.streams[0].events
    events.insert(4, copy.deepcopy(events[3]))


def swap_two(history: History) -> None:
    events = history.streams[0].events
    events[3], events[4] = events[4], events[3]


def deliver_otherwise(history: History) -> None:
    seen = next(s for s in history.streams[0].events if s.event["type"] == "message.sent")
    seen.event["content"] = "otherwise"


def deliver_another_time(history: History) -> None:
    history.streams[0].events[2].at = "2020-01-01T00:00:00.000Z"


def deliver_what_is_not_there(history: History) -> None:
    ghost = copy.deepcopy(history.streams[0].events[-1])
    ghost.sequence += 1000
    history.streams[0].events.append(ghost)


def read_below_what_was_asked(history: History) -> None:
    read = history.reads[-1]
    read.min_sequence = read.head + 1


def read_below_what_was_told(history: History) -> None:
    read = history.reads[-1]
    last = [w for w in _acked(history) if w.room == read.room][-1]
    last.projected, last.ended_s = True, read.begun_s - 1
    read.head = last.sequence - 1


def read_a_mix(history: History) -> None:
    history.reads[-1].items[0]["content"] += "?"


def read_without_one(history: History) -> None:
    del history.reads[-1].items[1]


def read_the_past_as_it_was_not(history: History) -> None:
    read = history.reads[-1]
    read.as_of = history.reads[0].head


def read_what_was_not_even_asked_for(history: History) -> None:
    # The page shows the end, and came before what is in it was begun.
    early, late = (
        history.reads[0],
        next(r for r in reversed(history.reads) if r.room == history.reads[0].room),
    )
    early.items = late.items


def show_a_view_otherwise(history: History) -> None:
    next(iter(history.views[-1].messages.values()))["content"] = "otherwise"


def show_a_view_of_the_past(history: History) -> None:
    early, late = history.views[0], history.views[-2]
    assert early.room == late.room
    late.messages = early.messages


def show_a_member_too_many(history: History) -> None:
    history.views[-1].members["eve@example.org"] = "responder"


def show_a_view_of_no_moment(history: History) -> None:
    history.views[-1].sequence = 10_000


def lose_a_row(history: History) -> None:
    assert history.tables is not None
    history.tables.messages.pop()


def change_a_row(history: History) -> None:
    assert history.tables is not None
    history.tables.messages[0]["version"] += 1


def keep_a_row_of_a_strange_room(history: History) -> None:
    assert history.tables is not None
    row = {**history.tables.messages[0], "room_id": "another", "message_id": "another"}
    history.tables.messages.append(row)


def lose_a_reaction(history: History) -> None:
    assert history.tables is not None
    history.tables.reactions.pop()


def lose_an_edit(history: History) -> None:
    assert history.tables is not None
    history.tables.edits.pop()


def lose_a_member(history: History) -> None:
    assert history.tables is not None
    history.tables.members.pop()


def leave_the_tables_behind(history: History) -> None:
    assert history.tables is not None
    history.tables.checkpoints[0] -= 1


def fail_to_verify(history: History) -> None:
    assert history.tables is not None
    history.tables.verified = False


PLANTED: list[tuple[Callable[[History], None], Kind]] = [
    (lose_the_last_acked, Kind.ACKED_LOST),
    (ack_another_place, Kind.ACKED_LOST),
    (append_twice, Kind.DOUBLED),
    (leave_a_hole_in_the_log, Kind.LOG_HOLE),
    (link_wrongly, Kind.LOG_HOLE),
    (change_what_was_said, Kind.ALTERED),
    (change_who_said_it, Kind.ALTERED),
    (change_the_emoji, Kind.ALTERED),
    (make_an_event_up, Kind.INVENTED),
    (append_what_failed, Kind.FAILED_APPENDED),
    (let_what_was_refused_have_its_effect, Kind.REFUSED_EFFECT),
    (ack_what_had_no_effect, Kind.ACK_UNTRUE),
    (ack_an_edit_that_was_refused, Kind.ACK_UNTRUE),
    (put_the_later_first, Kind.REAL_TIME),
    (put_what_nobody_was_told_of_before_what_was_acked, Kind.REAL_TIME),
    (turn_a_clients_order_round, Kind.CLIENT_ORDER),
    (skip_an_event, Kind.RECEIVER_HOLE),
    (skip_the_end, Kind.RECEIVER_HOLE),
    (skip_the_beginning, Kind.RECEIVER_HOLE),
    (claim_a_link_too_far, Kind.RECEIVER_HOLE),
    (deliver_twice, Kind.RECEIVER_DISORDER),
    (swap_two, Kind.RECEIVER_DISORDER),
    (deliver_otherwise, Kind.RECEIVER_CHANGED),
    (deliver_another_time, Kind.RECEIVER_CHANGED),
    (deliver_what_is_not_there, Kind.RECEIVER_INVENTED),
    (read_below_what_was_asked, Kind.READ_STALE),
    (read_below_what_was_told, Kind.READ_STALE),
    (read_a_mix, Kind.READ_DIFFERS),
    (read_without_one, Kind.READ_DIFFERS),
    (read_the_past_as_it_was_not, Kind.READ_DIFFERS),
    (read_what_was_not_even_asked_for, Kind.READ_DIFFERS),
    (show_a_view_otherwise, Kind.VIEW_DIFFERS),
    (show_a_view_of_the_past, Kind.VIEW_DIFFERS),
    (show_a_member_too_many, Kind.VIEW_DIFFERS),
    (show_a_view_of_no_moment, Kind.VIEW_DIFFERS),
    (lose_a_row, Kind.TABLES_DIFFER),
    (change_a_row, Kind.TABLES_DIFFER),
    (keep_a_row_of_a_strange_room, Kind.TABLES_DIFFER),
    (lose_a_reaction, Kind.TABLES_DIFFER),
    (lose_an_edit, Kind.TABLES_DIFFER),
    (lose_a_member, Kind.TABLES_DIFFER),
    (leave_the_tables_behind, Kind.TABLES_DIFFER),
    (fail_to_verify, Kind.NOT_VERIFIED),
]


@pytest.mark.parametrize(("plant", "kind"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_violation_is_seen(plant: Callable[[History], None], kind: Kind):
    history = honest(_SEED)
    assert check(history) == []

    plant(history)

    assert kind in {violation.kind for violation in check(history)}


def test_every_kind_is_planted():
    assert {kind for _, kind in PLANTED} == set(Kind)


def _redact(history: History, gone: int) -> None:
    """End the log with a redaction of what stood at that place."""
    assert history.tables is not None
    end = history.tables.checkpoints[0] = len(history.log) + 2
    event = MessageRedacted(
        id=ROOMS[0],
        actor="admin@example.org",
        message_id=ROOMS[0],
        redacted_sequence=gone,
        redacted_envelope="{}",
    )
    history.besides.append("besides")
    history.log.append(RoomEvent(end, 0, "besides", "2026-01-31T10:00:00.000Z", event))


def test_a_hole_that_a_redaction_explains_is_none_and_any_other_is_one():
    explained, too_early, another = honest(_SEED), honest(_SEED), honest(_SEED)
    end = len(explained.log)
    _redact(explained, end + 1)
    # What stands at the place of the redaction, or after it, can't be what it erased.
    _redact(too_early, end + 2)
    _redact(another, end)

    assert explain(check(explained)) == ""
    for history in (too_early, another):
        assert {one.kind for one in check(history)} == {Kind.LOG_HOLE}


@given(_seeds, st.data())
def test_an_acked_message_that_is_missing_is_seen_wherever_it_stood(seed: int, data: st.DataObject):
    history = honest(seed)
    lost = data.draw(st.sampled_from(_acked(history)))
    # The log closes over it, and nobody but its sender ever knew.
    _forget(history, lost.sequence)

    assert Kind.ACKED_LOST in {violation.kind for violation in check(history)}


def _forget(history: History, lost: int) -> None:
    """Take an event out of log, streams and tables, with all sequences as if it had never been."""
    event = history.log.pop(lost - 1)
    assert isinstance(event.event, MessageSent)
    history.log = [
        msgspec.structs.replace(e, sequence=_closed(e.sequence, lost)) for e in history.log
    ]
    history.streams, history.reads, history.views, history.tables = [], [], [], None
    for write in history.writes:
        if write.act is not Act.CREATE and write.sequence != lost:
            write.sequence = _closed(write.sequence, lost)


def _closed(sequence: int, lost: int) -> int:
    return sequence - 1 if sequence > lost else sequence


@given(_seeds, st.data())
def test_an_event_that_a_receiver_missed_is_seen_wherever_it_stood(seed: int, data: st.DataObject):
    history = honest(seed, steps=25)
    stream = data.draw(st.sampled_from(history.streams))
    del stream.events[data.draw(st.integers(0, len(stream.events) - 1))]

    assert Kind.RECEIVER_HOLE in {violation.kind for violation in check(history)}


def test_what_is_told_of_violations_names_each_kind_and_the_first_ones():
    history = honest(_SEED)
    fail_to_verify(history)
    skip_the_end(history)

    assert explain(check(history)).splitlines()[0] == "receiver_hole 1, not_verified 1"

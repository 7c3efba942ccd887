"""The laws of the fold, over sensible streams and nonsense."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.room_state import decode_snapshot, encode_snapshot, evolve
from roomlog_contract.fold import Effect, Fold, NoEffect, NoEffectReason, RoomState
from tests.projections.event_streams import ROOMS, Step, steps, stream


def folds_of(taken: list[Step]) -> dict[str, Fold]:
    folds = {room_id: Fold() for room_id in ROOMS}
    for event in stream(taken):
        folds[event.room_id].apply(event)
    return folds


@given(steps(), st.integers(0, 40))
def test_folding_a_stream_in_two_parts_gives_what_folding_it_whole_gives(taken, cut):
    events = [event for event in stream(taken) if event.room_id == ROOMS[0]]
    whole = Fold()
    effects: list[Effect] = [copy.deepcopy(whole.apply(event)) for event in events]

    first = Fold()
    parts: list[Effect] = [copy.deepcopy(first.apply(event)) for event in events[:cut]]
    second = Fold(first.room)
    second.messages = copy.deepcopy(first.messages)
    second.seen = dict(first.seen)
    parts += [copy.deepcopy(second.apply(event)) for event in events[cut:]]

    assert parts == effects
    assert (second.room, second.messages, second.seen) == (whole.room, whole.messages, whole.seen)


@given(steps(redactions=False), st.integers(0, 40), st.integers(0, 40))
def test_an_event_that_comes_again_changes_nothing(taken, place, later):
    events = [event for event in stream(taken) if event.room_id == ROOMS[0]]
    if not events:
        return
    repeated = events[place % len(events)]
    after = max(later % len(events), place % len(events))

    once, twice = Fold(), Fold()
    for number, event in enumerate(events):
        once.apply(event)
        twice.apply(event)
        if number == after:
            again = twice.apply(repeated)
            assert isinstance(again, NoEffect)
            assert again.reason is NoEffectReason.REPEATED_ID

    assert (once.room, once.messages) == (twice.room, twice.messages)


@given(steps())
def test_no_stream_makes_the_fold_fail_or_takes_a_room_back(taken):
    fold, begun = Fold(), False
    for event in stream(taken):
        if event.room_id == ROOMS[0]:
            fold.apply(event)
            begun = begun or fold.room is not None
            assert (fold.room is not None) is begun


@given(steps())
def test_rooms_do_not_touch_each_other(taken):
    together = folds_of(taken)
    for room_id in ROOMS:
        alone = Fold()
        for event in stream(taken):
            if event.room_id == room_id:
                alone.apply(event)
        assert alone.room == together[room_id].room
        assert alone.messages == together[room_id].messages


@given(steps(), st.integers(0, 40))
def test_a_snapshot_and_what_came_after_it_are_the_room_of_the_whole_fold(taken, cut):
    # Ids that come again are left to the fold, which remembers them; a snapshot does not.
    events, ids = [], set()
    for event in stream(taken):
        if event.room_id == ROOMS[0] and event.event.id not in ids:
            ids.add(event.event.id)
            events.append(event)
    whole = Fold()
    for event in events:
        whole.apply(event)

    state: RoomState | None = None
    for number, event in enumerate(events):
        if number == cut and state is not None:
            state = decode_snapshot(encode_snapshot(state))
        state = evolve(state, event)
    assert state == whole.room

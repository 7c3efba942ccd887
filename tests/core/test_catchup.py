"""The merge of replay and live: in order, each once, without a hole."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from roomlog.core.catchup import Catchup


class Event(NamedTuple):
    sequence: int
    prev_sequence: int


def chain(*sequences: int) -> list[Event]:
    return [Event(s, p) for p, s in zip((0, *sequences), sequences, strict=False)]


def test_live_events_that_follow_on_pass_at_once() -> None:
    merge: Catchup[Event] = Catchup(0)
    events = chain(3, 8, 9)
    assert [e for event in events for e in merge.live(event)] == events
    assert merge.position == 9
    assert not merge.needs_replay


def test_what_was_seen_is_dropped() -> None:
    merge: Catchup[Event] = Catchup(8)
    assert merge.live(Event(8, 3)) == []
    assert merge.live(Event(3, 0)) == []
    assert not merge.needs_replay


def test_a_gap_waits_for_a_replay_which_brings_it_all() -> None:
    merge: Catchup[Event] = Catchup(0)
    events = chain(3, 8, 9)
    assert merge.live(events[2]) == []
    assert merge.needs_replay
    assert merge.begin_replay() == 0
    assert merge.replayed(events) == events
    assert merge.end_replay() == []
    assert not merge.needs_replay
    assert merge.position == 9


def test_live_events_during_a_replay_follow_it() -> None:
    merge: Catchup[Event] = Catchup(0)
    old, new = chain(1, 2, 3, 4, 5)[:3], chain(1, 2, 3, 4, 5)[2:]
    merge.begin_replay()
    assert [merge.live(event) for event in new] == [[], [], []]
    assert merge.replayed(old) == old
    assert merge.end_replay() == new[1:]
    assert not merge.needs_replay


def test_an_event_lost_after_the_replay_read_needs_another() -> None:
    merge: Catchup[Event] = Catchup(0)
    events = chain(1, 2, 3)
    merge.begin_replay()
    merge.live(events[2])
    merge.replayed(events[:1])
    assert merge.end_replay() == []
    assert merge.needs_replay
    assert merge.begin_replay() == 1
    assert merge.replayed(events[1:]) == events[1:]
    assert merge.end_replay() == []
    assert not merge.needs_replay


def test_a_hole_that_the_log_confirms_is_closed() -> None:
    merge: Catchup[Event] = Catchup(1)
    erased_before = Event(5, 3)
    assert merge.live(erased_before) == []
    merge.begin_replay()
    # The log has lost event 3 since, and links over it.
    assert merge.replayed([Event(5, 1)]) == [Event(5, 1)]
    merge.end_replay()
    assert not merge.needs_replay
    assert merge.live(Event(6, 5)) == [Event(6, 5)]


def test_a_newest_event_erased_before_it_was_read_does_not_keep_it_reading() -> None:
    merge: Catchup[Event] = Catchup(1)
    merge.head(5)
    assert merge.needs_replay
    merge.begin_replay()
    merge.end_replay()
    assert not merge.needs_replay
    assert merge.live(Event(7, 1)) == [Event(7, 1)]


def test_a_failed_replay_is_needed_again_and_goes_on_where_it_broke() -> None:
    merge: Catchup[Event] = Catchup(0)
    events = chain(1, 2, 3)
    merge.head(3)
    merge.begin_replay()
    assert merge.replayed(events[:1]) == events[:1]
    merge.abandon_replay()
    assert merge.needs_replay
    assert merge.begin_replay() == 1


def test_what_does_not_fit_the_buffer_is_left_to_another_replay() -> None:
    merge: Catchup[Event] = Catchup(0, buffer_max=2)
    events = chain(1, 2, 3, 4, 5)
    merge.begin_replay()
    for event in events[1:]:
        merge.live(event)
    merge.replayed(events[:1])
    assert merge.end_replay() == events[1:3]
    assert merge.needs_replay
    assert merge.begin_replay() == 3
    assert merge.replayed(events[3:]) == events[3:]
    merge.end_replay()
    assert not merge.needs_replay


class World:
    """A log that grows, a lossy live channel, and one merge that hears of both."""

    def __init__(self, start: int, events: int, buffer_max: int) -> None:
        self.log = chain(*range(2, 2 + 2 * events, 2)) if events else []
        position = self.log[start - 1].sequence if 0 < start <= events else 0
        self.expected_from = position
        self.channel: list[Event] = []
        self.merge: Catchup[Event] = Catchup(position, buffer_max=buffer_max)
        self.delivered: list[Event] = []
        self.reading = position

    def append(self, *, lost: bool) -> None:
        last = self.log[-1].sequence if self.log else 0
        event = Event(last + 2, last)
        self.log.append(event)
        if not lost:
            self.channel.append(event)

    def deliver(self) -> None:
        if self.channel:
            self.delivered += self.merge.live(self.channel.pop(0))

    def deliver_again(self, which: int) -> None:
        if self.log:
            self.delivered += self.merge.live(self.log[which % len(self.log)])

    def head(self) -> None:
        if self.log:
            self.merge.head(self.log[-1].sequence)

    def read(self, count: int) -> None:
        """One step of a replay: begin it where it is needed, else read on or end it."""
        if not self.merge.replaying:
            if self.merge.needs_replay:
                self.reading = self.merge.begin_replay()
            return
        batch = [e for e in self.log if e.sequence > self.reading][:count]
        if batch:
            self.delivered += self.merge.replayed(batch)
            self.reading = batch[-1].sequence
        else:
            self.delivered += self.merge.end_replay()

    def check(self) -> None:
        expected = [e for e in self.log if e.sequence > self.expected_from]
        assert self.delivered == expected[: len(self.delivered)]
        if self.delivered:
            assert self.merge.position == self.delivered[-1].sequence

    def finish(self) -> None:
        self.head()
        for _ in range(10 * len(self.log) + 10):
            self.read(100)
        while self.channel:
            self.deliver()
        for _ in range(10 * len(self.log) + 10):
            self.read(100)
        self.check()
        assert self.delivered == [e for e in self.log if e.sequence > self.expected_from]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.booleans()),
        st.tuples(st.just("deliver"), st.none()),
        st.tuples(st.just("again"), st.integers(0, 50)),
        st.tuples(st.just("head"), st.none()),
        st.tuples(st.just("read"), st.integers(1, 4)),
        st.tuples(st.just("abandon"), st.none()),
    ),
    max_size=80,
)


@settings(max_examples=400)
@given(start=st.integers(0, 6), events=st.integers(0, 6), buffer_max=st.integers(1, 5), steps=STEPS)
def test_any_interleaving_is_in_order_each_once_without_a_hole(
    start: int, events: int, buffer_max: int, steps: list[tuple[str, int | bool | None]]
) -> None:
    world = World(start, events, buffer_max)
    for name, argument in steps:
        if name == "append":
            world.append(lost=bool(argument))
        elif name == "deliver":
            world.deliver()
        elif name == "again":
            world.deliver_again(int(argument or 0))
        elif name == "head":
            world.head()
        elif name == "read":
            world.read(int(argument or 1))
        elif world.merge.replaying:
            world.merge.abandon_replay()
        world.check()
    world.finish()

"""What is taken of recent events is all that the log has there, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.ports import LogEvent
from roomlog.services import recent_events
from roomlog.services.recent_events import RecentEvents

_LOG = [sequence for sequence in range(1, 60) if sequence % 7 != 3]  # with holes


def _event(sequence: int, size_bytes: int = 10) -> LogEvent:
    return LogEvent(sequence, 0, "room", b"x" * size_bytes, 0)


def _events(after: int, count: int) -> list[LogEvent]:
    return [_event(sequence) for sequence in _LOG if sequence > after][:count]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 60), st.integers(0, 9)),
            st.tuples(st.just("on"), st.just(0), st.integers(1, 9)),
            st.tuples(st.just("take"), st.integers(0, 60), st.just(0)),
            st.tuples(st.just("begin"), st.just(0), st.just(0)),
        ),
        max_size=40,
    )
)
def test_all_that_the_log_has_or_nothing(steps: list[tuple[str, int, int]]) -> None:
    recent, to = RecentEvents(), 0
    recent.begin()
    for what, at, count in steps:
        match what:
            case "take":
                taken = [event.sequence for event in recent.take(at)]
                assert taken in ([], [one for one in _LOG if at < one <= to])
            case "begin":
                recent.begin()
            case _:
                after = to if what == "on" else at
                events = _events(after, count)
                recent.add(after, events)
                to = events[-1].sequence if events else to


def test_what_is_added_on_is_taken_once() -> None:
    recent = RecentEvents()
    recent.begin()
    recent.add(5, _events(5, 4))
    recent.add(10, [])
    recent.add(9, _events(9, 2))
    assert [event.sequence for event in recent.take(7)] == [8, 9, 11, 12]
    assert recent.take(7) == []
    recent.add(12, _events(12, 1))
    assert [event.sequence for event in recent.take(12)] == [13]


def test_another_log_s_events_are_never_given() -> None:
    recent = RecentEvents()
    recent.begin()
    recent.add(0, _events(0, 5))
    recent.end()
    assert recent.take(0) == []
    recent.add(0, _events(0, 5))  # of a reading that began before
    assert recent.take(0) == []


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "EVENTS_MAX", 3)
    recent = RecentEvents()
    recent.begin()
    recent.add(0, _events(0, 5))
    assert recent.take(0) == []
    assert [event.sequence for event in recent.take(2)] == [4, 5, 6]
    monkeypatch.setattr(recent_events, "BYTES_MAX", 25)
    recent.add(6, [_event(7), _event(8), _event(9)])
    assert recent.take(6) == []
    assert [event.sequence for event in recent.take(7)] == [8, 9]

from hypothesis import given
from hypothesis import strategies as s

from roomlog.realtime.tail import Tail
from roomlog_contract.events import MemberRemoved, RoomEvent


def _event(sequence: int, prev_sequence: int) -> RoomEvent:
    return RoomEvent(
        sequence, prev_sequence, "r", "t", MemberRemoved(id=str(sequence), actor="a", user_id="u")
    )


@given(
    steps=s.lists(s.integers(1, 3), max_size=60),
    floor=s.integers(0, 5),
    position=s.integers(0, 100),
    limit=s.integers(1, 10),
    events_max=s.integers(1, 20),
    bytes_max=s.integers(1, 50),
)
def test_a_tail_gives_exactly_the_next_events_or_says_that_it_forgot_some(
    steps: list[int], floor: int, position: int, limit: int, events_max: int, bytes_max: int
):
    tail = Tail(floor, events_max=events_max, bytes_max=bytes_max)
    sequences: list[int] = []
    last = floor
    for step in steps:
        last += step
        sequences.append(last)
        tail.append(_event(last, last - step), size_bytes=step)
    got = tail.after(position, limit)
    if got is None:
        assert position < last
    else:
        assert [e.sequence for e in got] == [x for x in sequences if x > position][:limit]


def test_a_tail_that_did_not_overflow_forgets_nothing():
    tail = Tail(10, events_max=5, bytes_max=100)
    for sequence in range(11, 16):
        tail.append(_event(sequence, sequence - 1), 20)
    assert tail.after(9, 10) is None
    assert [e.sequence for e in tail.after(10, 10) or []] == [11, 12, 13, 14, 15]
    assert tail.after(15, 10) == []
    tail.append(_event(16, 15), 20)
    assert tail.after(15, 10) is None
    assert tail.after(16, 10) == []

"""What is kept of a room's newest events: exactly the next ones, or word that some are gone."""

from hypothesis import given
from hypothesis import strategies as s

from roomlog.services.tail import Tail, Tails
from roomlog_contract.events import MemberRemoved, RoomEvent


def _event(sequence: int, prev_sequence: int) -> RoomEvent:
    return RoomEvent(
        sequence, prev_sequence, "r", "t", MemberRemoved(id=str(sequence), actor="a", user_id="u")
    )


def _sequences(events: list[RoomEvent] | None) -> list[int] | None:
    return None if events is None else [event.sequence for event in events]


@given(
    steps=s.lists(s.integers(1, 3), max_size=60),
    floor=s.integers(0, 5),
    position=s.integers(0, 100),
    limit=s.integers(1, 10),
    events_max=s.integers(1, 20),
    bytes_max=s.integers(1, 50),
    all_bytes_max=s.integers(1, 50),
)
def test_a_tail_gives_exactly_the_next_events_or_says_that_it_forgot_some(
    steps: list[int],
    floor: int,
    position: int,
    limit: int,
    events_max: int,
    bytes_max: int,
    all_bytes_max: int,
):
    tails = Tails(bytes_max=all_bytes_max)
    tail = Tail(floor, tails, events_max=events_max, bytes_max=bytes_max)
    sequences: list[int] = []
    last = floor
    for step in steps:
        last += step
        sequences.append(last)
        tail.append(_event(last, last - step), size_bytes=step)
        assert tails.size_bytes <= min(bytes_max, all_bytes_max)
    got = tail.after(position, limit)
    if got is None:
        assert position < last
    else:
        assert _sequences(got) == [x for x in sequences if x > position][:limit]


def test_a_full_tail_forgets_the_oldest_first():
    tail = Tail(10, Tails(), events_max=5, bytes_max=100)
    for sequence in range(11, 16):
        tail.append(_event(sequence, sequence - 1), 20)
    assert tail.after(9, 10) is None
    assert _sequences(tail.after(10, 10)) == [11, 12, 13, 14, 15]
    assert tail.after(15, 10) == []
    tail.append(_event(16, 15), 20)
    assert tail.after(10, 10) is None
    assert _sequences(tail.after(11, 10)) == [12, 13, 14, 15, 16]
    tail.forget()
    assert tail.after(15, 10) is None
    assert tail.after(16, 10) == []


def test_an_event_larger_than_the_tail_is_not_kept():
    tails = Tails()
    tail = Tail(0, tails, bytes_max=100)
    tail.append(_event(1, 0), 101)
    assert (tail.after(0, 1), tail.after(1, 1), tails.size_bytes) == (None, [], 0)


def test_where_all_tails_hold_too_much_the_rooms_that_were_quiet_longest_go():
    tails = Tails(bytes_max=100)
    quiet, other, busy = (Tail(0, tails) for _ in range(3))
    quiet.append(_event(1, 0), 40)
    other.append(_event(2, 0), 40)
    busy.append(_event(3, 0), 40)
    assert quiet.after(0, 10) is None
    assert _sequences(other.after(0, 10)) == [2]
    busy.append(_event(4, 3), 40)
    assert other.after(0, 10) is None
    assert _sequences(busy.after(0, 10)) == [3, 4]
    assert tails.size_bytes == 80
    busy.forget()
    assert tails.size_bytes == 0

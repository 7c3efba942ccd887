"""What is wrong with deliveries is noticed, and called by its name."""

from collections.abc import Sequence

import pytest

from bench.deliveries import Received, Witness, judge

EVENTS = [(3, 0), (5, 3), (6, 5), (9, 6), (10, 9)]


def line(sequence: int, prev_sequence: int, content: str = "hm") -> bytes:
    """An event's line, as short as the checks allow."""
    return b'{"type":"event","sequence":%d,"prev_sequence":%d,"content":"%b"}' % (
        sequence,
        prev_sequence,
        content.encode(),
    )


LINES = [line(*event) for event in EVENTS]


def took(received: Received, lines: Sequence[bytes], *, together: int = 1) -> Received:
    """What received these lines, in frames of so many."""
    for start in range(0, len(lines), together):
        received.take(b"\n".join(lines[start : start + together]))
    return received


def judged(
    seen: Sequence[bytes], *others: Sequence[bytes], acked: int = 5, sent: int = 5
) -> dict[str, int]:
    """The kinds of what was found, with how many of each."""
    witness = Witness()
    took(witness, seen, together=2)
    found = judge(witness, [took(Received(), one) for one in others], acked=acked, sent=sent)
    return {kind: count for kind, count in found.items() if count}


def test_the_same_lines_in_whatever_frames_are_right():
    assert judged(LINES, LINES, LINES) == {}


def test_all_kinds_are_told_also_where_there_are_none():
    found = judge(Witness(), [Received()], acked=0, sent=0)

    assert dict(found) == dict.fromkeys(
        ("missing", "lost", "misordered", "doubled", "different"), 0
    )


def test_who_has_not_received_all_yet_misses_something_and_nothing_else():
    assert judged(LINES, LINES[:3]) == {"missing": 2}
    assert judged(LINES[:4], LINES, LINES[:1]) == {"missing": 5}
    assert judged([], LINES, LINES) == {"missing": 5}


def test_what_came_before_its_ack_is_neither_missing_nor_doubled():
    assert judged(LINES, LINES, acked=3) == {}


@pytest.mark.parametrize("place", range(1, 4))
def test_a_loss_before_later_events_is_noticed_by_the_witness_and_by_the_others(place: int):
    less = LINES[:place] + LINES[place + 1 :]

    assert judged(less, less) == {"missing": 2, "lost": 1}
    assert judged(LINES, less) == {"missing": 1, "different": 1}
    # The witness is one that lost something, and its lines end before the other's.
    assert judged(less, LINES) == {"missing": 1, "lost": 1}


@pytest.mark.parametrize("place", range(5))
def test_a_double_is_noticed_by_the_witness_and_by_the_others(place: int):
    more = LINES[: place + 1] + LINES[place:]

    assert judged(more, more)["doubled"] == 2
    assert judged(LINES, more) == {"doubled": 1}


def test_a_double_in_the_place_of_a_loss_is_noticed():
    other = [*LINES[:3], LINES[2], LINES[4]]

    assert judged(LINES, other) == {"different": 1}
    assert judged(other, LINES) == {"doubled": 1, "lost": 1, "different": 1}


@pytest.mark.parametrize("place", range(1, 4))
def test_two_in_the_wrong_order_are_noticed_by_the_witness_and_by_the_others(place: int):
    swapped = [*LINES[:place], LINES[place + 1], LINES[place], *LINES[place + 2 :]]

    assert judged(swapped, swapped) == {"misordered": 1}
    assert judged(LINES, swapped) == {"different": 1}


def test_another_content_is_noticed():
    other = [*LINES[:2], line(6, 5, "something else"), *LINES[3:]]

    assert judged(LINES, other, LINES) == {"different": 1}


def test_a_link_to_an_earlier_event_than_the_one_before_is_noticed():
    wrong = [*LINES[:2], line(6, 3), *LINES[3:]]

    assert judged(wrong, wrong) == {"misordered": 1}


def test_who_is_ahead_of_the_witness_is_compared_with_others_who_are():
    other = [*LINES[:4], line(10, 9, "something else")]

    assert judged(LINES[:3], LINES, LINES, other) == {"missing": 2, "different": 1}

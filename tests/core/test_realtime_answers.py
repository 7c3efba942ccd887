"""Answers are said in the order in which they were expected."""

from hypothesis import given
from hypothesis import strategies as s

from roomlog.realtime.answers import OrderedAnswers


@given(order=s.permutations(range(6)), silent=s.sets(s.integers(0, 5)))
def test_answers_keep_their_order_whenever_they_are_known(order: list[int], silent: set[int]):
    said: list[bytes | None] = []
    answers = OrderedAnswers(said.append)
    places = [answers.expect() for _ in order]

    for done, place in enumerate(order, 1):
        answers.give(places[place], None if place in silent else b"%d" % place)
        known = set(order[:done])
        due = next((n for n in range(6) if n not in known), 6)
        assert said == [None if n in silent else b"%d" % n for n in range(due)]

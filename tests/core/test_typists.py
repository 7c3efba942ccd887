"""Who types, and how often that is told, with time as the test gives it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as s

from roomlog.core.typists import FRAME_INTERVAL_S, TYPISTS_MAX, TypingView

ANN, BOB = "ann@example.org", "bob@example.org"
EXPIRES_S = 3.0
TICK_S = 0.1


def test_somebody_types_until_they_say_no_more_or_fall_silent():
    view = TypingView(EXPIRES_S)
    view.set("r", ANN, active=True, now_s=0)
    view.set("r", BOB, active=True, now_s=1)
    assert view.news(1) == {"r": [ANN, BOB]}
    assert view.users("r", 2.9) == [ANN, BOB]
    assert view.users("r", 3.0) == [BOB]
    assert view.news(3.0) == {"r": [BOB]}
    view.set("r", BOB, active=False, now_s=3.1)
    assert view.news(3.2) == {}
    assert view.news(3.5) == {"r": []}
    assert view.news(9) == {}
    assert (view._until_s, view._told, view._told_at_s) == ({}, {}, {})


def test_saying_it_again_is_no_news():
    view = TypingView(EXPIRES_S)
    for tenth in range(100):
        view.set("r", ANN, active=True, now_s=tenth / 10)
        assert view.news(tenth / 10) == ({"r": [ANN]} if tenth == 0 else {})


def test_a_thousand_typists_cost_a_handful_of_frames():
    view, frames = TypingView(EXPIRES_S), 0
    for tick in range(60):
        now_s = tick * TICK_S
        if tick < 10:
            for user in range(tick * 100, tick * 100 + 100):
                view.set("r", f"u{user}", active=True, now_s=now_s)
        frames += len(view.news(now_s))
    assert 2 <= frames <= 6
    assert view.users("r", 6) == []


def test_what_is_kept_is_bounded():
    view = TypingView(EXPIRES_S)
    for user in range(TYPISTS_MAX + 5):
        view.set("r", f"u{user}", active=True, now_s=0)
    assert len(view.users("r", 0)) == TYPISTS_MAX
    assert view.news(10) == {}
    assert view.news(11) == {}
    assert view._until_s == {}


@given(
    s.lists(
        s.tuples(s.sampled_from([ANN, BOB]), s.booleans(), s.floats(0, 2)),
        max_size=30,
    )
)
def test_the_last_frame_tells_the_truth_and_no_two_are_closer_than_the_interval(steps: list):
    view, now_s, frames = TypingView(EXPIRES_S), 0.0, list[tuple[float, list[str]]]()
    for user, active, wait_s in steps:
        view.set("r", user, active=active, now_s=now_s)
        frames += [(now_s, users) for users in view.news(now_s).values()]
        now_s += wait_s
    for _ in range(2):
        now_s += FRAME_INTERVAL_S
        frames += [(now_s, users) for users in view.news(now_s).values()]
    assert (frames[-1][1] if frames else []) == view.users("r", now_s)
    times = [at_s for at_s, _ in frames]
    assert all(later - earlier >= FRAME_INTERVAL_S for earlier, later in pairwise(times))

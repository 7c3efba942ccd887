"""When a child is started again."""

from hypothesis import given
from hypothesis import strategies as st

from roomlog.embedded.backoff import DELAY_S_MAX, HEALTHY_AFTER_S, Backoff


def test_a_child_that_lived_long_is_started_again_at_once():
    assert Backoff(7).died(HEALTHY_AFTER_S).delay_s == 0


def test_each_quick_death_doubles_the_wait():
    backoff, delays = Backoff(), []
    for _ in range(4):
        backoff = backoff.died(0.0)
        delays.append(backoff.delay_s)
    assert delays == [0.1, 0.2, 0.4, 0.8]


@given(st.lists(st.floats(min_value=0, max_value=1e9), max_size=2000))
def test_the_wait_is_bounded_whatever_happened(lives_s):
    backoff = Backoff()
    for lived_s in lives_s:
        backoff = backoff.died(lived_s)
        assert 0 <= backoff.delay_s <= DELAY_S_MAX

"""Refusing what a queue can't answer in time: bursts pass, a standing queue is cut to its target."""

from collections import deque

import pytest

from roomlog.core.admission import PATIENCE_TIMES, Admission, Patience

TARGET_S = 0.25
COMMIT_S = 0.01
PER_COMMIT = 100
MOST = 10_000


class Load:
    """A queue in virtual time: PER_COMMIT at most are taken off it every COMMIT_S."""

    def __init__(self, target_s: float = TARGET_S) -> None:
        self.admission = Admission(target_s, least=2 * PER_COMMIT, most=MOST)
        self.queue: deque[float] = deque()
        self.waits_s: list[float] = []
        self.refused = 0
        self.now_s = 100.0
        self.may_wait = MOST

    def run(self, seconds: float, offered_times: float, *, held_up: bool = False) -> None:
        """Offer that many times of what can be done."""
        for _ in range(round(seconds / COMMIT_S)):
            self.now_s += COMMIT_S
            for _ in range(round(offered_times * PER_COMMIT)):
                if len(self.queue) < self.may_wait:
                    self.queue.append(self.now_s)
                else:
                    self.refused += 1
            if not held_up and self.queue:
                self._take()

    def _take(self) -> None:
        waited_s = self.now_s - self.queue[0]
        count = min(PER_COMMIT, len(self.queue))
        for _ in range(count):
            self.waits_s.append(self.now_s - self.queue.popleft())
        self.may_wait = self.admission.taken(
            count, left=len(self.queue), waited_s=waited_s, now_s=self.now_s
        )


def test_what_can_be_done_is_all_taken():
    load = Load()
    load.run(60, 1)
    assert load.refused == 0


def test_a_burst_is_taken_as_a_whole():
    load = Load()
    load.run(10, 0.5)
    load.run(0.1, 4)  # what takes 0.4 s to do
    load.run(2, 0.5)
    assert load.refused == 0
    assert not load.admission.standing


@pytest.mark.parametrize("times", [1.2, 2, 5, 50])
def test_what_is_taken_under_overload_waits_no_longer_than_is_aimed_at(times: float):
    load = Load()
    load.run(10, times)
    load.waits_s.clear()
    load.run(30, times)

    assert len(load.waits_s) >= 0.99 * PER_COMMIT * 30 / COMMIT_S
    assert max(load.waits_s) <= TARGET_S + 2 * COMMIT_S
    assert load.admission.standing


@pytest.mark.parametrize("times", [2, 5, 50])
def test_the_beginning_of_an_overload_waits_no_longer_than_a_burst_may(times: float):
    load = Load()
    load.run(1, 1.1)  # what can be done is known only from a queue
    load.run(20, times)
    assert max(load.waits_s) <= TARGET_S * PATIENCE_TIMES + 2 * COMMIT_S


def test_all_is_taken_again_when_the_overload_is_over():
    load = Load()
    load.run(20, 5)
    load.run(2, 0.5)
    refused = load.refused
    load.run(20, 1)
    load.run(0.1, 4)
    load.run(2, 0.5)
    assert load.refused == refused
    assert not load.admission.standing


def test_while_nothing_is_taken_off_what_can_be_done_in_a_bursts_time_may_wait():
    load = Load()
    load.run(2, 1.1)
    load.run(5, 1, held_up=True)
    assert len(load.queue) == pytest.approx(PER_COMMIT / COMMIT_S * TARGET_S * PATIENCE_TIMES, 0.1)


def test_some_may_always_wait():
    admission = Admission(TARGET_S, least=200, most=MOST)
    for second in range(100):
        may_wait = admission.taken(1, left=5, waited_s=5.0, now_s=float(second))
    assert may_wait == 200


def test_there_is_no_bound_but_the_queues_own_without_a_target():
    load = Load(target_s=0)
    load.run(20, 5)
    assert load.may_wait == MOST


def test_what_stood_long_ago_is_forgotten():
    patience = Patience(TARGET_S)
    for at_s in (100.0, 100.2, 100.4):
        patience.judge(2 * TARGET_S, at_s)
    assert patience.standing
    assert patience.over(1.1 * TARGET_S)

    patience.judge(0.0, 200.0)
    assert not patience.standing
    assert not patience.over(1.1 * TARGET_S)
    assert patience.over(1.1 * PATIENCE_TIMES * TARGET_S)


def test_one_long_wait_now_and_one_long_ago_are_no_standing_queue():
    patience = Patience(TARGET_S)
    for at_s in (100.0, 200.0, 300.0):
        patience.judge(2 * TARGET_S, at_s)
    assert not patience.standing


def test_without_a_target_nothing_waits_too_long():
    patience = Patience(0)
    for at_s in range(100, 200):
        patience.judge(10.0, float(at_s))
    assert not patience.over(1e9)

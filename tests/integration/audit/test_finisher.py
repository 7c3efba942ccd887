"""What the finisher does where the log lets it erase some events and not others, in virtual time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any

import pytest

from roomlog.audit.finishing import FAILING_S_MAX, RETRY_S, RETRY_S_MAX, Finisher
from roomlog.audit.growing import redaction_of
from roomlog.ports import LogUnavailableError
from roomlog.services.identity import SystemClock
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.simulation.virtual_loop import run_virtual


class _Eraser:
    """Erases of a log in memory what is not in `refused`. `asked` is when it was asked for what."""

    def __init__(self, log: HoledLog, refused: set[int], takes_s: float = 0.0) -> None:
        self.refused = refused
        self.takes_s = takes_s
        self.asked: list[tuple[float, int]] = []
        self._log = log

    async def erase(self, room_id: str, sequences: Sequence[int]) -> None:
        for sequence in sequences:
            self.asked.append((asyncio.get_running_loop().time(), sequence))
            if sequence in self.refused:
                await asyncio.sleep(self.takes_s)
                raise LogUnavailableError(f"event {sequence} is not erased: bad block")
            self._log.erase(room_id, sequence)


class _Begun:
    """Redactions that are on record, of events that are all there still."""

    def __init__(self, count: int, refused: Callable[[list[int]], set[int]], takes_s: float = 0.0):
        log = HoledLog()
        self.said = [log.say(ROOMS[0], f"secret {number}") for number in range(count)]
        for sequence in self.said:
            log.explain(ROOMS[0], sequence)
        self.log = log
        self.eraser = _Eraser(log, refused(self.said), takes_s)
        self.finisher = Finisher(log, self.eraser, SystemClock())  # type: ignore[arg-type]
        events = log.events[0]
        self.finisher.begin([one for event in events if (one := redaction_of(event)) is not None])

    def there(self) -> list[int]:
        return [event.sequence for event in self.log.events[0] if event.sequence in self.said]


def test_a_redaction_that_fails_holds_up_no_other_and_is_told(caplog: pytest.LogCaptureFixture):
    begun = _Begun(4, lambda said: {said[0], said[2]})
    with caplog.at_level(logging.WARNING):
        run_virtual(begun.finisher.finish())
    failing = [begun.said[0], begun.said[2]]
    assert begun.there() == failing
    assert list(begun.finisher.failures) == failing
    assert begun.finisher.pending == 2
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    for sequence, line in zip(failing, told, strict=True):
        assert f"event {sequence} of room {ROOMS[0]} is in the log still" in line
        assert "bad block" in line


def test_it_is_tried_again_later_and_later_until_it_works():
    begun = _Begun(2, lambda said: {said[0]})
    intervals = [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, RETRY_S_MAX, RETRY_S_MAX]
    run_virtual(_every_second(begun, sum(intervals) + RETRY_S_MAX / 2))
    times = [at_s for at_s, sequence in begun.eraser.asked if sequence == begun.said[0]]
    waited = [after - before for before, after in pairwise(times)]
    assert waited == pytest.approx(intervals, abs=1)

    begun.eraser.refused.clear()
    run_virtual(_every_second(begun, 2 * RETRY_S_MAX + sum(intervals)))
    assert begun.there() == []
    assert (begun.finisher.pending, dict(begun.finisher.failures)) == (0, {})


def test_where_many_fail_slowly_each_turn_is_short_and_the_last_one_is_not_forgotten():
    begun = _Begun(40, lambda said: set(said[:-1]), takes_s=5.0)
    longest_s = run_virtual(_every_second(begun, 300.0))
    assert longest_s <= 5.0 + FAILING_S_MAX
    assert begun.there() == begun.said[:-1]


def _every_second(begun: _Begun, seconds: float) -> Coroutine[Any, Any, float]:
    """Have it finish what it can again and again; return how long the longest took, in seconds."""

    async def work() -> float:
        loop, longest_s = asyncio.get_running_loop(), 0.0
        until_s = loop.time() + seconds
        while loop.time() < until_s:
            began_s = loop.time()
            await begun.finisher.finish()
            longest_s = max(longest_s, loop.time() - began_s)
            await asyncio.sleep(1.0)
        return longest_s

    return work()

"""A replay waits as long as it took then."""

from datetime import UTC, datetime, timedelta

from roomlog.cli.audit_replay import PAUSE_S_MAX, _Pace

_BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _pauses(speed: float, *seconds: float | None) -> list[float]:
    pace = _Pace(speed)
    moments = [None if one is None else _BEGIN + timedelta(seconds=one) for one in seconds]
    return [pace.pause_s(moment) for moment in moments]


def test_it_waits_as_long_as_it_took_then_times_the_speed_and_not_for_ever():
    assert _pauses(1, 0, 2, 3) == [0, 2, 1]
    assert _pauses(4, 0, 2, 3) == [0, 0.5, 0.25]
    assert _pauses(1, 0, 86_400) == [0, PAUSE_S_MAX]
    assert _pauses(0, 0, 2, 3) == [0, 0, 0]


def test_a_time_that_lies_before_one_already_told_is_not_waited_for_and_not_from():
    assert _pauses(1, 10, 5, 12) == [0, 0, 2]
    assert _pauses(1, 10, None, 12) == [0, 0, 2]

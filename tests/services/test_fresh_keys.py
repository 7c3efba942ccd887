"""A key counts as fresh only where the log's own duplicate window answers its repetition."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as s

from roomlog.services import identity
from roomlog.services.fresh_keys import AHEAD_S, FRESH_S, FreshKeys
from tests.core.examples import NOW
from tests.integration.realtime.memory_log import MemoryKeyMarks

DUPLICATE_WINDOW_S = 120
CLOCKS_DIFFER_S = 2.0
USER = "ann@example.org"


class Marks(MemoryKeyMarks):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = self.advances = 0

    async def get(self, user_id: str) -> int:
        self.gets += 1
        return await super().get(user_id)

    async def advance(self, user_id: str, moment_ms: int) -> int:
        self.advances += 1
        return await super().advance(user_id, moment_ms)


def _uuid7(moment: datetime, version: int = 7) -> str:
    milliseconds = int(moment.timestamp() * 1000)
    return str(UUID(int=(milliseconds << 80) | (version << 76) | (0b10 << 62) | 12345))


def _later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("age_s", [-AHEAD_S, -1, 0, 1, FRESH_S - 1, FRESH_S])
async def test_a_uuid7_of_the_last_minute_is_fresh(age_s: float):
    assert await FreshKeys(Marks()).judge(USER, _uuid7(_later(-age_s)), NOW)


@pytest.mark.parametrize("age_s", [-86_400, -AHEAD_S - 1, FRESH_S + 1, 120, 86_400])
async def test_a_uuid7_of_another_time_is_not(age_s: float):
    assert not await FreshKeys(Marks()).judge(USER, _uuid7(_later(-age_s)), NOW)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "retry-1",
        "5e8aefa3-5727-42ff-8d3d-3a1ee31a54fb",
        _uuid7(NOW)[:-1],
        _uuid7(NOW) + "0",
        "é" * 36,
    ],
)
async def test_any_other_key_is_not_and_nobody_is_asked(key: str):
    marks = Marks()
    assert not await FreshKeys(marks).judge(USER, key, NOW)
    assert (marks.gets, marks.advances) == (0, 0)


@pytest.mark.parametrize("version", [1, 3, 4, 5, 6, 8])
async def test_no_other_kind_of_uuid_is_fresh_whatever_its_first_bits_say(version: int):
    assert not await FreshKeys(Marks()).judge(USER, _uuid7(NOW, version), NOW)


async def test_what_is_made_here_is_fresh_by_the_systems_clock():
    now = identity.SystemClock().now()
    assert await FreshKeys(Marks()).judge(USER, identity.new_id(), now)


async def test_the_bucket_is_asked_every_half_minute_and_not_for_each_key():
    marks = Marks()
    keys = FreshKeys(marks)
    assert not keys.is_fresh(USER, _uuid7(NOW), NOW)
    for second in range(120):
        key = _uuid7(_later(second))
        assert await keys.judge(USER, key, _later(second))
        assert keys.is_fresh(USER, key, _later(second))
    assert marks.gets <= 120 / AHEAD_S


async def test_a_key_that_was_used_ahead_of_its_time_is_never_fresh():
    marks = Marks()
    one, two = FreshKeys(marks), FreshKeys(marks)
    hour_s = 3600.0
    key = _uuid7(_later(hour_s))
    assert not await one.judge(USER, key, NOW)
    for keys in (one, two):
        for second in (0.0, 1.0, FRESH_S):
            assert not await keys.judge(USER, key, _later(hour_s + second))
    assert await two.judge("bob@example.org", key, _later(hour_s))
    assert await two.judge(USER, _uuid7(_later(2 * hour_s)), _later(2 * hour_s))


async def test_who_is_always_ahead_leaves_a_mark_a_minute():
    marks = Marks()
    keys = FreshKeys(marks)
    for second in range(180):
        assert not await keys.judge(USER, _uuid7(_later(500 + second)), _later(second))
    assert marks.advances <= 4


class Use(NamedTuple):
    node: int
    key: int
    from_its_moment_s: float
    clock_off_s: float


_MOMENTS_S = (0.0, 40.0, 130.0)
_uses = s.lists(
    s.builds(
        Use,
        node=s.sampled_from([0, 1]),
        key=s.sampled_from(range(len(_MOMENTS_S))),
        from_its_moment_s=s.sampled_from([-200, -150, -100, -61, -35, -29, -1, 0, 29, 59, 61])
        | s.floats(-150, 70),
        clock_off_s=s.floats(-CLOCKS_DIFFER_S / 2, CLOCKS_DIFFER_S / 2),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=1000, deadline=None)
@given(_uses)
async def test_whatever_two_nodes_do_a_fresh_key_was_not_used_before_the_window(
    uses: Sequence[Use],
):
    marks = Marks()
    nodes = (FreshKeys(marks), FreshKeys(marks))
    used_at_s: dict[int, list[float]] = {}
    for use in sorted(uses, key=lambda use: _MOMENTS_S[use.key] + use.from_its_moment_s):
        at_s = _MOMENTS_S[use.key] + use.from_its_moment_s
        key = _uuid7(_later(_MOMENTS_S[use.key]))
        if await nodes[use.node].judge(USER, key, _later(at_s + use.clock_off_s)):
            before = used_at_s.get(use.key, [])
            assert all(at_s - then <= FRESH_S + AHEAD_S + 2 * CLOCKS_DIFFER_S for then in before)
        used_at_s.setdefault(use.key, []).append(at_s)
    assert FRESH_S + AHEAD_S + 2 * CLOCKS_DIFFER_S < DUPLICATE_WINDOW_S

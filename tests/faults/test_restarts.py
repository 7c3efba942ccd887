"""Restarts in a row on the same data, clean ones and kills, while clients go on. FAULTS_RESTARTS says
how many; `python -m bench.soak --only restart` goes on for as long as asked."""

import os

import pytest

from tests.faults.faults import named
from tests.faults.run import running
from tests.faults.world import running_world
from tests.histories.checker import check, explain

_RESTARTS = int(os.environ.get("FAULTS_RESTARTS", "9"))
_SEED = 20_260_103
_WAYS = [named("restart"), named("kill supervisor"), named("kill everything")]


@pytest.mark.timeout(120 + 60 * _RESTARTS)
async def test_restarts_in_a_row_lose_nothing():
    async with running_world() as world, running(world, _SEED) as run:
        for number in range(_RESTARTS):
            # Something of each life, and now and then no more than a start.
            await run.progress(10 if number % 4 else 1)
            way = _WAYS[number % len(_WAYS)]
            await run.happen(way, run.recording.chance(f"{way.name} {number}"))
        await run.progress(10)
        violations = check(await run.end())
    assert not violations, explain(violations)
    assert sum(run.faults.values()) == _RESTARTS

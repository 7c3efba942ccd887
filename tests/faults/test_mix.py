"""Faults in a random mix, against everything at once. FAULTS_SEED and FAULTS_SECONDS choose it, an
odd seed a log of two partitions; `python -m bench.soak` runs the same for as long as asked."""

import os
import random
import tempfile
import time
from pathlib import Path

import pytest

from tests.faults.run import figures, mix, running
from tests.faults.world import running_world
from tests.histories.checker import check, explain

_SECONDS = float(os.environ.get("FAULTS_SECONDS", "60"))


@pytest.mark.timeout(_SECONDS + 900)
async def test_a_random_mix_of_faults_breaks_no_promise():
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"FAULTS_SEED={seed}")
    async with running_world(partitions=1 + seed % 2) as world, running(world, seed) as run:
        began_s = time.monotonic()
        await run.progress(50)
        await mix(run, _SECONDS, lambda said: print(f"{time.monotonic() - began_s:.1f} {said}"))
        await run.progress(50)
        history = await run.end()
    violations = check(history)
    if violations:
        kept = Path(tempfile.gettempdir()) / f"history-{seed}.json"
        history.save(kept)
        pytest.fail(f"FAULTS_SEED={seed}, history in {kept}: {explain(violations)}")
    told = figures(history)
    print(told)
    assert told["acked"] > 100
    assert told["faults"] > 0

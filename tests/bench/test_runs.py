"""Benchmarks run as people run them, with short loads on small data, and find what is promised."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measured import read_results
from bench.promises import PROMISES, kept
from tests.house.repository import ROOT
from tests.stack import clean_environment

_TIMEOUT_S = 240
# Those that are quick even so, and between them use all that benchmarks share.
NAMES = ("many_rooms", "newest_page", "rebuild")


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_finds_the_figures_of_its_promises(name: str, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--short", "--json", str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    results = read_results(tmp_path / f"{name}.json")
    promises = [promise for promise in PROMISES if promise.bench == name]
    found = [kept(promise, {name: results}) for promise in promises]
    assert promises
    assert all(one.figure is not None and one.figure > 0 for one in found), found
    assert all(one.figure > 0 for one in results.results)
    assert all(one.bare is None or one.bare > 0 for one in results.results)

"""Bundles made by chance: what was changed is never called proved, no verifier falls over one, and
both say the same of each. `BUNDLE_SEED` gives the same files again, `BUNDLES` how many."""

import os
import random
from pathlib import Path

import msgspec
import pytest

from tests.contracts.bundle_mutants import Told, heavy, judged, mutants
from tests.house.repository import ROOT
from tests.npm import npm_run

COUNT = int(os.environ.get("BUNDLES", "1000"))
OUTPUT_CHARS_MAX = 6000


@pytest.fixture(scope="module")
def told() -> list[Told]:
    seed = int(os.environ.get("BUNDLE_SEED", random.SystemRandom().getrandbits(32)))
    print(f"BUNDLE_SEED={seed}")
    return [judged(one) for one in (*heavy(), *mutants(seed, COUNT))]


def test_nothing_that_was_changed_is_called_proved(told: list[Told]):
    assert [one.how for one in told if one.changed and one.code == "ok"] == []
    # They are what they are meant to be: some whole, most of them not, and in many ways.
    codes = {one.code for one in told}
    assert {"ok", "head", "malformed", "timeline", "body", "truncated", "trailing"} <= codes


def test_the_other_verifier_says_the_same_of_each(told: list[Told], tmp_path: Path):
    file = tmp_path / "mutants.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in told))
    said = npm_run(
        ROOT / "src" / "roomlog-js",
        "test:mutants",
        timeout_s=180,
        ROOMLOG_BUNDLE_MUTANTS=str(file),
    )

    assert said.returncode == 0, said.stdout[-OUTPUT_CHARS_MAX:]

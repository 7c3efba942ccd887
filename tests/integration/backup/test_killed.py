"""A backup that is killed at any of its writes to the disk leaves the one before it, or is whole."""

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.backup.backups import Backups, message, redaction

_REPO = Path(__file__).parents[3]
_KILLED_AT_EACH = _REPO / "tests" / "integration" / "backup" / "killed_at_each.py"


async def test_killed_at_any_moment_a_backup_is_the_one_before_or_the_new_one(
    backups: Backups, tmp_path: Path
):
    secret = message("hunter2")
    await backups.say(*(f"early {n}" for n in range(30)))
    sequence = await backups.append(secret)
    backups.keys.mkdir()
    (backups.keys / "audit_key").write_text("one")
    before = (await backups.make()).manifest
    # The next run adds, makes a segment anew, and keeps another key.
    await backups.say(*(f"late {n}" for n in range(30)))
    await backups.append(redaction(secret, sequence))
    await backups.erase(sequence)
    (backups.keys / "audit_key").write_text("two")

    told = subprocess.run(
        [sys.executable, _KILLED_AT_EACH, backups.server.url, backups.folder, backups.keys],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=_REPO,
    )

    assert told.returncode == 0, told.stderr[-2000:]
    runs = [json.loads(line) for line in told.stdout.splitlines()]
    assert [run["killed"] for run in runs] == [True] * (len(runs) - 1) + [False]
    assert len(runs) > 8
    # Whole each time; the old one until the new one is there.
    states = [run["run"] for run in runs]
    assert states == sorted(states)
    assert set(states) == {before.run, before.run + 1}
    assert {run["messages"] for run in runs if run["run"] == before.run} == {31}
    assert {run["messages"] for run in runs if run["run"] == before.run + 1} == {61}
    assert not runs[-1]["secret_left"]

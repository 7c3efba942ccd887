"""`roomlog doctor` against a running roomlog, and on what is wrong."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from roomlog.cli.doctor import (
    Finding,
    check_checkpoint,
    check_directory,
    check_migrations,
    check_projection,
    check_trees,
)
from roomlog.ports import PartitionState
from roomlog.postgres.diagnosis import DatabaseState, TablesPosition
from roomlog.tree_ports import TreeStatus
from tests.stack import Stack

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_STATE = PartitionState(
    partition=0,
    stream="ROOMLOG",
    epoch="e1",
    first_sequence=1,
    last_sequence=100,
    messages=100,
    bytes=1,
    deleted=0,
    created=_NOW,
)
_POSITION = TablesPosition(
    partition=0, epoch="e1", sequence=90, event_hash=b"h", current_at=_NOW, dead=0, halted=None
)


def changed(**fields: object) -> TablesPosition:
    return msgspec.structs.replace(_POSITION, **fields)


def test_a_running_roomlog_is_well(stack: Stack) -> None:
    made = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers=stack.headers("ana@example.org"),
        json={"name": "doctor"},
        timeout=30,
    )
    assert made.status_code == 201
    done = stack.cli("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert [check["check"] for check in found["checks"]] == [
        "data directory",
        "settings",
        "postgresql",
        "migrations",
        "nats",
        "log",
        "checkpoint",
        "projection",
        "trees",
        "trees",
    ]
    in_words = stack.cli("doctor")
    assert in_words.returncode == 0
    assert all(line.startswith("ok ") for line in in_words.stdout.splitlines())


def test_servers_that_are_away_are_told_with_what_to_do(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        json.dumps(
            {
                "nats_url": "nats://127.0.0.1:1",
                "database_url": "postgresql://x:y@127.0.0.1:1/x",
            }
        )
    )
    (tmp_path / "run.json").chmod(0o600)
    (tmp_path / "secrets").mkdir(0o700)
    (tmp_path / "secrets" / "jwt_secret").write_text("x" * 32)
    (tmp_path / "secrets" / "jwt_secret").chmod(0o600)
    done = Stack(tmp_path, stack.process, stack.base_url).cli("doctor", "--json")
    assert done.returncode == 1
    wrong = {c["check"]: c for c in json.loads(done.stdout)["checks"] if not c["ok"]}
    assert set(wrong) == {"nats", "postgresql"}
    assert all("start `roomlog up`" in check["todo"] for check in wrong.values())


def test_nothing_to_look_at_is_wrong_too(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(0o700)
    (tmp_path / "secrets" / "jwt_secret").write_text("x" * 32)
    (tmp_path / "secrets" / "jwt_secret").chmod(0o600)
    done = Stack(tmp_path, stack.process, stack.base_url).cli("doctor")
    assert done.returncode == 1
    assert "WRONG  settings: not set: ROOMLOG_NATS_URL, ROOMLOG_DATABASE_URL" in done.stdout


def test_a_secret_that_others_may_read_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "jwt_secret"
    secret.parent.mkdir(0o700)
    secret.write_text("x")
    secret.chmod(0o644)
    (finding,) = check_directory(tmp_path)
    assert not finding.ok
    assert str(secret) in finding.todo


@pytest.mark.parametrize(
    ("position", "stored", "expected"),
    [
        (_POSITION, b"h", ""),
        (changed(sequence=0, event_hash=None), None, ""),
        (changed(epoch="e0"), b"h", "of epoch e0, the log of e1"),
        (changed(sequence=101), None, "the log ends at 100"),
        (_POSITION, b"other", "event 90 is not the one that was projected"),
    ],
)
def test_the_checkpoint_is_compared_with_the_log(
    position: TablesPosition, stored: bytes | None, expected: str
) -> None:
    told(check_checkpoint(position, _STATE, stored), expected)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (_POSITION, ""),
        (changed(current_at=_NOW - timedelta(seconds=60)), "10 events behind for 60 s"),
        (changed(sequence=100, current_at=_NOW - timedelta(seconds=60)), ""),
        (changed(dead=2), "2 events could not be projected"),
        (changed(halted="log cut"), "the projector has stopped: log cut"),
    ],
)
def test_the_projection_is_judged_by_lag_and_by_what_it_left_out(
    position: TablesPosition, expected: str
) -> None:
    told(check_projection(position, _STATE, _NOW), expected)


_TREES = TreeStatus(0, "e1", 90, _NOW, 0, 0, None)


def grown(**fields: object) -> TreeStatus:
    return msgspec.structs.replace(_TREES, **fields)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (_TREES, ""),
        (None, "100 events behind for 60 s"),
        (grown(epoch="e0"), "100 events behind for 60 s"),
        (grown(current_at=_NOW - timedelta(seconds=60)), "10 events behind for 60 s"),
        (grown(sequence=100, current_at=_NOW - timedelta(seconds=60)), ""),
        (grown(findings=2, unexplained=3), "2 things wrong with the log, 3 events gone"),
        (grown(halted="log cut"), "they have stopped: log cut"),
        (grown(redactions=12), "2 redactions are on record, and what they redact is in the log"),
        (grown(redactions=10), ""),
    ],
)
def test_the_trees_are_judged_by_lag_and_by_what_they_found(
    status: TreeStatus | None, expected: str
) -> None:
    state = msgspec.structs.replace(_STATE, created=_NOW - timedelta(seconds=60), messages=90)
    told(check_trees(status, state, _NOW), expected)


def test_tables_of_another_version_are_told() -> None:
    told(check_migrations(DatabaseState("0001", "0001", [])), "")
    told(check_migrations(DatabaseState(None, "0001", [])), "no revision, the newest is 0001")


def told(finding: Finding, expected: str) -> None:
    assert finding.ok is (expected == "")
    assert expected in finding.detail
    assert bool(finding.todo) is (expected != "")

"""`roomlog doctor` against a running roomlog, and on what is wrong."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from roomlog.cli.doctor import (
    Examine,
    Finding,
    check_checkpoint,
    check_directory,
    check_migrations,
    check_projection,
    check_trees,
    log_and_tables,
)
from roomlog.jetstream.connection import Connection
from roomlog.ports import PartitionState
from roomlog.postgres.diagnosis import DatabaseState, TablesPosition, examine
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


def said(stack: Stack) -> None:
    """Make a room, whose event is in the log then."""
    made = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers=stack.headers("ana@example.org"),
        json={"name": "meanwhile"},
        timeout=30,
    )
    assert made.status_code == 201


def test_a_running_roomlog_is_well(stack: Stack) -> None:
    said(stack)
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


@asynccontextmanager
async def connected(stack: Stack) -> AsyncGenerator[Connection]:
    connection = Connection(stack.run["nats_url"], name="test")
    await connection.open(timeout_s=30)
    try:
        yield connection
    finally:
        await connection.close()


async def lags_told(stack: Stack, read: Examine, *, catch_up_s: float) -> list[str]:
    """What is found of how far the room's tables and trees are behind."""
    found: list[Finding] = []
    async with connected(stack) as connection:
        await log_and_tables(connection, 1, read, found.append, catch_up_s=catch_up_s)
    assert all(finding.ok for finding in found), found
    return [one.detail for one in found if one.check in {"projection", "trees"}][:2]


NO_LAG = [
    "ROOMLOG: 0 events behind, none set aside",
    "ROOMLOG: 0 events behind, nothing found wrong",
]


async def test_what_is_appended_while_the_tables_are_read_is_no_lag(stack: Stack) -> None:
    url = stack.run["database_url"]

    async def read_and_then_something_is_said() -> DatabaseState:
        state = await examine(url)
        await asyncio.to_thread(said, stack)
        return state

    # Until the tables show what the log held at first, which is the less the sooner it was asked.
    told = await lags_told(stack, read_and_then_something_is_said, catch_up_s=60)
    assert told == NO_LAG


async def test_tables_that_are_ahead_of_what_the_log_said_first_are_well(stack: Stack) -> None:
    async def something_is_said_and_projected_before() -> DatabaseState:
        await asyncio.to_thread(said, stack)
        return await examine(stack.run["database_url"])

    assert await lags_told(stack, something_is_said_and_projected_before, catch_up_s=60) == NO_LAG


async def test_tables_that_stay_behind_are_waited_for_and_then_told(stack: Stack) -> None:
    before = await examine(stack.run["database_url"])
    reads = 0

    async def as_before() -> DatabaseState:
        nonlocal reads
        reads += 1
        return before

    await asyncio.to_thread(said, stack)
    in_words = await lags_told(stack, as_before, catch_up_s=0.5)
    assert reads > 1
    assert not in_words[0].startswith("ROOMLOG: 0 events behind")
    assert "events behind" in in_words[0]


def test_a_database_that_hangs_is_not_to_be_started_but_looked_at(stack: Stack) -> None:
    postgres = stack.run["pids"]["postgres"]
    os.kill(postgres, signal.SIGSTOP)
    try:
        done = stack.cli("doctor", "--json")
    finally:
        os.kill(postgres, signal.SIGCONT)
    assert done.returncode == 1
    (wrong,) = (check for check in json.loads(done.stdout)["checks"] if not check["ok"])
    assert wrong["check"] == "postgresql"
    assert wrong["detail"] == "PostgreSQL did not answer in time"
    assert "whether its process is stopped" in wrong["todo"]
    assert "start `roomlog up`" not in wrong["todo"]


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
    told(check_trees(status, state, state, _NOW), expected)


def test_tables_of_another_version_are_told() -> None:
    told(check_migrations(DatabaseState("0001", "0001", [])), "")
    told(check_migrations(DatabaseState(None, "0001", [])), "no revision, the newest is 0001")


def told(finding: Finding, expected: str) -> None:
    assert finding.ok is (expected == "")
    assert expected in finding.detail
    assert bool(finding.todo) is (expected != "")

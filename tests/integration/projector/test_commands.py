"""`roomlog projections` and `roomlog project` as an operator runs them, on the real log."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tests.integration.projector.driving import run
from tests.stack import Stack, clean_environment, running_stack

DEADLINE_S = 60
MESSAGES = 50


@pytest.fixture(scope="module")
def own_stack() -> Generator[Stack]:
    """A stack of this module's own, because its tables are damaged here."""
    with running_stack(PARTITIONS="2", USER_MESSAGES_PER_SECOND="0", SPAM_GUARD="off") as running:
        headers = running.headers("ada@example.org")
        with httpx.Client(base_url=running.base_url, headers=headers) as client:
            for n in range(4):
                room = client.post("/api/rooms", json={"name": f"room {n}"}).json()
                for k in range(MESSAGES):
                    sent = client.post(
                        f"/api/rooms/{room['room_id']}/messages", json={"content": f"message {k}"}
                    )
                    assert sent.status_code == 201, sent.text
        yield running


def cli(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command that is told of nothing but the data directory."""
    return subprocess.run(
        [sys.executable, "-m", "roomlog", *arguments, "--data", stack.data],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )


def status(stack: Stack) -> list[dict[str, Any]]:
    done = cli(stack, "projections", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["partitions"]


def until_current(stack: Stack) -> list[dict[str, Any]]:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        partitions = status(stack)
        if not any(one["lag_events"] for one in partitions):
            return partitions
    raise AssertionError(f"the tables did not catch up: {partitions}")


def test_status_tells_of_every_partition(own_stack: Stack):
    partitions = until_current(own_stack)
    assert [one["partition"] for one in partitions] == [0, 1]
    assert sum(one["head"] for one in partitions) == 4 * (MESSAGES + 1)
    for one in partitions:
        assert one["checkpoint"] == one["head"]
        assert (one["lag_events"], one["lag_seconds"], one["dead"]) == (0, 0.0, 0)
        assert one["epoch"]
    in_words = cli(own_stack, "projections", "status").stdout
    assert "up to date" in in_words


def test_damage_is_found_told_and_repaired(own_stack: Stack):
    until_current(own_stack)
    database = own_stack.run["database_url"]
    agreed = cli(own_stack, "projections", "verify")
    assert (agreed.returncode, agreed.stdout) == (0, "the tables agree with the log\n")

    damage = "UPDATE roomlog.messages SET content = 'never said' WHERE content = 'message 7'"
    asyncio.run(run(database, damage))
    found = cli(own_stack, "projections", "verify")
    assert found.returncode == 1
    assert "messages: 4 rows missing or wrong" in found.stdout
    assert 'should be "message 7"' in found.stdout
    as_json = cli(own_stack, "projections", "verify", "--json")
    assert as_json.returncode == 1, as_json.stderr
    assert as_json.stdout, as_json.stderr
    (difference,) = json.loads(as_json.stdout)["differences"]
    assert (difference["table"], difference["missing"]) == ("messages", 4)

    rebuilt = cli(own_stack, "projections", "rebuild", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    told = json.loads(rebuilt.stdout)
    assert told["events"] == 4 * (MESSAGES + 1)
    assert told["repaired"] == [difference]
    assert cli(own_stack, "projections", "verify").returncode == 0


def test_the_doctor_looks_at_every_partition(own_stack: Stack):
    until_current(own_stack)
    done = cli(own_stack, "doctor", "--json")
    assert done.returncode == 0, done.stdout
    told = [check["detail"] for check in json.loads(done.stdout)["checks"]]
    assert all(any(name in detail for detail in told) for name in ("ROOMLOG_0", "ROOMLOG_1"))


def test_the_projector_goes_on_after_a_rebuild(own_stack: Stack):
    assert cli(own_stack, "projections", "rebuild").returncode == 0
    headers = own_stack.headers("ada@example.org")
    with httpx.Client(base_url=own_stack.base_url, headers=headers) as client:
        room = client.post("/api/rooms", json={"name": "after"}).json()
        sent = client.post(f"/api/rooms/{room['room_id']}/messages", json={"content": "hello"})
        assert sent.status_code == 201
        assert "Roomlog-Projected" not in sent.headers
        page = client.get(f"/api/rooms/{room['room_id']}/messages").json()
    assert [item["content"] for item in page["items"]] == ["hello"]


def test_a_second_projector_waits_and_ends_cleanly_when_asked(own_stack: Stack):
    second = subprocess.Popen(
        [sys.executable, "-m", "roomlog", "project", "--data", str(own_stack.data)],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        waiting = (
            "SELECT FROM pg_stat_activity "
            "WHERE query LIKE 'SELECT pg_try_advisory_lock%' AND state = 'idle'"
        )
        deadline_s = time.monotonic() + DEADLINE_S
        while not asyncio.run(run(own_stack.run["database_url"], waiting)):
            assert time.monotonic() < deadline_s
            assert second.poll() is None
            time.sleep(0.1)
        second.send_signal(signal.SIGTERM)
        _, errors = second.communicate(timeout=DEADLINE_S)
    finally:
        second.kill()
        second.communicate()
    assert second.returncode == 0, errors


def test_without_a_database_each_command_says_so_in_one_line(own_stack: Stack):
    for command in ("status", "rebuild", "verify"):
        done = subprocess.run(
            [sys.executable, "-m", "roomlog", "projections", command, "--data", own_stack.data],
            env=clean_environment(ROOMLOG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "can't be reached" in done.stderr
        assert "`roomlog doctor`" in done.stderr

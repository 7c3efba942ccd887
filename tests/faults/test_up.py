"""`roomlog up` as a process: refusals that say what to do, a clean end, and data that stays."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tests.faults.load import create_room, logged_events
from tests.stack import Stack, clean_environment, data_directory, running_stack

_USER = "ana@example.org"
_TIMEOUT_S = 120


@pytest.fixture
def directory() -> Generator[Path]:
    path = data_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def up(data: Path, port: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run `roomlog up` where it must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "roomlog", "up", "--data", str(data), "--port", str(port)],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=clean_environment(),
    )


def test_a_second_up_on_the_same_directory_is_refused(directory: Path) -> None:
    with running_stack(data=directory) as stack:
        refused = up(directory)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert f"(process {stack.process.pid})" in refused.stderr
        assert "--data" in refused.stderr
        create_room(stack, _USER, [])


def test_a_taken_port_is_told(directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = up(directory, taken.getsockname()[1])
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "--port" in refused.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_the_next_start_finds_everything(
    directory: Path, how: signal.Signals
) -> None:
    with running_stack(data=directory) as stack:
        room = create_room(stack, _USER, ["ben@example.org"])
        before = logged_events(stack, room, _USER)
        children = children_of(stack)
        assert len(children) >= 4
        stack.process.send_signal(how)
        assert stack.process.wait(_TIMEOUT_S) == 0
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
        assert not (directory / "run.json").exists()
    with running_stack(data=directory) as stack:
        assert logged_events(stack, room, _USER) == before
        assert stack.cli("projections", "verify").returncode == 0


def test_killing_the_supervisor_leaves_nothing_behind_and_up_starts_again(directory: Path) -> None:
    with running_stack(data=directory) as stack:
        room = create_room(stack, _USER, [])
        children = children_of(stack)
        stack.process.kill()
        stack.process.wait()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
    with running_stack(data=directory) as stack:
        assert [e["event"]["type"] for e in logged_events(stack, room, _USER)] == ["room.created"]


def children_of(stack: Stack) -> list[psutil.Process]:
    """The processes that run.json names, but for the supervisor."""
    pids = stack.run["pids"]
    named = [pids["nats"], pids["postgres"], pids["projector"], *pids["api"]]
    return [psutil.Process(pid) for pid in named]

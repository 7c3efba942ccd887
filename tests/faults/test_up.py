"""`roomlog up` as a process: refusals that say what to do, a clean end, and data that stays."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
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


def test_who_waits_for_an_answer_when_it_is_stopped_gets_it(directory: Path) -> None:
    with (
        running_stack(["--workers", "2"], data=directory) as stack,
        ThreadPoolExecutor(1) as asking,
        # The last that is stopped: it may not hear of it twice when the first has ended.
        _connected_to(stack, stack.run["pids"]["api"][-1]) as worker,
    ):
        room = create_room(stack, _USER, [])
        projector = psutil.Process(stack.run["pids"]["projector"])
        # The answer waits for the tables, which don't come.
        projector.suspend()
        waiting = asking.submit(
            worker.post,
            f"/api/rooms/{room}/messages",
            json={"content": "before the end"},
            headers=stack.headers(_USER),
        )
        _until_logged(stack, room, "before the end")
        stack.process.terminate()
        answer = waiting.result(_TIMEOUT_S)
        assert (answer.status_code, answer.headers["Roomlog-Projected"]) == (201, "false")
        assert stack.process.wait(_TIMEOUT_S) == 0


@contextmanager
def _connected_to(stack: Stack, pid: int) -> Generator[httpx.Client]:
    """A client whose one connection is that worker's."""
    while True:
        with httpx.Client(base_url=stack.base_url, timeout=_TIMEOUT_S) as client:
            with client.stream("GET", "/livez") as told:
                mine = told.extensions["network_stream"].get_extra_info("client_addr")
                told.read()
            theirs = psutil.Process(pid).net_connections("tcp")
            if any(one.raddr and tuple(one.raddr) == tuple(mine) for one in theirs):
                yield client
                return


def _until_logged(stack: Stack, room: str, content: str) -> None:
    end_s = time.monotonic() + _TIMEOUT_S
    while not any(
        event["event"].get("content") == content for event in logged_events(stack, room, _USER)
    ):
        assert time.monotonic() < end_s, f"{content} is not in the log"


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

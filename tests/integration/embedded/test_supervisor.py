"""The supervisor, with real servers and stand-ins for the rest."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from tests.integration.embedded.waiting import DEADLINE_S, eventually
from tests.stack import clean_environment


def command(folder: Path, port: int = 0) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(folder), str(port)]


@contextmanager
def up(
    folder: Path, *, ready: bool = True, **environment: str
) -> Generator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**environment),
        start_new_session=True,
        # Under nohup the tests themselves ignore it, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )
    try:
        if ready:
            assert process.stdout.readline().startswith("ready http://127.0.0.1:")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def run_file(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def pids(folder: Path) -> list[int]:
    found = run_file(folder)["pids"]
    return [found["nats"], found["postgres"], found["projector"], *found["api"]]


def answer(folder: Path) -> dict | None:
    try:
        with urllib.request.urlopen(
            run_file(folder)["base_url"] + "/readyz", timeout=5
        ) as response:
            return json.loads(response.read())
    except OSError:
        return None


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def family(folder: Path) -> list[psutil.Process]:
    return psutil.Process(run_file(folder)["pids"]["supervisor"]).children(recursive=True)


def failed_start(folder: Path, port: int = 0, **environment: str) -> str:
    """Run it, expect that it fails, and return the last line it printed."""
    result = subprocess.run(
        command(folder, port),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=clean_environment(**environment),
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_ready_when_all_runs_and_stops_all_when_asked(folder, number):
    with up(folder) as process:
        assert (folder / "run.json").stat().st_mode & 0o777 == 0o600
        assert not any(gone(pid) for pid in pids(folder))
        assert answer(folder)["status"] == "ready"
        everyone = family(folder)
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
    assert not any(child.is_running() for child in everyone)
    assert not (folder / "run.json").exists()
    assert "database system is shut down" in (folder / "logs" / "postgres.log").read_text()


def test_it_is_not_ready_while_the_api_calls_itself_degraded(folder):
    status = folder / "status"
    status.write_text("degraded")
    with up(folder, ready=False, STATUS_FILE=str(status)) as process:
        eventually(lambda: requests(folder) >= 3)
        assert not select.select([process.stdout], [], [], 0)[0]
        status.write_text("ready")
        assert process.stdout.readline().startswith("ready ")


def requests(folder: Path) -> int:
    return sum(log.read_text().count("GET /readyz") for log in folder.glob("logs/api-*.log"))


@pytest.mark.parametrize("name", ["nats", "postgres", "projector", "api"])
def test_a_killed_child_is_started_again_and_found_where_it_was(folder, name):
    with up(folder):
        before = run_file(folder)
        victim = before["pids"][name][0] if name == "api" else before["pids"][name]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in pids(folder))
        eventually(lambda: answer(folder))
        after = run_file(folder)
        assert {k: v for k, v in after.items() if k != "pids"} == {
            k: v for k, v in before.items() if k != "pids"
        }
        for kind in ("nats_url", "database_url"):
            port = int(after[kind].split("@")[1].split(":")[1].split("/")[0])
            eventually(lambda port=port: accepts(port))


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_nobody_outlives_a_killed_supervisor_and_the_next_one_starts(folder):
    with up(folder) as process:
        everyone = family(folder)
        process.kill()
        process.wait(DEADLINE_S)
        psutil.wait_procs(everyone, timeout=DEADLINE_S)
        assert not any(child.is_running() for child in everyone)
    with up(folder):
        assert answer(folder) is not None


def test_the_next_one_starts_although_the_killed_ones_children_are_still_ending(folder):
    with up(folder) as process:
        process.kill()
        process.wait(DEADLINE_S)
        with up(folder):
            assert answer(folder) is not None


def test_a_second_one_on_the_same_directory_is_refused(folder):
    with up(folder):
        line = failed_start(folder)
        assert "another `roomlog up`" in line
        assert str(run_file(folder)["pids"]["supervisor"]) in line
        assert answer(folder) is not None


@pytest.mark.parametrize("shared", [False, True])
def test_a_taken_port_is_refused_also_where_its_owner_would_share_it(folder, shared):
    with socket.socket() as taken:
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = failed_start(folder, port)
    assert f"port {port}" in line
    assert "--port" in line
    assert not (folder / "run.json").exists()


def test_failed_migrations_end_the_start_with_their_reason(folder):
    line = failed_start(folder, MIGRATE_CODE="raise SystemExit('no such revision')")
    assert "migrations failed (exit code 1): no such revision" in line


def test_a_part_that_never_runs_ends_the_start_with_its_reason(folder):
    line = failed_start(folder, SERVE_CODE="raise SystemExit('wrong setting')")
    # Whichever of the two workers is first to have died often enough.
    assert re.search(r"api-[12] does not start: wrong setting", line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"level":"error","message":"no \\"room\\"","user_id":"ana"}', 'error: no "room"'),
        (
            '{"level":"error","message":"failed","traceback":"Traceback:\\n x\\nKeyError: 1\\n"}',
            "error: failed (KeyError: 1)",
        ),
        ('{"level":"error"}', '{"level":"error"}'),
        ("[1, 2", "[1, 2"),
        ("plain words", "plain words"),
    ],
)
def test_the_reason_is_told_as_people_read_it(folder, line, told):
    code = f"import sys; print({line!r}, file=sys.stderr); raise SystemExit(1)"
    assert re.search(
        rf"api-[12] does not start: {re.escape(told)} \(whole log",
        failed_start(folder, SERVE_CODE=code),
    )


def test_it_stops_also_in_the_middle_of_starting(folder):
    with up(folder, ready=False, MIGRATE_CODE="import time; time.sleep(3600)") as process:
        eventually((folder / "logs" / "migrate.log").exists)
        everyone = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert not any(child.is_running() for child in everyone)


def test_a_child_that_ignores_being_asked_is_killed_in_bounded_time(folder):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)"
    with up(folder, PROJECT_CODE=stubborn) as process:
        eventually((folder / "logs" / "projector.log").read_text)
        began = time.monotonic()
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        assert time.monotonic() - began < DEADLINE_S / 2


def test_the_development_key_is_made_once_and_kept(folder):
    keys: set[str] = set()
    for _ in range(2):
        with up(folder):
            keys.add((folder / "secrets" / "jwt_secret").read_text())
    assert len(keys) == 1


def test_beside_a_key_set_there_is_no_development_key(folder):
    with up(folder, HAS_KEY_SET="1"):
        given = psutil.Process(run_file(folder)["pids"]["api"][0]).environ()
        assert given["ROOMLOG_JWT_SECRET"] == ""
        assert not (folder / "secrets" / "jwt_secret").exists()


def test_a_directory_that_cannot_be_made_is_named(folder):
    (folder / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"cannot create the data directory .*--data"):
        DataDirectory(folder / "file" / "data")

"""Damage in the log's files: noticed, nothing forked, and all that was acked restored.

What nats-server does with each kind of damage stands in docs/reliability.md.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.incident import (
    FIRST_BLOCK,
    LAST_BLOCK,
    LOUD,
    Incident,
    metrics,
    readiness,
    wrong,
)
from tests.integration.embedded.waiting import eventually
from tests.stack import Stack, clean_environment, data_directory, running_stack

pytestmark = pytest.mark.timeout(900)
Damage = Callable[[Path], None]


def cut_the_end(messages: Path) -> None:
    os.truncate(messages / LAST_BLOCK, (messages / LAST_BLOCK).stat().st_size // 2)


def cut_a_block(messages: Path) -> None:
    os.truncate(messages / FIRST_BLOCK, (messages / FIRST_BLOCK).stat().st_size // 2)


def flip_a_bit(messages: Path, block: str = FIRST_BLOCK) -> None:
    # In place: a server that runs has the file open.
    with (messages / block).open("r+b") as file:
        middle = (messages / block).stat().st_size // 2
        file.seek(middle)
        (byte,) = file.read(1)
        file.seek(middle)
        file.write(bytes([byte ^ 0x40]))


def flip_a_bit_at_the_end(messages: Path) -> None:
    flip_a_bit(messages, LAST_BLOCK)


# What is cut off at the end would be given away again, or would leave its end missing: no appends.
AT_THE_END = [
    pytest.param(True, cut_the_end, id="killed, the end cut off"),
    pytest.param(False, cut_the_end, id="stopped, the end cut off"),
    pytest.param(True, flip_a_bit_at_the_end, id="killed, a bit flipped at the end"),
]
# Nothing is given away again: appends go on.
IN_THE_MIDDLE = [
    pytest.param(True, flip_a_bit, id="killed, a bit flipped"),
    pytest.param(False, flip_a_bit_at_the_end, id="stopped, a bit flipped that is counted still"),
    pytest.param(True, cut_a_block, id="killed, a block cut off"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[bool, Incident]]:
    """What a kill leaves behind (True), and what an orderly stop does, with a backup of it."""
    stopped = Incident(data_directory(), tmp_path_factory.mktemp("stopped") / "backup")
    with running_stack(data=stopped.data, **LOUD) as stack:
        stopped.begin(stack)
        stopped.break_off(stack, killed=True)
    killed = stopped.copied(tmp_path_factory.mktemp("killed"))
    # NATS writes its index at the end and now and then before. A kill that finds one is as a stop.
    for index in killed.data.glob("nats/store/jetstream/*/streams/*/msgs/index.db"):
        index.unlink()
    with running_stack(data=stopped.data, **LOUD) as stack:
        stopped.break_off(stack, killed=False)
    yield {True: killed, False: stopped}
    shutil.rmtree(killed.data, ignore_errors=True)
    shutil.rmtree(stopped.data, ignore_errors=True)


@pytest.fixture
def incident(
    request: pytest.FixtureRequest, images: dict[bool, Incident], tmp_path: Path
) -> Generator[Incident]:
    """A log that was killed, or stopped: what the parameter `killed` says."""
    copy = images[request.node.callspec.params["killed"]].copied(tmp_path)
    yield copy
    shutil.rmtree(copy.data, ignore_errors=True)


@contextmanager
def started(data: Path) -> Generator[Stack]:
    """`roomlog up` on a damaged log: it answers, and never says that it is ready."""
    with (data / "up.stderr").open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "roomlog", "up", "--data", str(data), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=clean_environment(ROOMLOG_SPAM_GUARD="off"),
            start_new_session=True,
        )
    try:

        def base_url() -> str | None:
            run = data / "run.json"
            if not run.exists():
                return None
            url = json.loads(run.read_text())["base_url"]
            try:
                httpx.get(f"{url}/livez", timeout=5)
            except httpx.HTTPError:
                return None
            return url

        url = eventually(base_url)
        assert url is not None
        yield Stack(data, process, url)
    finally:
        process.terminate()
        told = process.communicate(timeout=60)[0]
        assert "ready" not in told


@pytest.mark.parametrize(("killed", "damage"), AT_THE_END)
def test_a_log_that_lost_its_end_takes_nothing_until_it_is_restored(
    incident: Incident, *, killed: bool, damage: Damage
):
    damage(incident.messages)

    with started(incident.data) as stack:
        status, parts = eventually(lambda: (seen := readiness(stack))[0] == 503 and seen)
        assert status == 503
        assert not parts["log"]["ok"]
        assert "the log has lost events" in str(parts["log"]["detail"])
        with incident.asking(stack) as client:
            refused = client.post(
                f"/api/rooms/{incident.room}/messages", json={"content": "into the void"}
            )
        assert (refused.status_code, refused.json()["code"]) == (503, "log_unavailable")
        assert 'roomlog_up{part="log"} 0.0' in metrics(stack)
        assert "checkpoint" in wrong(stack)
        told = (incident.data / "logs" / "api-1.log").read_text()
        assert "nothing is appended any more" in told
        eventually(
            lambda: "the projector stops" in (incident.data / "logs" / "projector.log").read_text()
        )
    incident.restore()

    with running_stack(data=incident.data, **LOUD) as stack:
        incident.require_whole(stack)


@pytest.mark.parametrize(("killed", "damage"), IN_THE_MIDDLE)
def test_a_log_that_lost_events_in_its_middle_says_so_and_loses_no_more(
    incident: Incident, *, killed: bool, damage: Damage
):
    damage(incident.messages)

    with running_stack(data=incident.data, **LOUD) as stack:
        parts = eventually(lambda: not (seen := readiness(stack)[1])["integrity"]["ok"] and seen)
        assert "things are wrong with the log" in str(parts["integrity"]["detail"])
        assert parts["log"]["ok"]
        assert 'roomlog_up{part="integrity"} 0.0' in metrics(stack)
        assert 'roomlog_tree_unexplained_events{partition="0"} 0.0' not in metrics(stack)
        assert "events gone" in wrong(stack)["trees"]
        assert "no redaction explains it" in (incident.data / "logs" / "projector.log").read_text()
        # What is accepted meanwhile is kept too.
        with incident.asking(stack) as client:
            incident.say(client, "said on a damaged log")
        assert stack.cli("backup", str(incident.backup)).returncode in {0, 1}
    incident.restore()

    with running_stack(data=incident.data, **LOUD) as stack:
        incident.require_whole(stack)
        assert stack.cli("audit", "rebuild").returncode == 0
        eventually(lambda: readiness(stack)[1]["integrity"]["ok"])


def test_a_bit_that_flips_under_a_running_server_is_noticed_and_what_was_acked_is_restored(
    tmp_path: Path,
):
    incident = Incident(data_directory(), tmp_path / "backup")
    with running_stack(data=incident.data, **LOUD) as stack:
        # More than is read over in the time for which NATS keeps in memory what it has read.
        incident.begin(stack, events=12_000, size_bytes=700)
        flip_a_bit(incident.messages)
        parts = eventually(lambda: not (seen := readiness(stack)[1])["integrity"]["ok"] and seen)
        assert "things are wrong with the log" in str(parts["integrity"]["detail"])
        assert 'roomlog_up{part="integrity"} 0.0' in metrics(stack)
        assert "events gone" in wrong(stack)["trees"]
        assert "no redaction explains it" in (incident.data / "logs" / "projector.log").read_text()
        with incident.asking(stack) as client:
            incident.say(client, "said on a damaged log")
        assert stack.cli("backup", str(incident.backup)).returncode in {0, 1}
        incident.break_off(stack, killed=True)
    incident.restore()

    with running_stack(data=incident.data, **LOUD) as stack:
        incident.require_whole(stack)
    shutil.rmtree(incident.data, ignore_errors=True)


@pytest.mark.parametrize("killed", [False])
def test_an_end_that_is_cut_off_under_a_running_server_is_not_given_away_again(
    incident: Incident, *, killed: bool
):
    with running_stack(data=incident.data, **LOUD) as stack:
        cut_the_end(incident.messages)
        # The trees' keeper reads all of it over and over. With that NATS finds that its log ends
        # earlier, or that events are gone: what it does about it depends on what it had in memory.
        parts = eventually(lambda: not (seen := readiness(stack)[1])["integrity"]["ok"] and seen)
        told = str(parts["integrity"]["detail"])
        assert "the log has lost events" in told or "events gone" in told
        assert 'roomlog_up{part="integrity"} 0.0' in metrics(stack)
        assert "events gone" in (found := wrong(stack)["trees"]) or "lost events" in found
        with incident.asking(stack) as client:
            sent = client.post(
                f"/api/rooms/{incident.room}/messages", json={"content": "into a cut log"}
            )
        if sent.is_success:
            assert sent.json()["sequence_number"] > max(incident.acked)
            incident.acked[sent.json()["sequence_number"]] = "into a cut log"
            assert stack.cli("backup", str(incident.backup)).returncode in {0, 1}
        else:
            assert (sent.status_code, sent.json()["code"]) == (503, "log_unavailable")
        incident.break_off(stack, killed=True)
    incident.restore()

    with running_stack(data=incident.data, **LOUD) as stack:
        incident.require_whole(stack)

"""Damage in the log's files: noticed, nothing forked, and all that was acked restored.

What nats-server does with each kind of damage stands in docs/reliability.md.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.sync.client import connect as connect_websocket

from roomlog.jetstream.log import JetStreamLog
from tests.integration.backup.backups import message
from tests.integration.embedded.waiting import eventually
from tests.stack import Stack, clean_environment, data_directory, run_command, running_stack

USER = "ada@example.org"
LOUD = {"SPAM_GUARD": "off", "USER_MESSAGES_PER_SECOND": "0", "CONNECTS_PER_MINUTE": "0"}
FIRST_BLOCK = "1.blk"  # 8 MB, complete; what is said in the end stands in the next

pytestmark = pytest.mark.timeout(900)
Damage = Callable[[Path], None]


def cut_the_end(messages: Path) -> None:
    os.truncate(messages / "2.blk", (messages / "2.blk").stat().st_size // 2)


def flip_a_bit(messages: Path) -> None:
    content = bytearray((messages / FIRST_BLOCK).read_bytes())
    content[len(content) // 2] ^= 0x40
    (messages / FIRST_BLOCK).write_bytes(content)


# What is cut off at the end would be given away again, or would leave its end missing: no appends.
AT_THE_END = [
    pytest.param(True, cut_the_end, id="killed, the end cut off"),
    pytest.param(False, cut_the_end, id="stopped, the end cut off"),
]
# Nothing is given away again: appends go on.
IN_THE_MIDDLE = [
    pytest.param(True, flip_a_bit, id="killed, a bit flipped"),
    pytest.param(False, flip_a_bit, id="stopped, a bit flipped that NATS still counts"),
]


class Incident:
    """A log with a backup, of which everything is known that was acked."""

    def __init__(self, data: Path, backup: Path) -> None:
        self.data = data
        self.backup = backup
        self.room = ""
        self.epoch = ""
        self.acked: dict[int, str] = {}

    def copied(self, data: Path, backup: Path) -> "Incident":
        """The same elsewhere, of what has ended."""
        for source, target in ((self.data, data), (self.backup, backup)):
            subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
        other = Incident(data, backup)
        other.room, other.epoch, other.acked = self.room, self.epoch, dict(self.acked)
        return other

    def begin(self, stack: Stack) -> None:
        with self.asking(stack) as client:
            made = client.post(
                "/api/rooms", json={"name": "damage"}, headers={"Idempotency-Key": "room"}
            )
            self.room, self.epoch = made.json()["room_id"], made.json()["epoch"]
            asyncio.run(self._fill(stack.run["nats_url"]))
            assert stack.cli("backup", str(self.backup)).returncode == 0
            for number in range(12):
                self.say(client, f"after the first backup {number} " + "x" * 9000)
            eventually(lambda: self.is_projected(stack))
            assert stack.cli("backup", str(self.backup)).returncode == 0

    async def _fill(self, nats_url: str) -> None:
        log = await JetStreamLog.connect(nats_url, append_timeout_s=60.0)
        contents = [f"early {number} " + "x" * 9000 for number in range(910)]
        events = [message(content, self.room) for content in contents]
        appended = await asyncio.gather(*(log.append(self.room, [event]) for event in events))
        self.acked |= {one.sequence: c for [one], c in zip(appended, contents, strict=True)}
        await log.close()

    def asking(self, stack: Stack) -> httpx.Client:
        return httpx.Client(
            base_url=stack.base_url, headers=stack.headers(USER, "admin"), timeout=60
        )

    def say(self, client: httpx.Client, content: str) -> None:
        said = client.post(
            f"/api/rooms/{self.room}/messages",
            json={"content": content},
            headers={"Idempotency-Key": content[:60]},
        )
        self.acked[said.raise_for_status().json()["sequence_number"]] = content

    def is_projected(self, stack: Stack) -> bool:
        lags = re.findall(
            r"^roomlog_(?:projection|tree)_lag_events\{.*\} (.*)$", metrics(stack), re.MULTILINE
        )
        return len(lags) == 3 and not any(map(float, lags))

    def break_off(self, stack: Stack, *, killed: bool) -> None:
        """End it without a chance to write anything, or as one should."""
        if killed:
            for pid in (stack.run["pids"]["supervisor"], stack.run["pids"]["nats"]):
                os.kill(pid, signal.SIGKILL)
        else:
            stack.process.terminate()
        pids = [
            pid
            for told in stack.run["pids"].values()
            for pid in (told if isinstance(told, list) else [told])
        ]
        stack.process.wait(60)
        eventually(lambda: not any(map(psutil.pid_exists, pids)))

    @property
    def messages(self) -> Path:
        (streams,) = self.data.glob("nats/store/jetstream/*/streams")
        return streams / "ROOMLOG" / "msgs"

    def restore(self) -> None:
        restored = run_command(self.data, "restore", str(self.backup), "--force")
        assert restored.returncode == 0, restored.stderr

    def require_whole(self, stack: Stack) -> None:
        """Everything acked is there, in log and tables, and who was away resumes."""
        with self.asking(stack) as client:
            room = client.get(f"/api/rooms/{self.room}").json()
            assert (room["head"], room["epoch"]) == (max(self.acked), self.epoch)
            with client.stream(
                "GET",
                f"/api/rooms/{self.room}/events?after=0",
                headers={"Accept": "application/x-ndjson"},
            ) as lines:
                events = [json.loads(line) for line in lines.iter_lines() if line]
            assert {
                one["sequence"]: one["event"]["content"]
                for one in events
                if one["event"]["type"] == "message.sent"
            } == self.acked
            client.get(
                f"/api/rooms/{self.room}/messages?min_sequence={room['head']}&limit=1"
            ).raise_for_status()
            assert stack.cli("projections", "verify").returncode == 0
            checked = stack.cli("audit", "check")
            if checked.returncode:
                # That the log was found damaged was recorded after the backup, and is not in it.
                told = checked.stdout.splitlines()
                assert all(line.startswith("the audit trail") for line in told), told
                assert stack.cli("audit", "rebuild").returncode == 0
                eventually(lambda: self.is_projected(stack))
                assert stack.cli("audit", "check").returncode == 0
            self._resume(stack, after=sorted(self.acked)[-5])
            self.say(client, "and on it goes")

    def _resume(self, stack: Stack, *, after: int) -> None:
        url = f"{stack.ws_url}/ws/{self.room}?after={after}&epoch={self.epoch}"
        headers = stack.headers(USER, "admin")
        seen: list[int] = []
        with connect_websocket(url, additional_headers=headers, max_size=None) as socket:
            while True:
                for frame in map(json.loads, str(socket.recv(60)).splitlines()):
                    if frame["type"] == "subscribed":
                        assert frame["resumed"]
                    elif frame["type"] == "event":
                        seen.append(frame["sequence"])
                    elif frame["type"] == "live":
                        assert seen == [s for s in sorted(self.acked) if s > after]
                        return


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[bool, Incident]]:
    """The same incident, killed and stopped."""
    folders = [data_directory() for _ in range(2)]
    killed, stopped = (Incident(one, tmp_path_factory.mktemp("backup")) for one in folders)
    with running_stack(data=killed.data, **LOUD) as stack:
        killed.begin(stack)
        killed.break_off(stack, killed=True)
    stopped = killed.copied(stopped.data, stopped.backup)
    with running_stack(data=stopped.data, **LOUD) as stack:
        stopped.break_off(stack, killed=False)
    yield {True: killed, False: stopped}
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def incident(ended: dict[bool, Incident], tmp_path: Path, *, killed: bool) -> Generator[Incident]:
    """A copy of it, to be damaged."""
    data = data_directory()
    yield ended[killed].copied(data, tmp_path)
    shutil.rmtree(data, ignore_errors=True)


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


def readiness(stack: Stack) -> tuple[int, dict[str, dict[str, object]]]:
    answer = httpx.get(f"{stack.base_url}/readyz", timeout=30)
    return answer.status_code, answer.json()["parts"]


def metrics(stack: Stack) -> str:
    return httpx.get(f"{stack.base_url}/metrics", timeout=30).text


def wrong(stack: Stack) -> dict[str, str]:
    """What doctor finds."""
    told = stack.cli("doctor", "--json")
    assert told.returncode == 1
    return {
        one["check"]: one["detail"] for one in json.loads(told.stdout)["checks"] if not one["ok"]
    }


@pytest.mark.parametrize(("killed", "damage"), AT_THE_END)
def test_a_log_that_lost_its_end_takes_nothing_until_it_is_restored(
    incident: Incident, damage: Damage
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
    incident: Incident, damage: Damage
):
    damage(incident.messages)

    with running_stack(data=incident.data, **LOUD) as stack:
        parts = eventually(lambda: not (seen := readiness(stack)[1])["integrity"]["ok"] and seen)
        assert "things are wrong with the log" in str(parts["integrity"]["detail"])
        assert parts["log"]["ok"]
        assert 'roomlog_up{part="integrity"} 0.0' in metrics(stack)
        assert 'roomlog_tree_unexplained_events{partition="0"} 0.0' not in metrics(stack)
        # At first the audit trail's own tree may be behind, which is said in its place.
        eventually(lambda: "events gone" in wrong(stack)["trees"])
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

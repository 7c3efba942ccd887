"""A log of which everything is known that was acked, with a backup; and what is said of damage."""

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
from websockets.sync.client import connect as connect_websocket

from roomlog.jetstream.log import JetStreamLog
from tests.integration.backup.backups import message
from tests.integration.embedded.waiting import eventually
from tests.stack import Stack, data_directory, run_command

USER = "ada@example.org"
LOUD = {"SPAM_GUARD": "off", "USER_MESSAGES_PER_SECOND": "0", "CONNECTS_PER_MINUTE": "0"}
_AT_ONCE = 500
FIRST_BLOCK, LAST_BLOCK = "1.blk", "2.blk"  # 8 MB, complete; what is said in the end


class Incident:
    """A log with a backup, of which everything is known that was acked."""

    def __init__(self, data: Path, backup: Path) -> None:
        self.data = data
        self.backup = backup
        self.room = ""
        self.epoch = ""
        self.acked: dict[int, str] = {}

    def copied(self, folder: Path) -> "Incident":
        """The same once more, with the backup below `folder`; nothing runs there."""
        copy = Incident(data_directory(), folder / "backup")
        # With owners and modes: as root, PostgreSQL runs as somebody else.
        for there, here in ((self.data, copy.data), (self.backup, copy.backup)):
            subprocess.run(["cp", "-a", f"{there}/.", str(here)], check=True)
        copy.room, copy.epoch, copy.acked = self.room, self.epoch, dict(self.acked)
        return copy

    def begin(self, stack: Stack, *, events: int = 910, size_bytes: int = 9000) -> None:
        """Fill a block and some of the next, and back it up."""
        with self.asking(stack) as client:
            made = client.post(
                "/api/rooms", json={"name": "damage"}, headers={"Idempotency-Key": "room"}
            )
            self.room, self.epoch = made.json()["room_id"], made.json()["epoch"]
            asyncio.run(self._fill(stack.run["nats_url"], events, size_bytes))
            assert stack.cli("backup", str(self.backup)).returncode == 0
            for number in range(12):
                self.say(client, f"after the first backup {number} " + "x" * 9000)
            eventually(lambda: self.is_projected(stack))
            assert stack.cli("backup", str(self.backup)).returncode == 0

    async def _fill(self, nats_url: str, count: int, size_bytes: int) -> None:
        log = await JetStreamLog.connect(nats_url, append_timeout_s=60.0)
        for begin in range(0, count, _AT_ONCE):
            numbers = range(begin, min(begin + _AT_ONCE, count))
            contents = [f"early {number} " + "x" * size_bytes for number in numbers]
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
        # Asked of the server: starting a command takes longer than all that is waited for.
        lags = re.findall(
            r"^roomlog_(?:projection|tree)_lag_events\{.*\} (.*)$", metrics(stack), re.MULTILINE
        )
        return len(lags) == 3 and not any(map(float, lags))

    def break_off(self, stack: Stack, *, killed: bool) -> None:
        """End it without a chance to write anything, or as one should."""
        pids = stack.run["pids"]
        named = [pids["nats"], pids["postgres"], pids["projector"], *pids["api"]]
        children = [psutil.Process(pid) for pid in named]
        if killed:
            for pid in (stack.run["pids"]["supervisor"], stack.run["pids"]["nats"]):
                os.kill(pid, signal.SIGKILL)
        else:
            stack.process.terminate()
        stack.process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive

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
                eventually(lambda: stack.cli("audit", "check").returncode == 0)
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


def readiness(stack: Stack) -> tuple[int, dict[str, dict[str, object]]]:
    answer = httpx.get(f"{stack.base_url}/readyz", timeout=30)
    return answer.status_code, answer.json()["parts"]


def metrics(stack: Stack) -> str:
    return httpx.get(f"{stack.base_url}/metrics", timeout=30).text


def wrong(stack: Stack) -> dict[str, str]:
    """What doctor finds."""
    told = stack.cli("doctor", "--json")
    assert told.returncode == 1
    found: dict[str, str] = {}
    for one in json.loads(told.stdout)["checks"]:
        if not one["ok"]:
            found[one["check"]] = found.get(one["check"], "") + one["detail"] + "\n"
    return found

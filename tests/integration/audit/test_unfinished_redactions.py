"""A redaction that was broken off by kill -9, at each of its steps, is finished by itself."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.integration.audit.redacting_process import ADMIN
from tests.stack import Stack, clean_environment

DEADLINE_S = 90
ANA, AUDITOR = "ana@example.org", "auditor@example.org"
TOUCHES = 2 + 3 * 2  # one append, and three events to erase


class Pasted:
    """A message with a secret in what it said first, in an edit and in the edit's reason."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.secrets = [secrets.token_hex(16) for _ in range(4)]
        first, second, why, last = self.secrets
        self.room_id = self._call("POST", "/api/rooms", {"name": "r"})["room_id"]
        path = f"/api/rooms/{self.room_id}/messages"
        self.message_id = self._call("POST", path, {"content": first})["message_id"]
        path = f"/api/messages/{self.message_id}"
        self._call("PATCH", path, {"content": second, "reason": why})
        self._call("DELETE", path, {"reason": last})

    def _call(self, method: str, path: str, body: Any) -> Any:
        headers = self.stack.headers(ANA)
        url = self.stack.base_url + path
        answer = httpx.request(method, url, json=body, headers=headers, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def events(self) -> list[dict[str, Any]]:
        return self.get(f"/api/rooms/{self.room_id}/events?limit=500")["items"]

    def get(self, path: str) -> Any:
        headers = self.stack.headers(AUDITOR, "auditor")
        answer = httpx.get(self.stack.base_url + path, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def redacted(self) -> list[int]:
        found = [event["event"] for event in self.events()]
        return [one["redacted_sequence"] for one in found if one["type"] == "message.redacted"]

    def in_the_logs_files(self) -> list[str]:
        """Which of the secrets stand in some file of NATS."""
        store = self.stack.data / "nats" / "store"
        blocks = [path.read_bytes() for path in store.rglob("*.blk")]
        return [one for one in self.secrets if any(one.encode() in block for block in blocks)]


def _redact_and_die(stack: Stack, pasted: Mapping[int, Pasted]) -> list[int]:
    """Redact each message in a process that lives for so many touches; their exit codes."""
    module = "tests.integration.audit.redacting_process"
    messages = [f"{one.message_id}:{touches}" for touches, one in pasted.items()]
    done = subprocess.run(
        [sys.executable, "-m", module, str(stack.data), *messages],
        cwd=Path(__file__).parents[3],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    return [int(code) for code in done.stdout.split()]


def until(there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not there():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_whatever_step_it_died_at_it_is_finished_also_where_the_projector_died_too(stack: Stack):
    pasted = {touches: Pasted(stack) for touches in range(1, TOUCHES + 2)}
    assert all(len(one.in_the_logs_files()) == 4 for one in pasted.values())
    projector = stack.run["pids"]["projector"]
    os.kill(projector, signal.SIGSTOP)  # so that it does nothing of it before it dies
    try:
        killed = {touches: one for touches, one in pasted.items() if touches <= TOUCHES}
        assert _redact_and_die(stack, killed) == [-signal.SIGKILL] * TOUCHES
        # Each died at its step, not at another one: as much is left as it had not come to.
        left = {touches: len(one.in_the_logs_files()) for touches, one in killed.items()}
        assert left == {1: 4, 2: 4, 3: 4, 4: 3, 5: 3, 6: 1, 7: 1, 8: 0}
    finally:
        os.kill(projector, signal.SIGKILL)
    until(lambda: stack.run["pids"]["projector"] != projector)

    for touches in range(2, TOUCHES + 1):
        one = pasted[touches]
        until(lambda one=one: not one.in_the_logs_files())
        events = [event["event"] for event in one.events()[1:]]
        assert [event["type"] for event in events] == ["message.redacted"] * 3
        assert {event["actor"] for event in events} == {ADMIN}
        assert {event["reason"] for event in events} == {"a pasted password"}
    # Nothing was on record of the first one yet, and so nothing happened.
    assert len(pasted[1].in_the_logs_files()) == 4
    assert pasted[1].redacted() == []

    until(lambda: "ready" in httpx.get(f"{stack.base_url}/readyz", timeout=30).json()["status"])
    assert _redact_and_die(stack, {TOUCHES + 1: pasted[TOUCHES + 1], TOUCHES + 2: pasted[1]}) == [
        0,
        0,
    ]
    assert not pasted[1].in_the_logs_files() + pasted[TOUCHES + 1].in_the_logs_files()
    for arguments in (("projections", "verify"), ("audit", "check"), ("audit", "status")):
        done = stack.cli(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

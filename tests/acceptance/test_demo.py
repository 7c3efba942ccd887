"""`roomlog up --demo`: what it prints works when it is pasted, and filling it in again adds nothing."""

import json
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import Stack, data_directory, running_stack

_DEADLINE_S = 120
_MESSAGE_TYPES = {"text", "image_ref", "file_ref", "incident_data", "system"}
_EVENT_TYPES = {
    "room.created",
    "room.updated",
    "member.added",
    "message.sent",
    "message.edited",
    "message.deleted",
    "reaction.added",
}


@pytest.fixture
def directory() -> Generator[Path]:
    path = data_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def printed_commands(stack: Stack) -> list[str]:
    """The indented lines that the demo prints, the WebSocket's last."""
    assert stack.process.stdout is not None
    commands: list[str] = []
    # Ends a wait that would have no end: then there is nothing more to read.
    watchdog = threading.Timer(_DEADLINE_S, stack.process.terminate)
    watchdog.start()
    while not (commands and "-m websockets" in commands[-1]):
        line = stack.process.stdout.readline()
        assert line, (stack.data / "up.stderr").read_text()
        if line.startswith("  "):
            commands.append(line.strip())
    watchdog.cancel()
    return commands


def pasted(command: str) -> str:
    """What a command prints when it is run through the shell."""
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def followed(command: str, until: bytes) -> bytes:
    """What a command that goes on has printed when `until` came."""
    process = subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    deadline_s = time.monotonic() + _DEADLINE_S
    seen = b""
    try:
        while until not in seen:
            assert time.monotonic() < deadline_s, seen
            if select.select([process.stdout], [], [], 1)[0]:
                part = process.stdout.read1(65536)
                assert part, seen
                seen += part
    finally:
        # The end of its input ends it, and it says goodbye.
        process.communicate(timeout=_DEADLINE_S)
    return seen


def events(stack: Stack, commands: list[str]) -> list[dict[str, Any]]:
    (command,) = [c for c in commands if "x-ndjson" in c]
    return [json.loads(line) for line in pasted(command).splitlines()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_printed_lines_work_and_a_second_demo_adds_nothing(directory: Path) -> None:
    with running_stack(["--demo"], data=directory) as stack:
        commands = printed_commands(stack)
        first = events(stack, commands)
        assert {e["event"]["type"] for e in first} == _EVENT_TYPES
        sent = [e["event"] for e in first if e["event"]["type"] == "message.sent"]
        assert {e["message_type"] for e in sent} == _MESSAGE_TYPES
        times = [datetime.fromisoformat(e["at"]) for e in first]
        assert times == sorted(times)
        assert timedelta(minutes=40) < times[-1] - times[0] < timedelta(hours=1)
        assert timedelta(0) < datetime.now(UTC) - times[-1] < timedelta(hours=1)
        page = json.loads(pasted(next(c for c in commands if "messages?limit" in c)))
        assert len(page["items"]) == 10
        live = followed(commands[-1], b'"live"')
        assert live.count(b'"type":"event"') == len(first)
        assert httpx.get(f"{stack.base_url}/schema/openapi.json", timeout=30).status_code == 200
    with running_stack(["--demo"], data=directory) as stack:
        commands = printed_commands(stack)
        assert events(stack, commands) == first
        said = json.loads(pasted(next(c for c in commands if " -d " in c)))
        assert said["message_type"] == "text"
        assert len(events(stack, commands)) == len(first) + 1

"""After `audit redact --scrub` no byte of the data directory holds what was redacted."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Generator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from roomlog.cli import main
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent
from roomlog.services.identity import new_id
from tests.stack import Stack, running_stack

DEADLINE_S = 90
NOWHERE = "00000000-0000-7000-8000-000000000000"
ANA, ADMIN = "ana@example.org", "admin@example.org"
# Plain in TOAST, where a search is to be a proof: what pglz packs, no search finds.
_NOT_PACKED = """
ALTER TABLE roomlog.messages ALTER content SET STORAGE EXTERNAL,
    ALTER content_html SET STORAGE EXTERNAL, ALTER metadata SET STORAGE EXTERNAL;
ALTER TABLE roomlog.message_edit_history ALTER original_content SET STORAGE EXTERNAL,
    ALTER original_metadata SET STORAGE EXTERNAL;
ALTER TABLE roomlog.dead_events ALTER data SET STORAGE EXTERNAL;
"""


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
    with running_stack(SPAM_GUARD="off", USER_MESSAGES_PER_SECOND="0") as running:
        yield running


class Room:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.secrets: dict[str, str] = {}
        self.room_id = self.call("POST", "/api/rooms", {"name": "r"})["room_id"]

    def call(self, method: str, path: str, body: Any, *, admin: bool = False) -> Any:
        user = self.stack.headers(ADMIN, "admin") if admin else self.stack.headers(ANA)
        url = self.stack.base_url + path
        answer = httpx.request(method, url, json=body, headers=user, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def secret(self, where: str) -> str:
        self.secrets[where] = secrets.token_hex(16)
        return self.secrets[where]

    def send(self, content: str, **fields: Any) -> str:
        path = f"/api/rooms/{self.room_id}/messages"
        return self.call("POST", path, {"content": content, **fields})["message_id"]


def _database(stack: Stack, statement: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(stack.run["database_url"])
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def _execute(stack: Stack, statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(stack.run["database_url"])
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(run())


def _append_unreadable_edit(stack: Stack, room_id: str, message_id: str, text: str) -> None:
    """An edit of a version that nobody knows: it is set aside with its bytes."""
    body = {"said": text}
    commit = sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()
    event_id = new_id()
    edit = {
        "v": 99,
        "type": "message.edited",
        "id": event_id,
        "room_id": room_id,
        "actor": ANA,
        "at": "2026-01-31T09:00:00.000Z",
        "message_id": message_id,
        "commit": commit,
        "body": body,
    }

    async def append() -> None:
        log = await JetStreamLog.connect(stack.run["nats_url"])
        try:
            data = json.dumps(edit, separators=(",", ":")).encode()
            await log.append(room_id, [NewEvent(event_id, data)])
        finally:
            await log.close()

    asyncio.run(append())


def _files(stack: Stack) -> dict[str, list[Path]]:
    postgres = Path(_database(stack, "SHOW data_directory")).resolve()
    nats = stack.data.resolve() / "nats"
    return {
        "nats": [path for path in nats.rglob("*") if path.is_file()],
        "postgres": [path for path in postgres.rglob("*") if path.is_file()],
        "others": [
            path
            for path in stack.data.resolve().rglob("*")
            if path.is_file() and not any(map(path.is_relative_to, (nats, postgres)))
        ],
    }


def _found(files: Sequence[Path], wanted: dict[str, str]) -> dict[str, set[str]]:
    """For each secret in which files it stands; whole files are read, whatever they are."""
    found: dict[str, set[str]] = {}
    for path in files:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # of a server that goes on
        for where, secret in wanted.items():
            if secret.encode() in data:
                found.setdefault(where, set()).add(str(path))
    return found


def _until(there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not there():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def _projected(stack: Stack) -> bool:
    told = json.loads(stack.cli("projections", "status", "--json").stdout)
    return all(not one["lag_events"] for one in told["partitions"])


def _kill_servers(stack: Stack) -> None:
    before = stack.run["pids"]
    for name in ("nats", "postgres"):
        os.kill(before[name], signal.SIGKILL)
    _until(lambda: all(stack.run["pids"][n] != before[n] for n in ("nats", "postgres")))
    _until(lambda: httpx.get(f"{stack.base_url}/readyz", timeout=30).json()["status"] == "ready")


def _say_secrets(room: Room) -> list[str]:
    """Messages that hold a secret each in another place; their ids."""
    short = room.send(f"it is {room.secret('content')}", metadata={"n": room.secret("metadata")})
    long = room.send("".join(f"{room.secret(f'part {n}')} " * 40 for n in range(7)))
    edited = room.send(room.secret("first version"))
    edit = {"content": room.secret("edit"), "reason": room.secret("reason of an edit")}
    room.call("PATCH", f"/api/messages/{edited}", edit)
    room.call("PATCH", f"/api/messages/{edited}", {"content": "nothing"})
    deleted = room.send(room.secret("deleted"))
    why = {"reason": room.secret("reason of a deletion")}
    room.call("DELETE", f"/api/messages/{deleted}", why)
    reply = room.send(f"did you say {room.secret('reply')}?", reply_to=short)
    data = {"kind": "alert", "data": {"deep": [{"er": room.secret("incident data")}]}}
    structured = room.send("see", message_type="incident_data", metadata=data)
    broken = room.send("fine")
    _append_unreadable_edit(room.stack, room.room_id, broken, room.secret("dead event"))
    return [short, long, edited, deleted, reply, structured, broken]


def test_no_byte_of_the_data_directory_holds_it(stack: Stack):
    _execute(stack, _NOT_PACKED)
    room = Room(stack)
    other = room.send("what stays stays")
    messages = _say_secrets(room)
    _until(lambda: _projected(stack))
    _execute(stack, "ANALYZE")
    _execute(stack, "CHECKPOINT")
    before = _files(stack)
    # The search finds what is there: each in the log, and in the tables, their indexes, statistics
    # and write-ahead log, or the test would prove nothing.
    assert _found(before["nats"], room.secrets).keys() == room.secrets.keys()
    assert _found(before["postgres"], room.secrets).keys() == room.secrets.keys()

    for message_id in messages[:3]:
        body = {"reason": "a pasted password"}
        room.call("POST", f"/api/messages/{message_id}/redact", body, admin=True)
    _kill_servers(stack)
    done = stack.cli("audit", "redact", *messages[3:], "--reason", "a pasted password", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)["redacted"]
    assert [(one["message_id"], len(one["erased"])) for one in told] == [
        *zip(messages[3:], (2, 1, 1, 2), strict=True)
    ]
    between = _files(stack)
    assert _found(between["nats"] + between["others"], room.secrets) == {}
    assert _found(between["postgres"], room.secrets).keys() == room.secrets.keys()

    done = stack.cli("audit", "redact", "--scrub", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert {step["name"]: step["problem"] for step in json.loads(done.stdout)["steps"]} == {
        "log": "",
        "tables": "",
        "old snapshots": "",
        "statistics": "",
        "write-ahead log": "",
    }
    for name, files in _files(stack).items():
        assert _found(files, room.secrets) == {}, name
    _kill_servers(stack)
    for name, files in _files(stack).items():
        assert _found(files, room.secrets) == {}, name
    told = room.call("GET", f"/api/rooms/{room.room_id}/messages", None)["items"]
    assert {m["message_id"]: m["content"] for m in told} == {
        other: "what stays stays",
        **dict.fromkeys(messages, ""),
    }
    verified = stack.cli("projections", "verify")
    assert verified.returncode == 0, verified.stdout


def test_what_is_left_in_a_log_that_was_set_aside_is_told(stack: Stack):
    """As in a log that a restore has set aside."""
    room = Room(stack)
    message_id = room.send(room.secret("content"))
    left = stack.data / "nats.before-2030" / "1.blk"
    left.parent.mkdir()
    left.write_bytes(b"".join(path.read_bytes() for path in stack.data.glob("nats/**/*.blk")))
    assert _found([left], room.secrets)
    arguments = ("audit", "redact", message_id, "--reason", "r", "--scrub", "--json")

    done = stack.cli(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    problems = {step["name"]: step["problem"] for step in json.loads(done.stdout)["steps"]}
    assert problems.pop("log").startswith("files of NATS' still hold 1 redacted events")
    assert not any(problems.values())

    left.unlink()
    assert stack.cli(*arguments).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a message"),
        ([NOWHERE], "--reason is needed"),
        ([NOWHERE, "--reason", " "], "--reason is needed"),
        ([NOWHERE, "--reason", "x" * 1001], "longer than 1000"),
        (["not-an-id", "--reason", "r"], "not a valid UUID"),
    ],
)
def test_wrong_use(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert main(["audit", "redact", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_again_and_of_a_message_that_is_not_there(stack: Stack, capsys: pytest.CaptureFixture[str]):
    message_id = Room(stack).send("a secret")
    rest = ["--reason", "r", "--data", str(stack.data)]

    assert main(["audit", "redact", message_id, *rest]) == 0
    assert main(["audit", "redact", message_id, *rest]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"message {message_id}: 1 events erased",
        f"message {message_id}: was redacted before",
    ]
    assert main(["audit", "redact", NOWHERE, *rest]) == 1
    assert "no such message" in capsys.readouterr().err


def test_what_was_redacted_is_told_though_the_next_one_is_not_there(
    stack: Stack, capsys: pytest.CaptureFixture[str]
):
    room = Room(stack)
    rest = [NOWHERE, "--reason", "r", "--data", str(stack.data)]

    message_id = room.send("a secret")
    assert main(["audit", "redact", message_id, *rest]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"message {message_id}: 1 events erased"]
    assert f"message {NOWHERE} was not redacted: no such message" in told.err

    message_id = room.send("a secret")
    assert main(["audit", "redact", message_id, *rest, "--json"]) == 1
    [redacted] = json.loads(capsys.readouterr().out)["redacted"]
    assert redacted["message_id"] == message_id

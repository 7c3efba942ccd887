"""`roomlog import` where the log is not the one that the tables have seen: nothing is appended."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from roomlog.jetstream.log import JetStreamLog
from roomlog.services.identity import named_room_id
from tests.stack import Stack, clean_environment

_SEEN = """
    UPDATE projection_checkpoint SET epoch = $1, sequence = $2, event_hash = $3 WHERE partition = 0
"""
_BEGUN = """
    INSERT INTO projection_checkpoint (partition, epoch, sequence, current_at, dead)
    VALUES (0, $1, 0, now(), 0) ON CONFLICT DO NOTHING
"""


async def _tables_have_seen(database: str, epoch: str, sequence: int, data: bytes) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("SET search_path = roomlog")
    await connection.execute(_BEGUN, epoch)
    await connection.execute(_SEEN, epoch, sequence, sha256(data).digest())
    await connection.close()


def _import(stack: Stack, database: str, file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "roomlog", "import", str(file), "--json", "--data", file.parent],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean_environment(
            ROOMLOG_NATS_URL=stack.run["nats_url"], ROOMLOG_DATABASE_URL=database
        ),
    )


async def test_nothing_is_imported_into_a_log_that_does_not_continue_what_the_tables_have_seen(
    stack: Stack, database: str, tmp_path: Path
):
    room = f"imported-{uuid4()}"
    file = tmp_path / "chat.jsonl"
    said = {"room": room, "at": "2026-01-01T00:00:00Z", "sender": "ada@example.org"}
    file.write_text(json.dumps({**said, "kind": "message", "text": "hello"}))
    log = await JetStreamLog.connect(stack.run["nats_url"])
    try:
        made = httpx.post(
            f"{stack.base_url}/api/rooms",
            headers=stack.headers("ada@example.org"),
            json={"name": "seen by the tables"},
        )
        room_id = made.raise_for_status().json()["room_id"]
        [seen] = [event async for batch in log.read(room_id, after=0) for event in batch]
        await _tables_have_seen(database, log.epoch, seen.sequence, b"another event")

        refused = _import(stack, database, file)
        assert refused.returncode == 1
        assert "the log was cut and written anew" in refused.stderr
        assert "restore it from a backup" in refused.stderr
        assert await log.last_sequence(named_room_id(room)) == 0

        await _tables_have_seen(database, log.epoch, seen.sequence, seen.data)
        taken = _import(stack, database, file)
        assert taken.returncode == 0, taken.stderr
        assert json.loads(taken.stdout)["messages"] == 1
        assert await log.last_sequence(named_room_id(room)) > 0
    finally:
        await log.close()


@pytest.mark.parametrize("database_url", [None, "postgresql://127.0.0.1:9/nothing"])
def test_without_tables_to_ask_an_import_goes_on(
    stack: Stack, tmp_path: Path, database_url: str | None
):
    file = tmp_path / "chat.jsonl"
    said = {"room": f"imported-{uuid4()}", "at": "2026-01-01T00:00:00Z", "sender": "ada"}
    file.write_text(json.dumps({**said, "kind": "message", "text": "hello"}))
    environment = {"ROOMLOG_NATS_URL": stack.run["nats_url"]}
    if database_url is not None:
        environment["ROOMLOG_DATABASE_URL"] = database_url
    taken = subprocess.run(
        [sys.executable, "-m", "roomlog", "import", str(file), "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean_environment(**environment),
    )
    assert taken.returncode == 0, taken.stderr

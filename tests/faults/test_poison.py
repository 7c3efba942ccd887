"""Events that the tables can't take: set aside where everybody sees it, the rest goes on, and
`roomlog projections retry` brings them back once that is put right."""

import asyncio
import json
import re
from collections.abc import Generator
from typing import Any

import httpx
import nats
import pytest

from tests.faults.evidence import log_ends
from tests.faults.load import create_room, wait_until
from tests.integration.projector.driving import run
from tests.integration.projector.memory_log import fact_bytes
from tests.stack import Stack, running_stack

ADA = "ada@example.org"
_ID = "0198c0de-0000-7000-8000-00000000dead"
_REFUSE = (
    "ALTER TABLE roomlog.message_edit_history "
    "ADD CONSTRAINT refuse CHECK (reason IS DISTINCT FROM 'poison')"
)
_ALLOW = "ALTER TABLE roomlog.message_edit_history DROP CONSTRAINT refuse"


@pytest.fixture
def stack() -> Generator[Stack]:
    with running_stack() as running:
        yield running


class Client:
    """ADA, by REST."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def ask(self, method: str, path: str, **body: str) -> Any:
        told = httpx.request(
            method,
            f"{self._stack.base_url}{path}",
            json=body or None,
            headers=self._stack.headers(ADA),
            timeout=30,
        )
        assert told.is_success, told.text
        return told.json()

    def status(self) -> dict[str, Any]:
        told = self._stack.cli("projections", "status", "--json")
        assert told.returncode == 0, told.stderr
        (partition,) = json.loads(told.stdout)["partitions"]
        return partition

    def retry(self) -> tuple[int, list[dict[str, Any]]]:
        told = self._stack.cli("projections", "retry", "--json")
        return told.returncode, json.loads(told.stdout)["events"]

    def dead_by_metrics(self) -> float:
        text = httpx.get(f"{self._stack.base_url}/metrics", timeout=30).text
        found = re.search(r'^roomlog_dead_events\{partition="0"\} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else -1.0


def _append_by_hand(stack: Stack, room: str, data: bytes) -> None:
    async def append() -> None:
        connection = await nats.connect(stack.run["nats_url"])
        await connection.jetstream().publish(f"ev.{room}", data)
        await connection.close()

    asyncio.run(append())


def _projected(stack: Stack, client: Client) -> bool:
    return [client.status()["checkpoint"]] == asyncio.run(log_ends(stack.run["nats_url"]))


def _versions(client: Client, room: str, message: str) -> list[str]:
    page = client.ask("GET", f"/api/rooms/{room}/messages/{message}/history")
    return [one["content"] for one in page["items"]]


def test_poison_is_set_aside_the_rest_goes_on_and_a_retry_brings_it_back(stack: Stack):
    client = Client(stack)
    database = stack.run["database_url"]
    room, other = create_room(stack, ADA, []), create_room(stack, ADA, [])
    said = client.ask("POST", f"/api/rooms/{room}/messages", content="one")
    message = f"/api/messages/{said['message_id']}"
    asyncio.run(run(database, _REFUSE))
    # What the tables refuse, and what only a newer version can read.
    edit = {"about": said["message_id"], "actor": ADA}
    poison = fact_bytes(
        room,
        "0198c0de-0000-7000-8000-00000000bad0",
        "message.edited",
        content="two",
        reason="poison",
        **edit,
    )
    newer = fact_bytes(room, _ID, "message.sent", content="from the future", message_type="text")
    _append_by_hand(stack, room, poison)
    _append_by_hand(stack, room, re.sub(rb'^\{"v":[0-9]+,', b'{"v":99,', newer))
    wait_until(lambda: client.status()["dead"] == 2, "both are set aside")

    # All else goes on, also for the message itself, as if they had never been.
    client.ask("PATCH", message, content="three")
    client.ask("POST", f"{message}/reactions", emoji="👍")
    assert client.ask("POST", f"/api/rooms/{other}/messages", content="here")["content"] == "here"
    assert _versions(client, room, said["message_id"]) == ["one", "three"]
    assert client.dead_by_metrics() == 2
    doctor = stack.cli("doctor")
    assert doctor.returncode == 1
    assert "2 events could not be projected" in doctor.stdout
    assert "roomlog projections retry" in doctor.stdout

    # Nothing was put right: nothing changes.
    code, tried = client.retry()
    assert (code, [one["error"] is None for one in tried]) == (1, [False, False])
    asyncio.run(run(database, _ALLOW))
    code, tried = client.retry()

    assert (code, [one["error"] is None for one in tried]) == (1, [True, False])
    assert "newer than this roomlog reads" in tried[1]["error"]
    assert _versions(client, room, said["message_id"]) == ["one", "two", "three"]
    assert client.ask("GET", f"{message}/reactions")["reactions"][0]["users"] == [ADA]
    # The projector goes on, and what can't be read stays visible, through a rebuild too.
    client.ask("PATCH", message, content="four")
    wait_until(lambda: _projected(stack, client), "the projector goes on")
    assert stack.cli("projections", "rebuild").returncode == 0
    wait_until(lambda: client.dead_by_metrics() == 1, "one is still set aside")
    assert _versions(client, room, said["message_id"]) == ["one", "two", "three", "four"]
    verified = stack.cli("projections", "verify")
    assert verified.returncode == 0, verified.stdout

"""A full disk: what can't be kept is not acked, and once there is room all goes on."""

import asyncio
import secrets
import shutil
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.faults.load import create_room, wait_until
from tests.faults.run import running
from tests.faults.small_disk import small_disk
from tests.faults.world import running_world
from tests.histories.checker import check, explain
from tests.stack import data_directory, running_stack

pytestmark = pytest.mark.timeout(900)
_SEED = 20_260_102
_FULL_S = 8.0


@pytest.fixture
def directory() -> Generator[Path]:
    path = data_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize(("part", "size_mb"), [("nats", 32), ("postgres", 256)])
@pytest.mark.parametrize("left_bytes", [0, 500_000])
async def test_a_full_disk_loses_nothing_that_was_acked(
    directory: Path, part: str, size_mb: int, left_bytes: int
):
    with small_disk(directory / part, size_mb) as disk:
        async with running_world(directory) as world, running(world, _SEED) as run:
            await run.progress(50)
            if left_bytes:
                disk.leave(left_bytes)
            else:
                disk.fill()
            await asyncio.sleep(_FULL_S)
            disk.empty()
            await run.progress(50)
            violations = check(await run.end())
    assert not violations, explain(violations)


def test_readyz_says_that_nothing_can_be_sent_until_there_is_room(directory: Path):
    with small_disk(directory / "nats", 32) as disk, running_stack(data=directory) as stack:
        room = create_room(stack, "ada@example.org", [])

        def send() -> int:
            return httpx.post(
                f"{stack.base_url}/api/rooms/{room}/messages",
                headers=stack.headers("ada@example.org"),
                json={"content": secrets.token_urlsafe(7000)},
                timeout=30,
            ).status_code

        def readiness() -> httpx.Response:
            return httpx.get(f"{stack.base_url}/readyz", timeout=10)

        assert send() == 201
        disk.fill()
        # The last page of a file may have some room left.
        wait_until(lambda: send() == 503, "nothing more can be kept")
        told = readiness()
        assert told.status_code == 503
        assert told.json()["parts"]["log"]["detail"] == "the log did not answer within 5.0 s"
        disk.empty()
        wait_until(lambda: readiness().status_code == 200, "it is ready again")
        assert send() == 201


def test_a_redaction_that_met_a_full_disk_is_finished_when_there_is_room(directory: Path):
    with small_disk(directory / "nats", 32) as disk, running_stack(data=directory) as stack:
        room = create_room(stack, "ada@example.org", [])
        secret = secrets.token_hex(16)

        def post(path: str, body: dict[str, str]) -> httpx.Response:
            headers = stack.headers("ada@example.org", "admin")
            return httpx.post(f"{stack.base_url}{path}", headers=headers, json=body, timeout=30)

        def redact() -> int:
            return post(f"/api/messages/{sent}/redact", {"reason": "pasted"}).status_code

        sent = post(f"/api/rooms/{room}/messages", {"content": secret}).json()["message_id"]
        disk.fill()
        wait_until(lambda: redact() == 503, "nothing can be redacted")
        disk.empty()
        wait_until(lambda: redact() == 200, "it is redacted")
        files = [path.read_bytes() for path in (directory / "nats").rglob("*") if path.is_file()]
        assert not any(secret.encode() in held for held in files)
        # That redactions are on record is the trail's first, and was asked for on a full disk.
        wait_until(
            lambda: httpx.get(f"{stack.base_url}/readyz").json()["status"] == "ready", "all is well"
        )

"""Checkpoints that go elsewhere: into a real folder, and to a real HTTP server."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from roomlog import metrics
from roomlog.audit.delivery import (
    Folder,
    NotDeliveredError,
    Place,
    Webhook,
    deliver_checkpoints,
)
from roomlog.core.signed_note import SigningKey
from roomlog.core.tree_head import TreeHead
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.services.audit_keys import KeyRing
from roomlog.services.identity import SystemClock
from roomlog.services.proof_service import ProofService
from roomlog.services.trail import SERVERS, Trail
from roomlog.services.trail_log import TrailLog
from roomlog.trail_ports import TRAIL_PARTITION
from roomlog_contract.proofs import LogCheckpoint
from roomlog_contract.trail import RecordKind
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep, keeper_of
from tests.integration.memory_trail import MemoryTrail

DEADLINE_S = 30


def signed_with(seed: bytes, *, root: bytes = bytes(32)) -> str:
    keys = KeyRing(SigningKey("example.org/log", seed * 32))
    return keys.signed(TreeHead("example.org/log/e1/heads/7-9", 2, root))


CHECKPOINT = LogCheckpoint(
    "e1", [7, 9], "example.org/log/e1/heads/7-9", 2, "AAAA", signed_with(b"\x07")
)


class Receiver:
    """A server that answers with the statuses it was told, the last one for ever."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.statuses: list[int] = [204]
        self.received: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/keep?token=secret"


@pytest.fixture
def receiver() -> Generator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.received.append((self.path, self.headers["Content-Type"], body))
            status = found.statuses.pop(0) if len(found.statuses) > 1 else found.statuses[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_folder_gets_a_file_for_each_checkpoint(tmp_path: Path):
    await Folder(tmp_path).put(CHECKPOINT)

    (path,) = tmp_path.iterdir()
    assert path.name == "e1-7-9.checkpoint"
    assert path.read_text() == CHECKPOINT.note


async def test_a_file_that_says_another_head_of_the_same_place_is_kept_and_told_of(tmp_path: Path):
    await Folder(tmp_path).put(CHECKPOINT)
    (path,) = tmp_path.iterdir()
    resigned = msgspec.structs.replace(CHECKPOINT, note=signed_with(b"\x09"))
    await Folder(tmp_path).put(resigned)
    assert path.read_text() == CHECKPOINT.note

    rewritten = msgspec.structs.replace(CHECKPOINT, note=signed_with(b"\x07", root=b"\x02" * 32))
    with pytest.raises(NotDeliveredError, match="written anew"):
        await Folder(tmp_path).put(rewritten)
    assert [one.read_text() for one in tmp_path.iterdir()] == [CHECKPOINT.note]


async def test_of_several_deliveries_at_once_one_writes_and_the_others_compare(tmp_path: Path):
    """Beside each other in one process: machines that share a folder may share process ids."""
    rewritten = msgspec.structs.replace(CHECKPOINT, note=signed_with(b"\x07", root=b"\x02" * 32))
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = await asyncio.gather(
            *(Folder(folder).put(one) for one in [CHECKPOINT, rewritten] * 4),
            return_exceptions=True,
        )
        [path] = folder.iterdir()
        kept = path.read_text()
        assert kept in {CHECKPOINT.note, rewritten.note}
        failed = [one for one in ended if one is not None]
        assert len(failed) == 4
        assert all(isinstance(one, NotDeliveredError) for one in failed), failed
        assert all("written anew" in str(one) for one in failed), failed


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(NotDeliveredError, match="No such file"):
        await Folder(tmp_path / "unmounted").put(CHECKPOINT)
    assert list(tmp_path.iterdir()) == []


async def test_a_webhook_gets_the_note_as_it_is(receiver: Receiver):
    await Webhook(receiver.url).put(CHECKPOINT)

    assert receiver.received == [
        ("/keep?token=secret", "text/plain; charset=utf-8", CHECKPOINT.note.encode())
    ]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_a_webhook_that_cannot_just_now_is_tried_again(receiver: Receiver, status: int):
    receiver.statuses = [status, status, 200]
    await Webhook(receiver.url, first_pause_s=0.01).put(CHECKPOINT)

    assert len(receiver.received) == 3


@pytest.mark.parametrize(("status", "attempts"), [(500, 4), (400, 1), (401, 1), (302, 1)])
async def test_a_webhook_that_refuses_is_given_up_without_telling_its_secret(
    receiver: Receiver, status: int, attempts: int
):
    receiver.statuses = [status]
    with pytest.raises(NotDeliveredError) as failed:
        await Webhook(receiver.url, first_pause_s=0.01).put(CHECKPOINT)

    assert len(receiver.received) == attempts
    assert str(status) in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_a_webhook_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roomlog.audit.delivery.WEBHOOK_TIMEOUT_S", 0.2)
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent:
        with pytest.raises(NotDeliveredError, match="attempt 4"):
            await Webhook(f"http://127.0.0.1:{port}/", first_pause_s=0.01).put(CHECKPOINT)
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    assert len(writers) == 4
    with pytest.raises(NotDeliveredError, match="ConnectError"):
        await Webhook(f"http://127.0.0.1:{port}/", first_pause_s=0.01).put(CHECKPOINT)


@pytest.fixture
async def proofs(database: str) -> AsyncGenerator[tuple[HoledLog, ProofService]]:
    log = HoledLog()
    log.say(ROOMS[0], "one")
    await keep(log, database)
    async with open_pool(database, size=2) as pool:
        keys = KeyRing(SigningKey("example.org/log", b"\x07" * 32))
        yield log, ProofService(log=log, trees=PostgresTreeReader(pool), keys=keys)


async def until(found: object) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not found():  # type: ignore[operator]
            await asyncio.sleep(0.02)


def counted(place: str, outcome: str) -> float:
    return metrics.CHECKPOINT_DELIVERIES.labels(place, outcome)._value.get()


async def test_each_place_gets_what_changed_and_a_failing_one_does_not_hold_up_the_other(
    database: str, proofs: tuple[HoledLog, ProofService], receiver: Receiver, tmp_path: Path
):
    log, service = proofs
    receiver.statuses = [400]
    failed, delivered = counted("webhook", "failed"), counted("folder", "delivered")
    stored = MemoryTrail()
    source = TrailLog(log, stored)  # type: ignore[arg-type]
    of_trail = ProofService(log=source, trees=service._trees, keys=service._keys)
    places: list[Place] = [Webhook(receiver.url), Folder(tmp_path)]
    task = asyncio.create_task(deliver_checkpoints(service, of_trail, places, every_s=0.05))
    try:
        await until(lambda: counted("webhook", "failed") >= failed + 2)
        assert [path.name for path in tmp_path.iterdir()] == ["epoch 1-1.checkpoint"]
        assert counted("folder", "delivered") == delivered + 1

        receiver.statuses = [200]
        log.say(ROOMS[0], "two")
        await keep(log, database)
        await until((tmp_path / "epoch 1-2.checkpoint").exists)
        await until(lambda: b"heads/2" in receiver.received[-1][2])
        note = (tmp_path / "epoch 1-2.checkpoint").read_bytes()
        assert receiver.received[-1][2] == note

        trail = Trail(stored, SystemClock(), span_s=600)
        await trail.record(RecordKind.EXPORTED, SERVERS)
        async with keeper_of(source, database, partition=TRAIL_PARTITION) as keeper:
            await keeper.catch_up()
        await until((tmp_path / "epoch 1-trail-1.checkpoint").exists)
        assert (
            (tmp_path / "epoch 1-trail-1.checkpoint")
            .read_text()
            .startswith("example.org/log/epoch 1/trail\n1\n")
        )
        # The name under which it was written goes a moment later.
        await until(lambda: len(list(tmp_path.iterdir())) == 3)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Halted:
    """Proofs of a log whose trees stand still."""

    async def log_checkpoint(self) -> LogCheckpoint:
        raise DatabaseUnavailableError("away")


async def test_trees_that_stand_still_do_not_keep_the_trails_checkpoint_back(
    database: str, proofs: tuple[HoledLog, ProofService], tmp_path: Path
):
    log, service = proofs
    stored = MemoryTrail()
    source = TrailLog(log, stored)  # type: ignore[arg-type]
    await Trail(stored, SystemClock(), span_s=600).record(RecordKind.EXPORTED, SERVERS)
    async with keeper_of(source, database, partition=TRAIL_PARTITION) as keeper:
        await keeper.catch_up()
    of_trail = ProofService(log=source, trees=service._trees, keys=service._keys)
    halted: ProofService = _Halted()  # type: ignore[assignment]
    task = asyncio.create_task(
        deliver_checkpoints(halted, of_trail, [Folder(tmp_path)], every_s=0.05)
    )
    try:
        await until((tmp_path / "epoch 1-trail-1.checkpoint").exists)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

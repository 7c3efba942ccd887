"""What is acknowledged stays true whatever happens to the server."""

import asyncio
import json
import shutil
from collections import Counter

import nats
import pytest

from roomlog.jetstream import append
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.stream import stream_config
from roomlog.ports import Appended, LogUnavailableError, NewEvent

from .conftest import Connect, Server
from .events import event, eventually, read_all

ROOMS = [f"room-{i}" for i in range(6)]


class Flood:
    """Appends without pause to all rooms until told to end, and now and then a few at once to one
    that was quiet; and what became of each."""

    def __init__(self, log: JetStreamLog) -> None:
        self.acked: dict[str, list[tuple[int, str]]] = {room: [] for room in ROOMS}
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.count = 0
        self._log = log
        self._ending = False
        self._tasks = [
            asyncio.create_task(self._send(room, several))
            for room in ROOMS
            for several in (1, 1, 1, 3)
        ]
        self._tasks.append(asyncio.create_task(self._send_to_quiet_rooms()))

    async def _send_to_quiet_rooms(self) -> None:
        while not self._ending:
            room = f"quiet-{len(self.acked)}"
            self.acked[room] = []
            news = [event(str(number)) for number in range(3)]
            appends = [self._log.begin_append(room, [new]) for new in news]
            results = await asyncio.gather(*appends, return_exceptions=True)
            for new, result in zip(news, results, strict=True):
                if isinstance(result, LogUnavailableError):
                    (self.unknown if result.outcome_unknown else self.refused).add(new.event_id)
                else:
                    assert not isinstance(result, BaseException)
                    self.acked[room].append((result[0].sequence, new.event_id))
            await asyncio.sleep(0.005)

    async def _send(self, room: str, several: int) -> None:
        while not self._ending:
            new = [event() for _ in range(several)]
            try:
                results = await self._log.append(room, new)
            except LogUnavailableError as error:
                (self.unknown if error.outcome_unknown else self.refused).update(
                    e.event_id for e in new
                )
                await asyncio.sleep(0.01)
            else:
                pairs = zip(results, new, strict=True)
                self.acked[room] += [(result.sequence, e.event_id) for result, e in pairs]
                self.count += several

    async def end(self) -> None:
        self._ending = True
        await asyncio.gather(*self._tasks)

    async def check(self) -> None:
        """Acked within the log, at its place; none twice; what was refused is not there."""
        for room in self.acked:
            stored = await read_all(self._log, room)
            if not stored:
                assert not self.acked[room]
                continue
            if room not in ROOMS:
                assert [e.sequence for e in stored] == sorted(e.sequence for e in stored)
                contents = [json.loads(e.data)["text"] for e in stored]
                assert contents == sorted(contents)
            places = [(e.sequence, json.loads(e.data)["id"]) for e in stored]
            assert set(self.acked[room]) <= set(places)
            counts = Counter(event_id for _, event_id in places)
            assert max(counts.values()) == 1
            assert not self.refused & counts.keys()
            assert counts.keys() <= {i for _, i in self.acked[room]} | self.unknown
            assert [e.prev_sequence for e in stored] == [0, *(s for s, _ in places[:-1])]


@pytest.mark.parametrize(("partitions", "timeout_s"), [(1, 30.0), (4, 30.0), (1, 0.3)])
async def test_killing_the_server_mid_flood_loses_and_doubles_nothing(
    server: Server, connect: Connect, partitions: int, timeout_s: float
) -> None:
    log = await connect(partitions=partitions, append_timeout_s=timeout_s)
    epoch = log.epoch
    flood = Flood(log)
    for _ in range(3):
        before = flood.count
        await eventually(lambda before=before: flood.count > before + 300)
        server.kill()
        await eventually(lambda: not log.connected)
        if timeout_s < 1:
            refused = len(flood.refused)
            await eventually(lambda refused=refused: len(flood.refused) > refused)
        server.start()
    before = flood.count
    await eventually(lambda: flood.count > before + 300)
    await flood.end()
    await flood.check()
    if timeout_s > 1:
        # What was under way is sent again, and answered in time.
        assert not flood.unknown
        assert not flood.refused
    assert log.epoch == epoch


async def test_submitted_order_survives_a_kill(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=30.0)
    news = [event(str(i)) for i in range(3000)]
    appends = [asyncio.create_task(log.append("r", [new])) for new in news]
    await eventually(lambda: sum(task.done() for task in appends) > 500)
    server.kill()
    await eventually(lambda: not log.connected)
    server.start()
    await log.connection.wait_connected(60)
    results = [(await task)[0].sequence for task in appends]
    assert results == sorted(results)
    stored = await read_all(log, "r")
    assert [e.data for e in stored] == [new.data for new in news]
    assert [e.sequence for e in stored] == results


async def test_rooms_opened_while_the_server_is_killed_begin_once(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=30.0)
    openings = {f"room-{i}": [event(str(n)) for n in range(1 + i % 3)] for i in range(300)}
    tasks = [
        asyncio.create_task(log.append(room, new, first=True)) for room, new in openings.items()
    ]
    await eventually(lambda: sum(task.done() for task in tasks) > 30)
    server.kill()
    await eventually(lambda: not log.connected)
    server.start()
    results = await asyncio.gather(*tasks)
    await log.connection.wait_connected(60)
    for (room, new), result in zip(openings.items(), results, strict=True):
        stored = await read_all(log, room)
        assert [e.data for e in stored] == [e.data for e in new]
        assert [e.sequence for e in stored] == [appended.sequence for appended in result]


async def test_an_append_without_an_answer_is_unknown_and_there_at_most_once(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=1.0)
    await log.append("r", [event()])
    sent = event()
    server.freeze()
    try:
        with pytest.raises(LogUnavailableError) as raised:
            await log.append("r", [sent])
    finally:
        server.thaw()
    assert raised.value.outcome_unknown
    [settled] = await _append_when_back(log, sent)
    stored = [e.data for e in await read_all(log, "r")]
    assert stored.count(sent.data) == 1
    assert settled.sequence == 2


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace slows the disk down")
async def test_a_disk_that_is_slower_than_the_deadline_leaves_it_unknown(server: Server) -> None:
    server.stop()
    delay_us = 400_000
    server.start(
        under=[
            *("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"),
            *("-e", f"inject=fsync,fdatasync:delay_enter={delay_us}"),
        ]
    )
    log = await JetStreamLog.connect(server.url, append_timeout_s=0.2)
    try:
        sent = event()
        with pytest.raises(LogUnavailableError) as raised:
            await log.append("r", [sent])
        assert raised.value.outcome_unknown
        assert log.trouble == "the log did not answer within 0.2 s"
        patient = await JetStreamLog.connect(server.url, append_timeout_s=60.0)
        [settled] = await patient.append("r", [sent])
        assert settled.sequence == 1
        assert [e.data for e in await read_all(patient, "r")] == [sent.data]
        assert patient.trouble == ""
        await patient.close()
    finally:
        await log.close()


async def _append_when_back(log: JetStreamLog, new: NewEvent) -> list[Appended]:
    async with asyncio.timeout(60):
        while True:
            try:
                return await log.append("r", [new])
            except LogUnavailableError:
                await asyncio.sleep(0.05)


async def test_what_was_never_sent_did_not_happen(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=0.5)
    await log.append("r", [event()])
    server.kill()
    await eventually(lambda: not log.connected)
    with pytest.raises(LogUnavailableError) as raised:
        await log.append("r", [event()])
    assert not raised.value.outcome_unknown
    server.start()
    await log.connection.wait_connected(60)
    await _append_when_back(log, event())
    assert len(await read_all(log, "r")) == 2


async def test_a_server_that_hangs_is_noticed_and_found_again(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=60.0)
    generation = log.connection.generation
    server.freeze()
    waiting = asyncio.create_task(log.append("r", [event()]))
    try:
        await eventually(lambda: not log.connected)
    finally:
        server.thaw()
    [appended] = await waiting
    assert log.connection.generation > generation
    assert [e.sequence for e in await read_all(log, "r")] == [appended.sequence]


@pytest.mark.parametrize("limit", ["QUEUE_EVENTS_MAX", "QUEUE_BYTES_MAX"])
async def test_a_full_queue_refuses_at_once(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(append, limit, 50 if limit == "QUEUE_EVENTS_MAX" else 50 * 60)
    log = await connect(append_timeout_s=60.0)
    server.freeze()
    try:
        tasks = [asyncio.create_task(log.append("r", [event()])) for _ in range(200)]
        await eventually(lambda: any(task.done() for task in tasks))
        refused = [task for task in tasks if task.done()]
        errors = [task.exception() for task in refused]
    finally:
        server.thaw()
    assert all(isinstance(error, LogUnavailableError) for error in errors)
    assert not any(getattr(error, "outcome_unknown", True) for error in errors)
    await asyncio.wait(tasks, timeout=60)
    accepted = sum(task.exception() is None for task in tasks)
    assert accepted == 200 - len(refused)
    assert len(await read_all(log, "r")) == accepted


@pytest.mark.parametrize("at_once", [1, 40])
async def test_a_full_disk_refuses_for_certain(connect: Connect, at_once: int) -> None:
    log = await connect()
    await log.append("r", [event()])
    info = await log.connection.request("$JS.API.STREAM.INFO.ROOMLOG")
    config = {**json.loads(info.data)["config"], "max_bytes": 400}
    await log.connection.request("$JS.API.STREAM.UPDATE.ROOMLOG", json.dumps(config).encode())
    results = await asyncio.gather(
        *(log.append("r", [event("x" * 500)]) for _ in range(at_once)), return_exceptions=True
    )
    assert all(isinstance(r, LogUnavailableError) and not r.outcome_unknown for r in results)
    assert len(await read_all(log, "r")) == 1


async def test_a_batch_that_the_server_cannot_stage_is_appended_singly(
    server: Server, connect: Connect
) -> None:
    log = await connect()
    await log.append("r", [event()])
    [stream] = server.folder.glob("store/jetstream/*/streams/ROOMLOG")
    (stream / "batches").symlink_to(server.folder / "nowhere")
    news = [event(str(number)) for number in range(4 * append.BATCH_MIN)]
    results = await asyncio.gather(*(log.append("r", [new]) for new in news))
    assert [result.sequence for [result] in results] == [*range(2, len(news) + 2)]
    assert [one.data for one in await read_all(log, "r")][1:] == [new.data for new in news]


@pytest.mark.parametrize("at_once", [1, append.BATCH_MIN * 2])
async def test_no_sequence_that_is_given_away_again_is_ever_acked(
    server: Server, connect: Connect, at_once: int
) -> None:
    log = await connect()
    for _ in range(3):
        await asyncio.gather(*(log.append("room", [event()]) for _ in range(at_once)))
    # The log loses its end while the server runs, and says nothing of it.
    client = await nats.connect(server.url)
    config = json.dumps(stream_config(0, 1, log.epoch)).encode()
    for request, body in (("DELETE", b""), ("CREATE", config)):
        told = await client.request(f"$JS.API.STREAM.{request}.ROOMLOG", body)
        assert "error" not in json.loads(told.data)
    await client.close()

    news = [event() for _ in range(at_once)]
    results = await asyncio.gather(
        *(log.append("room", [new]) for new in news), return_exceptions=True
    )

    unknown: set[str] = set()
    for new, result in zip(news, results, strict=True):
        assert isinstance(result, LogUnavailableError), result
        if result.outcome_unknown:
            unknown.add(new.event_id)
    there = {json.loads(one.data)["id"] for one in await read_all(log, "room")}
    assert there
    assert there <= unknown
    assert "was there: the log has lost events" in (log.damage or "")
    with pytest.raises(LogUnavailableError, match="has lost events"):
        await log.append("another", [event()])


async def test_closing_answers_whoever_waits(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=60.0)
    server.kill()
    await eventually(lambda: not log.connected)
    waiting = asyncio.create_task(log.append("r", [event()]))
    await asyncio.sleep(0)
    await log.close()
    with pytest.raises(LogUnavailableError) as raised:
        await waiting
    assert not raised.value.outcome_unknown

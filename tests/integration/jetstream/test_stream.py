"""The streams are made once, with one epoch, and never quietly otherwise."""

import asyncio
import json
import urllib.request

import pytest

from roomlog.embedded.tcp_ports import free_port
from roomlog.jetstream.log import JetStreamLog, begin_epoch, check
from roomlog.jetstream.stream import LogMismatchError
from roomlog.ports import LogUnavailableError

from .conftest import Connect, Server
from .events import event, eventually


async def change(log: JetStreamLog, stream: str, **fields: object) -> None:
    info = await log.connection.request(f"$JS.API.STREAM.INFO.{stream}")
    config = {**json.loads(info.data)["config"], **fields}
    answer = await log.connection.request(
        f"$JS.API.STREAM.UPDATE.{stream}", json.dumps(config).encode()
    )
    assert "error" not in json.loads(answer.data)


@pytest.mark.parametrize("partitions", [1, 4])
async def test_the_epoch_stays_over_restarts_and_for_everyone(
    server: Server, connect: Connect, partitions: int
) -> None:
    logs = await asyncio.gather(*(connect(partitions=partitions) for _ in range(4)))
    epochs = {log.epoch for log in logs}
    server.kill()
    server.start()
    epochs.add((await connect(partitions=partitions)).epoch)
    assert len(epochs) == 1
    assert "" not in epochs
    assert await check(server.url, partitions=partitions) == []


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_new_epoch_reaches_all_who_are_connected_at_once(
    server: Server, connect: Connect, partitions: int
) -> None:
    logs = [await connect(partitions=partitions) for _ in range(2)]
    before = logs[0].epoch
    await logs[0].append("r", [event("r")], first=True)
    resets: list[int] = []
    for number, log in enumerate(logs):
        log.on_reset(lambda number=number: resets.append(number))

    epoch = await begin_epoch(server.url)

    await eventually(lambda: sorted(resets) == [0, 1])
    assert {log.epoch for log in logs} == {epoch} != {before}
    assert (await connect(partitions=partitions)).epoch == epoch
    assert await check(server.url, partitions=partitions) == []
    assert await logs[1].last_sequence("r") == 1


async def test_a_new_epoch_that_was_broken_off_is_told_and_made_good(
    server: Server, connect: Connect
) -> None:
    log = await connect(partitions=2)
    metadata = {"roomlog_epoch": "halfway", "roomlog_partitions": "2", "roomlog_partition": "0"}
    await change(log, "ROOMLOG_0", metadata=metadata)

    (problem,) = await check(server.url, partitions=2)
    assert "different epochs" in problem
    assert "--new-epoch" in problem

    await begin_epoch(server.url, partitions=2)
    assert await check(server.url, partitions=2) == []


async def test_a_changed_configuration_is_reported_and_refused(
    server: Server, connect: Connect, log: JetStreamLog
) -> None:
    await change(log, "ROOMLOG", max_msgs=1000, duplicate_window=5_000_000_000)
    problems = await check(server.url)
    assert len(problems) == 2
    assert "max_msgs is 1000 and should be -1" in problems[0]
    assert "duplicate_window" in problems[1]
    with pytest.raises(LogMismatchError, match="max_msgs is 1000"):
        await connect()


async def test_a_foreign_stream_of_the_name_is_refused(server: Server, connect: Connect) -> None:
    log = await connect()
    await log.connection.request("$JS.API.STREAM.DELETE.ROOMLOG")
    await log.connection.request(
        "$JS.API.STREAM.CREATE.ROOMLOG", b'{"name":"ROOMLOG","subjects":["ev.*"]}'
    )
    assert any("not roomlog's" in problem for problem in await check(server.url))
    with pytest.raises(LogMismatchError):
        await connect()


@pytest.mark.parametrize(("first", "then"), [(1, 4), (4, 1), (2, 4), (4, 2)])
async def test_the_number_of_partitions_cannot_change(
    connect: Connect, first: int, then: int
) -> None:
    log = await connect(partitions=first)
    for number in range(20):
        await log.append(f"r{number}", [event()])
    with pytest.raises(LogMismatchError, match="partition"):
        await connect(partitions=then)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_who_is_told_no_number_of_partitions_finds_it(
    connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    found = await connect()
    assert (found.partitions, found.epoch) == (partitions, log.epoch)


async def test_a_lost_first_partition_is_not_taken_for_a_new_log(connect: Connect) -> None:
    log = await connect(partitions=3)
    for number in range(20):
        await log.append(f"r{number}", [event()])
    await log.connection.request("$JS.API.STREAM.DELETE.ROOMLOG_0")
    with pytest.raises(LogMismatchError, match="ROOMLOG_0 is missing"):
        await connect()


async def test_a_lost_partition_is_not_made_again(server: Server, connect: Connect) -> None:
    log = await connect(partitions=2)
    for number in range(20):
        await log.append(f"r{number}", [event()])
    await log.connection.request("$JS.API.STREAM.DELETE.ROOMLOG_1")
    with pytest.raises(LogMismatchError, match="ROOMLOG_1 is missing"):
        await connect(partitions=2)
    room = next(f"r{i}" for i in range(20) if log.partition_of(f"r{i}") == 1)
    with pytest.raises(LogUnavailableError) as raised:
        await log.append(room, [event()])
    assert not raised.value.outcome_unknown
    assert any("missing" in problem for problem in await check(server.url, partitions=2))


async def test_a_creation_that_was_interrupted_is_completed(connect: Connect) -> None:
    log = await connect(partitions=3)
    for name in ("ROOMLOG_AUDIT", "ROOMLOG_2"):  # made one after the other, these last
        await log.connection.request(f"$JS.API.STREAM.DELETE.{name}")
    assert (await connect(partitions=3)).epoch == log.epoch


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_log_that_is_gone_is_not_begun_anew(
    server: Server, connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    name = "ROOMLOG" if partitions == 1 else "ROOMLOG_2"
    server.stop()
    # A stream whose description can't be read is none for NATS, and its files lie there still.
    (streams,) = server.folder.glob("store/jetstream/*/streams")
    (streams / name / "meta.inf").unlink()
    server.start()
    await log.close()

    with pytest.raises(LogMismatchError, match=f"{name} is missing: restore it from a backup"):
        await connect(partitions=partitions)
    assert name not in (await check(server.url, partitions=partitions))[1:]


async def test_the_server_fsyncs_before_it_answers(server: Server) -> None:
    server.kill()
    port = free_port()
    server.start("-m", str(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/jsz?config=1", timeout=30) as answer:
        assert json.load(answer)["config"]["sync_always"] is True


async def test_signals_reach_other_processes(connect: Connect) -> None:
    writer, other = await connect(), await connect()
    appended: list[int] = []
    projected: list[int] = []
    wanted: list[int] = []
    await other.signals.on_wanted(0, wanted.append)
    await other.signals.on_appended(0, appended.append)
    await other.signals.on_projected(0, projected.append)
    # Round trip: the subscriptions are in place.
    await other.last_sequence("r")
    await writer.append("r", [event()])
    await asyncio.gather(*(writer.append("r", [event()]) for _ in range(50)))
    await writer.signals.announce_projected(0, 51)
    writer.signals.announce_wanted(0, 51)
    await eventually(lambda: appended and appended[-1] == 51)
    await eventually(lambda: projected == [51] == wanted)
    assert appended == sorted(appended)
    assert len(appended) < 30

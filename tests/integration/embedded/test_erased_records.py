"""What was being erased when NATS was killed is not in the log's files after its next start."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from typing import Any

import nats
import pytest

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.erased_records import cut_out_erased
from roomlog.embedded.nats import NatsServer, run_nats
from roomlog.embedded.processes import Process
from roomlog.embedded.servers import await_ready

_TOMBSTONE = 1 << 62


def _secret(sequence: int) -> bytes:
    return b"secret %d." % sequence


def _kept_in_files(folder: Path, sequence: int) -> bool:
    blocks = folder.glob("nats/store/jetstream/*/streams/ROOMLOG/msgs/*")
    return any(_secret(sequence) in path.read_bytes() for path in blocks)


async def _ask(client: nats.NATS, subject: str, asked: dict[str, Any]) -> dict[str, Any]:
    return json.loads((await client.request(subject, json.dumps(asked).encode(), timeout=30)).data)


# The log's first event, the last of a block, and one of the block where that is noted down, too.
# The last of all stays: its sequence would be given away again.
@pytest.mark.parametrize("erased", [1, 11, 19, 20])
async def test_what_was_noted_down_as_erased_is_cut_out(folder: Path, erased: int):
    messages = 20
    with run_nats(folder) as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="ROOMLOG", subjects=["ev.*"])
        for sequence in range(1, messages + 1):
            await stream.publish("ev.1", _secret(sequence) + b"." * 700_000)
        await client.close()
        eraser = await nats.connect(server.erase_url)
        # Noted down and not overwritten: as far as a killed server comes.
        asked = {"seq": erased, "no_erase": True}
        assert (await _ask(eraser, "$JS.API.STREAM.MSG.DELETE.ROOMLOG", asked))["success"]
        await eraser.close()
    assert _kept_in_files(folder, erased)
    for _ in range(2):
        with run_nats(folder) as server:
            assert _kept_in_files(folder, erased) == (erased == messages)
            client = await nats.connect(server.url)
            stream = client.jetstream()
            for sequence in set(range(1, messages + 1)) - {erased}:
                found = await stream.get_msg("ROOMLOG", sequence)
                assert (found.data or b"").startswith(_secret(sequence))
            state = (await _ask(client, "$JS.API.STREAM.INFO.ROOMLOG", {}))["state"]
            assert (state["messages"], state["last_seq"]) == (messages - 1, messages)
            await client.close()


def test_files_are_looked_through_unless_the_server_ended_in_order(
    folder: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    server = NatsServer(DataDirectory(folder))
    process = await_ready(server, Process(server.prepare()))
    block = folder / "nats/store/jetstream/$G/streams/ROOMLOG/msgs/1.blk"
    block.parent.mkdir(parents=True)
    block.write_bytes(_record(1) + _record(2) + _record(1, _TOMBSTONE))
    process.stop(30)
    server.note_end(process)
    server.prepare()
    assert _secret(1) in block.read_bytes()
    server.prepare()
    assert _secret(1) not in block.read_bytes()
    assert "1 events that were being erased" in caplog.text


def _record(sequence: int, mark: int = 0) -> bytes:
    said = b"" if mark else _secret(sequence)
    return pack("<IQqH", 30 + len(said), sequence | mark, 0, 0) + said + bytes(8)


@contextmanager
def _one_block(tmp_path: Path, data: bytes) -> Iterator[Path]:
    block = tmp_path / "jetstream/$G/streams/ROOMLOG_1/msgs/1.blk"
    block.parent.mkdir(parents=True)
    block.write_bytes(data)
    (block.parent / "index.db").touch()
    yield block


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _record(1) + _record(2),
        # Without the log's last event NATS would give its sequence away again.
        _record(1) + _record(2) + _record(2, _TOMBSTONE),
        # Its sequence was given away again after it had been erased.
        _record(1) + _record(2, _TOMBSTONE) + _record(2),
        # NATS reads no further than the first record that is none, and cuts off the rest.
        _record(1) + _record(2) + b"\xff" * 40 + _record(1, _TOMBSTONE),
        _record(1) + _record(2) + _record(1, _TOMBSTONE)[:-1],
    ],
)
def test_what_was_not_erased_stays_as_it_is(tmp_path: Path, data: bytes):
    with _one_block(tmp_path, data) as block:
        assert cut_out_erased(tmp_path) == 0
        assert block.read_bytes() == data
        assert (block.parent / "index.db").exists()


def test_what_is_unfinished_beside_the_files_goes(tmp_path: Path):
    again = _record(1, _TOMBSTONE) + _record(1) + _record(3) + b"half"
    erased = _record(1) + _record(2) + again
    with _one_block(tmp_path, erased) as block:
        block.with_name("1.blk.tmp").write_bytes(erased)
        block.with_name(".1.blk.new").write_bytes(erased)
        assert cut_out_erased(tmp_path) == 1
        assert list(block.parent.iterdir()) == [block]
        assert block.read_bytes() == _record(2) + again

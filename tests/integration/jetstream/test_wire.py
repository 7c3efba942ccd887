"""What is read and written past nats-py: equal to its own, and its private parts as expected."""

import inspect
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

from roomlog.jetstream import wire

HEADERS = (
    b"NATS/1.0\r\nNats-Msg-Id: 0190a8-x\r\nNats-Batch-Id: b1\r\nNats-Batch-Sequence: 2\r\n"
    b"Nats-Expected-Last-Subject-Sequence: 0\r\nNats-Batch-Commit: 1\r\nNats-Stream: ROOMLOG\r\n"
    b"Nats-Subject: ev.r1\r\nNats-Sequence: 42\r\nNats-Time-Stamp: 2026-11-23T23:13:51.4641287Z\r\n"
    b"Nats-Num-Pending: 7\r\nNats-Last-Sequence: 41\r\n\r\n"
)


@pytest.mark.parametrize(
    "name",
    [
        wire.MSG_ID,
        wire.SEQUENCE,
        wire.LAST_SEQUENCE,
        wire.TIME_STAMP,
        wire.SUBJECT,
        wire.NUM_PENDING,
        wire.OPERATION,
    ],
)
async def test_headers_are_read_as_nats_py_reads_them(name: bytes) -> None:
    parsed = await Client()._process_headers(HEADERS)
    expected = parsed.get(name.strip().rstrip(b":").decode())
    value = wire.header(HEADERS, name)
    assert (value.decode() if value is not None else None) == expected


def test_numbers_and_statuses_are_read() -> None:
    assert wire.number(HEADERS, wire.SEQUENCE) == 42
    assert wire.number(b"NATS/1.0\r\n\r\n", wire.SEQUENCE) == 0
    assert wire.status(HEADERS) == 0
    assert wire.status(b"") == 0
    assert wire.status(b"NATS/1.0 404 Message Not Found\r\n\r\n") == 404
    assert wire.status(b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 2\r\n\r\n") == 204
    assert wire.status(b"NATS/1.0 503\r\n\r\n") == 503


@pytest.mark.parametrize(
    ("text", "fraction_ns"),
    [
        (b"2026-11-23T23:13:51.464128657Z", 464_128_657),
        (b"2026-11-23T23:13:51.4641Z", 464_100_000),
        (b"2026-11-23T23:13:51Z", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(text: bytes, fraction_ns: int) -> None:
    times = wire.TimeStamps()
    second = int(datetime(2026, 11, 23, 23, 13, 51, tzinfo=UTC).timestamp())
    for _ in range(2):
        assert times.ns(text) == second * 10**9 + fraction_ns
    assert times.ns(b"2026-11-23T23:13:52Z") == (second + 1) * 10**9
    assert times.ns(None) == 0


def test_a_time_is_written_as_it_is_read() -> None:
    moment = datetime(2026, 11, 23, 23, 13, 51, 464_128, tzinfo=UTC)
    assert wire.time_stamp(wire.unix_ns(moment) + 7) == "2026-11-23T23:13:51.464128007Z"
    assert wire.time_stamp(wire.unix_ns(datetime(1, 1, 1, tzinfo=UTC))).startswith("0001-01-01T00")
    text = "2026-11-23T23:13:51.000000999Z"
    assert wire.time_stamp(wire.TimeStamps().ns(text.encode())) == text


def test_a_publish_is_framed_by_its_sizes() -> None:
    assert wire.pub("a", b"xyz", reply="r") == b"PUB a r 3\r\nxyz\r\n"
    framed = wire.pub("a", b"xyz", headers=b"K: v\r\n")
    assert framed == b"HPUB a  18 21\r\nNATS/1.0\r\nK: v\r\n\r\nxyz\r\n"


def test_an_unreadable_answer_is_an_error() -> None:
    assert wire.decode_ack(b"", b"nonsense").error is not None
    assert wire.decode_ack(b"NATS/1.0 503\r\n\r\n", b"").error == wire.ApiError(
        code=503, description="no stream answered (status 503)"
    )


def test_the_private_parts_of_nats_py_are_what_they_were() -> None:
    assert isinstance(Client()._ps, Parser)
    assert list(inspect.signature(Parser.parse).parameters) == ["self", "data"]
    assert inspect.iscoroutinefunction(Parser.parse)
    assert "self._ps.parse(" in inspect.getsource(Client._read_loop)
    assert inspect.iscoroutinefunction(Client._process_pong)
    assert "_io_writer" in vars(TcpTransport())
    assert "_transport" in vars(Client())

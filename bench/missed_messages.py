"""`python -m bench.missed_messages`: a client that missed 10,000 messages gets them, from the log;
beside a raw direct get of the same stretch of the same stream."""

import asyncio
import itertools
import statistics
import time
from pathlib import Path

import click
import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.filled_room import filled_room
from bench.measured import Measured, json_option, tell
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.direct import DirectGet
from tests.stack import Stack, running_stack
from tests.within import within

MISSED, OLDER = 10_000, 40_000
USER = "bench0@example.org"
_TIMEOUT_S = 60


class _Line(msgspec.Struct):
    type: str
    sequence: int = 0
    prev_sequence: int = 0


_decoder = msgspec.json.Decoder(_Line)


class _Resumed(WSListener):
    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.live = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            payload = frame.get_payload_as_bytes()
            self.payloads.append(payload)
            if b'{"type":"live"' in payload[-200:]:
                self.live.set()


async def resume_s(url: str, expected: int) -> float:
    """Seconds from the beginning of the connection to `live`, everything checked afterwards."""
    resumed = _Resumed()
    began_s = time.monotonic()
    transport, _ = await ws_connect(lambda: resumed, url)
    await within(resumed.live.wait(), _TIMEOUT_S)
    took_s = time.monotonic() - began_s
    transport.disconnect()
    lines = [_decoder.decode(line) for p in resumed.payloads for line in p.split(b"\n")]
    events = [line for line in lines if line.type == "event"]
    assert len(events) == expected, (len(events), expected)
    assert all(b.prev_sequence == a.sequence for a, b in itertools.pairwise(events))
    return took_s


async def raw_s(nats_url: str, room_id: str, after: int) -> float:
    """Seconds to read the same events by direct get, with nothing done to them."""
    connection = Connection(nats_url)
    await connection.open()
    began_s = time.monotonic()
    read = 0
    async for batch in DirectGet(connection).batches("ROOMLOG", f"ev.{room_id}", after, None):
        read += len(batch)
    took_s = time.monotonic() - began_s
    await connection.close()
    assert read == MISSED
    return took_s


async def _measure(stack: Stack, room_id: str, head: int, runs: int) -> list[Measured]:
    token = stack.token(USER)
    results: list[Measured] = []
    for name, after, count in (
        ("the newest 10,000", head - MISSED, MISSED),
        ("all 50,000", head - MISSED - OLDER, MISSED + OLDER),
    ):
        url = f"{stack.ws_url}/ws/{room_id}?after={after}&token={token}"
        times = [await resume_s(url, count) for _ in range(runs)]
        bare = [await raw_s(stack.run["nats_url"], room_id, head - MISSED) for _ in range(runs)]
        results.append(
            Measured(
                f"resume, {name}",
                count / statistics.median(times),
                "events/s",
                MISSED / statistics.median(bare),
                "direct get, raw",
                details={"seconds, median": statistics.median(times), "best": min(times)},
            )
        )
    return results


@click.command()
@click.option("--runs", default=7, show_default=True)
@json_option
def main(*, runs: int, json_file: Path | None) -> None:
    """Measure resuming."""
    with running_stack(CONNECTS_PER_MINUTE="0") as stack:
        room_id, head = filled_room(stack, MISSED + OLDER, members=[USER])
        tell(asyncio.run(_measure(stack, room_id, head, runs)), json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.nasty`: loads that make servers grow: structured data at its limit at a steady
rate, and connections that come and go; the API's memory before and after."""

import asyncio
import json
import time
from pathlib import Path

import click
import httpx
import psutil
from websockets.asyncio.client import connect

from bench.bare_nats import percentiles_ms
from bench.measured import Measured, json_option, tell
from bench.rooms_under_load import NO_LIMITS
from tests.stack import Stack, running_stack
from tests.within import within

_USER = "bench@example.org"
_STRUCTURED_BYTES = 102_400
_MIB = 1024 * 1024


def memory_mib(stack: Stack) -> float:
    """Resident memory of the API's workers."""
    return round(sum(map(resident_mib, stack.run["pids"]["api"])), 1)


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    return round(psutil.Process(pid).memory_info().rss / _MIB, 1)


async def new_room(stack: Stack) -> str:
    async with httpx.AsyncClient() as client:
        made = await client.post(
            f"{stack.base_url}/api/rooms", headers=stack.headers(_USER), json={"name": "bench"}
        )
    made.raise_for_status()
    return made.json()["room_id"]


async def connect_and_leave(stack: Stack, room: str, cycles: int, at_once: int) -> float:
    """Connect, subscribe, leave, `cycles` times; how many a second."""
    url = f"{stack.ws_url}/ws/{room}?token={stack.token(_USER)}"
    left = cycles

    async def come_and_go() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with connect(url, proxy=None, max_size=None, compression=None) as socket:
                said = ""
                while '"subscribed"' not in said:
                    said = str(await within(socket.recv(), 30))

    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(come_and_go())
    return cycles / (time.monotonic() - begun_s)


async def send_structured(
    stack: Stack, room: str, per_second: float, seconds: float
) -> list[float]:
    """Send structured data of the largest size at a steady rate; how long each ack took, in ms."""
    empty = {"kind": "dump", "data": {"text": ""}}
    filling = "x" * (_STRUCTURED_BYTES - len(json.dumps(empty, separators=(",", ":"))))
    metadata = {"kind": "dump", "data": {"text": filling}}
    frame = {"type": "send", "content": "", "message_type": "incident_data", "metadata": metadata}
    url = f"{stack.ws_url}/ws/{room}?token={stack.token(_USER)}"
    took_ms: list[float] = []
    sent_s: dict[str, float] = {}
    count = int(per_second * seconds)

    async with connect(url, proxy=None, max_size=None, compression=None) as socket:

        async def hear() -> None:
            while len(took_ms) < count:
                text = str(await within(socket.recv(), 30))
                for line in text.split("\n"):
                    if line.startswith('{"type":"event"'):
                        continue
                    told = json.loads(line)
                    assert told["type"] != "error", line[:200]
                    if told["type"] == "ack":
                        took_ms.append((time.monotonic() - sent_s.pop(told["ref"])) * 1000)

        hearing = asyncio.create_task(hear())
        begun_s = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begun_s + number / per_second - time.monotonic()))
            sent_s[str(number)] = time.monotonic()
            await socket.send(json.dumps({**frame, "ref": str(number)}))
        await hearing
    return took_ms


async def _measure(
    stack: Stack, cycles: int, at_once: int, per_second: float, seconds: float
) -> list[Measured]:
    room = await new_room(stack)
    # What only the first ones cost (imports, buffers, caches) is no growth.
    await connect_and_leave(stack, room, 500, at_once)
    await send_structured(stack, room, per_second, 5)
    results: list[Measured] = []
    before = memory_mib(stack)
    rate = await connect_and_leave(stack, room, cycles, at_once)
    results.append(
        Measured(
            f"connect, subscribe, leave, {at_once} at once",
            rate,
            "/s",
            details={"cycles": cycles, "API's MiB": [before, memory_mib(stack)]},
        )
    )
    before = memory_mib(stack)
    took_ms = await send_structured(stack, room, per_second, seconds)
    results.append(
        Measured(
            f"{_STRUCTURED_BYTES} bytes of data, {per_second:g} a second: ack p99",
            percentiles_ms(took_ms)["p99_ms"],
            "ms",
            more_is_better=False,
            details={
                "acked": len(took_ms),
                "acks": percentiles_ms(took_ms),
                "API's MiB": [before, memory_mib(stack)],
            },
        )
    )
    return results


@click.command()
@click.option("--cycles", default=10_000, show_default=True)
@click.option("--at-once", default=20, show_default=True)
@click.option("--per-second", default=50.0, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
@json_option
def main(
    *, cycles: int, at_once: int, per_second: float, seconds: float, json_file: Path | None
) -> None:
    """Measure large payloads and connections that come and go."""
    with running_stack(**NO_LIMITS) as stack:
        results = asyncio.run(_measure(stack, cycles, at_once, per_second, seconds))
    tell(results, json_file)


if __name__ == "__main__":
    main()

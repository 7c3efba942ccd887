"""`python -m bench.projection_lag`: how far the tables are behind the log at a steady 5,000
messages a second, at the highest rate that holds, as fast as senders go, and under more than can
be projected, while others read by REST; beside rows committed to PostgreSQL with nothing around.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import click

from bench.log_filling import CONTENT, Filled, fill_beside
from bench.measured import Measured, json_option, tell
from bench.projection_probe import Look, await_projected, lags, looks_until
from bench.rebuild import bare_insert_rate
from bench.rooms_under_load import (
    SETTINGS,
    check,
    check_order,
    connects,
    in_time,
    make_rooms,
    users,
)
from bench.running_load import running_load
from bench.steady_reads import SteadyReads, steady_reads
from tests.stack import Stack, running_stack

ROOMS, CONNECTIONS_EACH = 100, 5
LAG_P99_MS_MAX = 250.0
BARE_BATCH, BARE_ROWS_MAX = 100, 20_000
_FLOOD_ROOMS = 20
_FLOODED_PER_SECOND = 200.0
_LOOK_EVERY_S = 0.05
_STEP = 1.25
_STEPS_MAX = 8
_HELD = 0.97


class Run(NamedTuple):
    """One load: what its senders counted, how far the tables were behind, and the reads."""

    load: dict[str, Any]
    looks: list[Look]
    reads: SteadyReads
    followed_s: float

    @property
    def lag_p99_ms(self) -> float:
        return lags(self.looks)["ms"]["p99"]

    @property
    def rate(self) -> float:
        """Messages acked and delivered a second, from the first until the last had come."""
        return self.load["acked"] / self.load["drained_s"]


class Place:
    """The stack, its rooms, and how loads run on them."""

    def __init__(self, stack: Stack, rooms: list[str], seconds: float, reads: float) -> None:
        self.stack = stack
        self.seconds = seconds
        self._rooms = rooms
        self._reads = reads

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncGenerator[tuple[list[Look], SteadyReads]]:
        """Reads by REST and looks at the lag, until the block ends."""
        ended = asyncio.Event()
        looks: list[Look] = []
        async with steady_reads(self.stack, self._rooms, per_second=self._reads) as reads:
            looking = asyncio.create_task(looks_until(self.stack, ended, _LOOK_EVERY_S))
            try:
                yield looks, reads
            finally:
                ended.set()
                looks += await looking

    async def run(self, *, per_second: float = 0.0, in_flight: int = 1) -> Run:
        """A load of `seconds` on all rooms until the tables have it. What came is checked: that all
        has come, too, is the caller's to judge (`in_time`)."""
        task = {
            "connects": connects(self.stack, self._rooms, each=CONNECTIONS_EACH, senders=1),
            "content": CONTENT,
            "seconds": self.seconds,
            "per_second": per_second,
            "in_flight": in_flight,
        }
        with running_load(task) as load:
            await asyncio.to_thread(load.await_begun)
            async with self.watched() as (looks, reads):
                result = await asyncio.to_thread(load.result)
        ended_s = asyncio.get_running_loop().time()
        await await_projected(self.stack)
        followed_s = asyncio.get_running_loop().time() - ended_s
        check_order(result)
        return Run(result, looks, reads, followed_s)


async def _highest(place: Place, first: Run, per_second: float) -> tuple[float, Run]:
    """The highest rate, in steps from the first one's, that holds with the lag within bounds."""
    up = _holds(first, per_second)
    best = (per_second, first)
    rate = per_second
    for _ in range(_STEPS_MAX):
        rate = rate * _STEP if up else rate / _STEP
        run = await place.run(per_second=rate)
        if up and not _holds(run, rate):
            break
        best = (rate, run)
        if not up and _holds(run, rate):
            break
    return best


def _holds(run: Run, per_second: float) -> bool:
    kept_pace = in_time(run.load) and run.rate >= per_second * _HELD
    return kept_pace and run.lag_p99_ms <= LAG_P99_MS_MAX


class Overload(NamedTuple):
    """A flood in the log beside a small load by WebSocket."""

    flood: Filled
    run: Run
    looks: list[Look]
    projected_per_second: float
    caught_up_s: float


async def _overload(place: Place, flood: int) -> Overload:
    small = asyncio.create_task(place.run(per_second=_FLOODED_PER_SECOND))
    ended = asyncio.Event()
    looking = asyncio.create_task(looks_until(place.stack, ended, _LOOK_EVERY_S))
    loop = asyncio.get_running_loop()
    filled = await fill_beside(
        place.stack.run["nats_url"],
        rooms=_FLOOD_ROOMS,
        messages_each=flood // _FLOOD_ROOMS,
        members=["bench0@example.org"],
    )
    ended_s = loop.time()
    run = await small
    check(run.load)
    await await_projected(place.stack)
    caught_up_s = loop.time() - ended_s
    ended.set()
    looks = await looking
    await _correct(place.stack, filled, flood // _FLOOD_ROOMS)
    behind = [look for look in looks if look.lag_events]
    rate = (behind[-1].checkpoint - behind[0].checkpoint) / (behind[-1].at_s - behind[0].at_s)
    return Overload(filled, run, looks, rate, caught_up_s)


async def _correct(stack: Stack, filled: Filled, messages_each: int) -> None:
    """Raises AssertionError where the tables hold anything else than the log says."""
    tables = await asyncpg.connect(stack.run["database_url"])
    rows = await tables.fetch(
        "SELECT room_id::text, count(*) AS n FROM roomlog.messages "
        "WHERE room_id = ANY($1::uuid[]) AND message_type = 'text' GROUP BY 1",
        filled.rooms,
    )
    dead = await tables.fetchval("SELECT sum(dead) FROM roomlog.projection_checkpoint")
    await tables.close()
    assert {row["room_id"]: row["n"] for row in rows} == dict.fromkeys(filled.rooms, messages_each)
    assert dead == 0, f"{dead} dead events"
    verified = await asyncio.to_thread(stack.cli, "projections", "verify", timeout_s=3600)
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def measure(
    stack: Stack, *, per_second: float, seconds: float, reads: float, flood: int
) -> list[Measured]:
    """All loads, one after the other."""
    rooms = await asyncio.to_thread(make_rooms, stack, ROOMS, users(CONNECTIONS_EACH))
    place = Place(stack, rooms, seconds, reads)
    await place.run(per_second=min(500.0, per_second))  # what only the first messages cost
    steady = await place.run(per_second=per_second)
    rate, held = await _highest(place, steady, per_second)
    fastest = await place.run(in_flight=8)
    overload = await _overload(place, flood)
    bare = await bare_insert_rate(stack.run["database_url"], BARE_BATCH, rows_max=BARE_ROWS_MAX)
    commit_ms = BARE_BATCH / bare * 1000
    committed = f"PostgreSQL, INSERT and commit of {BARE_BATCH} messages"
    found: list[Measured] = []
    for name, run in (
        (f"lag p99 at {per_second:,.0f} messages a second", steady),
        ("lag p99 at the highest rate that holds", held),
        ("lag p99 as fast as 100 senders of 8 in flight go", fastest),
    ):
        found.append(
            Measured(
                name,
                run.lag_p99_ms,
                "ms",
                commit_ms,
                committed,
                more_is_better=False,
                details=_details(run),
            )
        )
    found.append(
        Measured(
            f"highest rate with the lag's p99 within {LAG_P99_MS_MAX:.0f} ms",
            held.rate if _holds(held, rate) else 0.0,
            "/s",
            bare,
            f"rows of messages into PostgreSQL, {BARE_BATCH} a commit",
        )
    )
    found.append(_of_overload(overload, bare))
    return found


def _details(run: Run) -> dict[str, Any]:
    return {
        "lag": lags(run.looks),
        "looks": len(run.looks),
        "acked and delivered a second": run.rate,
        "all acked and delivered in time": "yes" if in_time(run.load) else "no",
        "refused, unanswered, missing": [
            run.load[name] for name in ("errors", "unanswered", "missing")
        ],
        "acks": run.load["ack"],
        "send to receive": run.load.get("receive", "not timed"),
        "REST reads": run.reads.told(),
        "the tables have all after, s": run.followed_s,
    }


def _of_overload(overload: Overload, bare: float) -> Measured:
    flood = overload.flood
    return Measured(
        "overload: projected meanwhile and after",
        overload.projected_per_second,
        "events/s",
        bare,
        f"rows of messages into PostgreSQL, {BARE_BATCH} a commit",
        details={
            "appended": flood.events,
            "appended a second": flood.events / flood.seconds,
            "lag": lags(overload.looks),
            "caught up after the flood's end, s": overload.caught_up_s,
            "messages sent meanwhile": overload.run.load["acked"],
            "their acks": overload.run.load["ack"],
            "REST reads meanwhile": overload.run.reads.told(),
            "afterwards": "counts and `projections verify` agree, no dead events",
        },
    )


@click.command()
@click.option("--per-second", default=5000.0, show_default=True)
@click.option("--seconds", default=20.0, show_default=True, help="Length of each load.")
@click.option("--reads", default=50.0, show_default=True, help="REST reads a second.")
@click.option("--flood", default=100_000, show_default=True, help="Messages of the overload.")
@json_option
def main(
    *, per_second: float, seconds: float, reads: float, flood: int, json_file: Path | None
) -> None:
    """Measure how far the tables are behind."""
    with running_stack(**SETTINGS) as stack:
        found = asyncio.run(
            measure(stack, per_second=per_second, seconds=seconds, reads=reads, flood=flood)
        )
        tell(found, json_file)


if __name__ == "__main__":
    main()

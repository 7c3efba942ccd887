"""How far the tables are behind the log, asked of both directly: cheap enough for many looks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import NamedTuple

import asyncpg

from bench.bare_nats import BareNats, percentiles_ms
from tests.stack import Stack
from tests.within import within

PROJECTED_TIMEOUT_S = 3600.0
_POLL_S = 0.02
_STREAM = "ROOMLOG"
_CHECKPOINT = "SELECT sequence, dead FROM roomlog.projection_checkpoint WHERE partition = 0"


class Look(NamedTuple):
    """`lag_events` not in the tables yet, the oldest of them `lag_s` seconds old."""

    at_s: float
    checkpoint: int
    head: int
    lag_s: float
    dead: int

    @property
    def lag_events(self) -> int:
        return self.head - self.checkpoint


class ProjectionProbe:
    """Looks at a log of one partition and at its checkpoint."""

    def __init__(self, nats: BareNats, tables: asyncpg.Connection) -> None:
        self._nats = nats
        self._tables = tables

    async def look(self) -> Look:
        """Now. The checkpoint is asked first, so that the lag is never told too small."""
        checkpoint, dead = await self._tables.fetchrow(_CHECKPOINT)
        state = await self._nats.call(f"$JS.API.STREAM.INFO.{_STREAM}", {})
        head: int = state["state"]["last_seq"]
        lag_s = 0.0
        if head > checkpoint:
            asked = {"seq": checkpoint + 1}
            oldest = await self._nats.call(f"$JS.API.STREAM.MSG.GET.{_STREAM}", asked)
            appended_at = datetime.fromisoformat(oldest["message"]["time"])
            lag_s = max(0.0, time.time() - appended_at.timestamp())
        return Look(time.monotonic(), checkpoint, head, lag_s, dead)


@contextlib.asynccontextmanager
async def projection_probe(stack: Stack) -> AsyncGenerator[ProjectionProbe]:
    """A probe of this stack."""
    nats = await BareNats.connect(stack.run["nats_url"])
    tables = await asyncpg.connect(stack.run["database_url"])
    try:
        yield ProjectionProbe(nats, tables)
    finally:
        await tables.close()
        await nats.close()


async def await_projected(stack: Stack) -> Look:
    """Return when the tables have all that the log has."""
    end_s = time.monotonic() + PROJECTED_TIMEOUT_S
    async with projection_probe(stack) as probe:
        while (look := await probe.look()).lag_events:
            assert time.monotonic() < end_s, "the tables did not follow"
            await asyncio.sleep(_POLL_S)
    return look


async def looks_until(stack: Stack, ended: asyncio.Event, every_s: float) -> list[Look]:
    """Look again and again until `ended`."""
    looks: list[Look] = []
    async with projection_probe(stack) as probe:
        while not ended.is_set():
            looks.append(await probe.look())
            with contextlib.suppress(TimeoutError):
                await within(ended.wait(), every_s)
    return looks


def lags(looks: list[Look]) -> dict[str, dict[str, float]]:
    """The looks' lags in events and in ms: the median, the 99th percentile and the most."""
    told: dict[str, dict[str, float]] = {}
    for name, values in (
        ("events", [float(look.lag_events) for look in looks]),
        ("ms", [look.lag_s * 1000 for look in looks]),
    ):
        shares = percentiles_ms(values)
        told[name] = {
            "p50": shares["p50_ms"],
            "p99": shares["p99_ms"],
            "max": max(values, default=0.0),
        }
    return told

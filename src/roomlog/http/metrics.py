"""What `/metrics` tells beside the counters: how the parts and the projection are just now."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from roomlog import metrics
from roomlog.http.parts import HttpParts, PartStatus
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.services.projection_lag import PartitionLag

OBSERVATION_TIMEOUT_S = 5.0


async def scrape(parts: HttpParts) -> bytes:
    """All metrics in Prometheus's text format.

    Where log or tables don't answer, the lag is left out, and `roomlog_up` says which is away.
    """
    now = Now(await parts.health(), await _lags(parts))
    return metrics.exposition([now])


async def _lags(parts: HttpParts) -> Sequence[PartitionLag]:
    try:
        async with asyncio.timeout(OBSERVATION_TIMEOUT_S):
            return await parts.lag()
    except (LogUnavailableError, DatabaseUnavailableError, TimeoutError):
        return ()


class Now(Collector):
    """Gauges of what was found when somebody asked, not of what a process remembers."""

    def __init__(self, health: Mapping[str, PartStatus], lags: Sequence[PartitionLag]) -> None:
        self._health = health
        self._lags = lags

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, each with one sample for each part or partition."""
        up = GaugeMetricFamily("roomlog_up", "1 where a part works, else 0.", labels=("part",))
        events = GaugeMetricFamily(
            "roomlog_projection_lag_events",
            "Events that the log holds and the tables lack.",
            labels=("partition",),
        )
        seconds = GaugeMetricFamily(
            "roomlog_projection_lag_seconds",
            "Age of what the tables show, 0 where they lack nothing.",
            labels=("partition",),
        )
        dead = GaugeMetricFamily(
            "roomlog_dead_events",
            "Events that could not be projected and were set aside.",
            labels=("partition",),
        )
        for name, part in self._health.items():
            up.add_metric((name,), float(part.ok))
        for lag in self._lags:
            labels = (str(lag.partition),)
            events.add_metric(labels, lag.events)
            seconds.add_metric(labels, lag.seconds)
            dead.add_metric(labels, lag.dead)
        return (up, events, seconds, dead)

"""What `/metrics` tells beside the counters: how the parts and the projection are just now."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from roomlog import metrics
from roomlog.http.parts import HttpParts
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.services.health import PartStatus
from roomlog.services.projection_lag import PartitionLag
from roomlog.services.tree_lag import TreeLag

T = TypeVar("T")

OBSERVATION_TIMEOUT_S = 0.8


async def scrape(parts: HttpParts) -> bytes:
    """All metrics in Prometheus's text format.

    Where log or tables don't answer, the lag is left out, and `roomlog_up` says which is away.
    """
    now = Now(*await asyncio.gather(parts.health(), _in_time(parts.lag), _in_time(parts.trees)))
    return metrics.exposition([now])


async def _in_time(observe: Callable[[], Awaitable[Sequence[T]]]) -> Sequence[T]:
    try:
        async with asyncio.timeout(OBSERVATION_TIMEOUT_S):
            return await observe()
    except (LogUnavailableError, DatabaseUnavailableError, TimeoutError):
        return ()


class Now(Collector):
    """Gauges of what was found when somebody asked, not of what a process remembers."""

    def __init__(
        self,
        health: Mapping[str, PartStatus],
        lags: Sequence[PartitionLag],
        trees: Sequence[TreeLag],
    ) -> None:
        self._health = health
        self._lags = lags
        self._trees = trees

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
        behind = GaugeMetricFamily(
            "roomlog_tree_lag_events",
            "Events that the log holds and the trees lack.",
            labels=("partition",),
        )
        unexplained = GaugeMetricFamily(
            "roomlog_tree_unexplained_events",
            "Events that are gone from the log and that no redaction explains.",
            labels=("partition",),
        )
        findings = GaugeMetricFamily(
            "roomlog_tree_findings",
            "What the trees' keeper found wrong with the log.",
            labels=("partition",),
        )
        unfinished = GaugeMetricFamily(
            "roomlog_redactions_unfinished",
            "Redactions that are on record while what they redact is in the log still.",
            labels=("partition",),
        )
        halted = GaugeMetricFamily(
            "roomlog_tree_halted",
            "1 where the trees do not grow, because the log was changed, else 0.",
            labels=("partition",),
        )
        for name, part in self._health.items():
            up.add_metric((name,), float(part.ok))
        for lag in self._lags:
            labels = (str(lag.partition),)
            events.add_metric(labels, lag.events)
            seconds.add_metric(labels, lag.seconds)
            dead.add_metric(labels, lag.dead)
        for tree in self._trees:
            labels = ("trail" if tree.partition < 0 else str(tree.partition),)
            behind.add_metric(labels, tree.events)
            unexplained.add_metric(labels, tree.unexplained)
            findings.add_metric(labels, tree.findings)
            unfinished.add_metric(labels, tree.unfinished)
            halted.add_metric(labels, float(tree.halted is not None))
        return (up, events, seconds, dead, behind, unexplained, findings, unfinished, halted)

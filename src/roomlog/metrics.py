"""Everything that is counted and measured, in one place, for Prometheus.

Each metric stands in `REGISTRY`. Where PROMETHEUS_MULTIPROC_DIR names a directory, the processes
that share it (workers and projector) keep their values in files there, and whichever of them is
asked answers for all. No label takes a value that a client can make up.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import prometheus_client as prometheus
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from roomlog import metric_files

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client reads when it is imported."""

# Paths are counted by route, never as they were asked for: label values must stay few.
UNMATCHED = "unmatched"
UNEXPECTED = "unexpected"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_REPLAYED = (0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)

if os.environ.get(SHARED_DIRECTORY):
    metric_files.share(Path(os.environ[SHARED_DIRECTORY]))

REGISTRY = prometheus.CollectorRegistry()

CONNECTIONS = prometheus.Gauge(
    "roomlog_connections",
    "WebSocket connections that are open.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CONNECTIONS_OPENED = prometheus.Counter(
    "roomlog_connections_opened", "WebSocket connections taken in.", registry=REGISTRY
)
SLOW_CONSUMER_CLOSES = prometheus.Counter(
    "roomlog_slow_consumer_closes",
    "WebSocket connections closed with 4000 because too much waited for them.",
    registry=REGISTRY,
)
EVENT_STREAMS = prometheus.Gauge(
    "roomlog_event_streams",
    "Server-sent event streams that are open.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
AUTHENTICATION_FAILURES = prometheus.Counter(
    "roomlog_authentication_failures",
    "Requests and connections without a valid token.",
    ("interface",),
    registry=REGISTRY,
)
ERRORS = prometheus.Counter(
    "roomlog_errors",
    "Refusals and faults told to clients, by interface and error code.",
    ("interface", "code"),
    registry=REGISTRY,
)
HTTP_REQUESTS = prometheus.Counter(
    "roomlog_http_requests",
    "Answered HTTP requests by method, route and status.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = prometheus.Histogram(
    "roomlog_http_seconds",
    "Time from an HTTP request to the head of its answer.",
    ("route",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
HTTP_APPENDS = prometheus.Counter(
    "roomlog_http_appends",
    "Writes over HTTP that appended to the log, by route.",
    ("route",),
    registry=REGISTRY,
)
HTTP_REPLAYS = prometheus.Counter(
    "roomlog_http_replays",
    "Writes over HTTP answered from an earlier one with the same idempotency key.",
    ("route",),
    registry=REGISTRY,
)
MESSAGES = prometheus.Counter(
    "roomlog_messages", "Messages appended, by message type.", ("type",), registry=REGISTRY
)
EDITS = prometheus.Counter("roomlog_message_edits", "Edits appended.", registry=REGISTRY)
DELETIONS = prometheus.Counter(
    "roomlog_message_deletions", "Deletions appended.", registry=REGISTRY
)
REACTIONS = prometheus.Counter(
    "roomlog_reactions", "Reactions appended: added or removed.", ("action",), registry=REGISTRY
)
APPEND_SECONDS = prometheus.Histogram(
    "roomlog_append_seconds",
    "Time from asking for an append to its being fsynced.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
APPEND_BATCH_EVENTS = prometheus.Histogram(
    "roomlog_append_batch_events",
    "Events in one publish to the log: one, or an atomic batch.",
    buckets=_EVENTS,
    registry=REGISTRY,
)
APPEND_FAILURES = prometheus.Counter(
    "roomlog_append_failures",
    "Appends that the log did not take, or whose outcome is unknown.",
    registry=REGISTRY,
)
APPENDS_SHED = prometheus.Counter(
    "roomlog_appends_shed",
    "Writes refused at once, because too much waited for the log or the worker.",
    registry=REGISTRY,
)
HTTP_SHED = prometheus.Counter(
    "roomlog_http_shed",
    "Requests and reads refused, because they had waited too long for the worker or a connection "
    "to PostgreSQL.",
    registry=REGISTRY,
)
BROADCAST_SECONDS = prometheus.Histogram(
    "roomlog_broadcast_seconds",
    "Time from an event's append, by the log's clock, to its having been given to every live "
    "connection of the room; one observation for each joined write.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
RESUMES = prometheus.Counter(
    "roomlog_resumes", "Replays on a WebSocket, from `after` to live.", registry=REGISTRY
)
RESUME_EVENTS = prometheus.Histogram(
    "roomlog_resume_events", "Events sent in one replay.", buckets=_REPLAYED, registry=REGISTRY
)
RESUME_SECONDS = prometheus.Histogram(
    "roomlog_resume_seconds", "Duration of one replay.", buckets=_SECONDS, registry=REGISTRY
)
PROJECTED_EVENTS = prometheus.Counter(
    "roomlog_projected_events", "Events that the projector has committed.", registry=REGISTRY
)
PROJECTION_SECONDS = prometheus.Histogram(
    "roomlog_projection_seconds",
    "Duration of one of the projector's transactions.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
TREE_LEAVES = prometheus.Counter(
    "roomlog_tree_leaves", "Events taken into the trees of their rooms.", registry=REGISTRY
)
TREE_SECONDS = prometheus.Histogram(
    "roomlog_tree_seconds",
    "Duration of one batch of the trees' keeper.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
CHECKPOINT_DELIVERIES = prometheus.Counter(
    "roomlog_checkpoint_deliveries",
    "Signed checkpoints given to a place elsewhere: a folder or a webhook.",
    ("place", "outcome"),
    registry=REGISTRY,
)

_GAUGE_FILE = re.compile(r"gauge_live[a-z]+_(\d+)\.db\Z")


def exposition(extra: Iterable[Collector] = ()) -> bytes:
    """All metrics in Prometheus's text format, with what the collectors `extra` say of now."""
    directory = os.environ.get(SHARED_DIRECTORY)
    registry = prometheus.CollectorRegistry()
    if directory:
        metric_files.flush()
        _forget_the_dead(Path(directory))
        MultiProcessCollector(registry, path=directory)
    else:
        registry.register(REGISTRY)
        prometheus.ProcessCollector(registry=registry)
        prometheus.PlatformCollector(registry=registry)
    for collector in extra:
        registry.register(collector)
    return generate_latest(registry)


def _forget_the_dead(directory: Path) -> None:
    """Take out what processes that are gone said of themselves; what they counted stays."""
    for path in directory.glob("gauge_live*.db"):
        match = _GAUGE_FILE.search(path.name)
        if match is not None and not _lives(int(match[1])):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

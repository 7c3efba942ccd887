"""What is counted of REST, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

# Paths are counted by route, never as they were asked for: label values must stay few.
UNMATCHED = "unmatched"


class HttpMetrics:
    """Counters of one process. Other parts may add their own to `registry`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        self.registry = registry
        self.requests = Counter(
            "roomlog_http_requests",
            "Answered HTTP requests by method, route and status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.problems = Counter(
            "roomlog_http_problems",
            "Problems answered over HTTP, by their code.",
            ("code",),
            registry=registry,
        )
        self.appends = Counter(
            "roomlog_http_appends",
            "Writes over HTTP that appended to the log, by route.",
            ("route",),
            registry=registry,
        )
        self.replays = Counter(
            "roomlog_http_replays",
            "Writes over HTTP answered from an earlier one with the same idempotency key.",
            ("route",),
            registry=registry,
        )

    def exposition(self) -> bytes:
        """All of the registry in Prometheus's text format."""
        return generate_latest(self.registry)

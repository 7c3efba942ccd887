"""What a process counts stands in the shared files soon, and at its end, as prometheus_client
itself would have written it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

DEADLINE_S = 60
_COUNTS = """
import sys
from pathlib import Path
{share}
import prometheus_client as prometheus
registry = prometheus.CollectorRegistry()
counter = prometheus.Counter("said", "h", ("type",), registry=registry)
gauge = prometheus.Gauge("open", "h", registry=registry, multiprocess_mode="sum")
seconds = prometheus.Histogram("took", "h", buckets=(0.1, 1.0), registry=registry)
for n in range(1000):
    counter.labels("text" if n % 3 else "note").inc()
    gauge.inc()
    seconds.observe(n / 500)
gauge.dec(10)
print("counted", flush=True)
"""
_SHARE = "from roomlog import metric_files; metric_files.share(Path(sys.argv[1]))"
_WAIT = "import time; time.sleep(600)"


@contextlib.contextmanager
def _counting(directory: Path, program: str) -> Generator[subprocess.Popen[str]]:
    """A process that has counted all it will."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "counted\n"
            yield child
        finally:
            child.kill()


def _told(directory: Path) -> list[bytes]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    return sorted(generate_latest(registry).splitlines())


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What prometheus_client's own values say."""
    directory = tmp_path_factory.mktemp("its own")
    with _counting(directory, _COUNTS.format(share="")) as child:
        assert child.wait(DEADLINE_S) == 0
    told = _told(directory)
    assert b'said_total{type="text"} 666.0' in told
    return told


def test_what_was_counted_is_there_when_a_process_ends(
    tmp_path: Path, expected: list[bytes]
) -> None:
    with _counting(tmp_path, _COUNTS.format(share=_SHARE)) as child:
        assert child.wait(DEADLINE_S) == 0
    assert _told(tmp_path) == expected


def test_it_is_there_soon_and_outlives_a_kill(tmp_path: Path, expected: list[bytes]) -> None:
    with _counting(tmp_path, _COUNTS.format(share=_SHARE) + _WAIT):
        deadline = time.monotonic() + DEADLINE_S
        while _told(tmp_path) != expected:
            assert time.monotonic() < deadline, _told(tmp_path)
            time.sleep(0.02)
    assert _told(tmp_path) == expected

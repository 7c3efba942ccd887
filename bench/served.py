"""Servers of benchmarks' own, each in a process on a free port of loopback."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from roomlog.embedded.nats import run_nats
from roomlog.embedded.postgres import run_postgres

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05


class Stores(NamedTuple):
    """Where a NATS and a PostgreSQL of a benchmark's own are."""

    nats_url: str
    database_url: str


@contextmanager
def stores() -> Generator[Stores]:
    """A NATS and a PostgreSQL with nothing in them, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="roomlog-bench-"))
    folder.chmod(0o755)
    for name in ("nats", "postgres"):
        (folder / name).mkdir(mode=0o755)
    try:
        with run_nats(folder / "nats") as nats, run_postgres(folder / "postgres") as postgres:
            yield Stores(nats.url, postgres.url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Served:
    """A server that takes connections: its port and its process's id."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid


@contextmanager
def served(module: str, arguments: Callable[[int], Sequence[str]]) -> Generator[Served]:
    """`python -m module …` with the arguments for a port, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", module, *arguments(port)])
    try:
        end_s = time.monotonic() + START_TIMEOUT_S
        while not _takes_connections(port):
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"{module} does not serve")
            time.sleep(_POLL_S)
        yield Served(port, process.pid)
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True

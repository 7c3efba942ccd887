"""Start an embedded server and wait until it takes clients: the same for both of them."""

import contextlib
import signal
import time
from collections.abc import Callable, Generator
from typing import Protocol

from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.processes import Process, ProcessSpec

# A log or a write-ahead log of many gigabytes takes its time to recover.
START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 15.0
_PORT_TRIES = 5
_POLL_S = 0.02
_PORT_TAKEN = "address already in use"

Pause = Callable[[float], None]


class EmbeddedServer(Protocol):
    """A server from a wheel, on one port of 127.0.0.1 for as long as this object lives."""

    @property
    def name(self) -> str:
        """Which one."""
        ...

    @property
    def url(self) -> str:
        """Where clients reach it, password included."""
        ...

    def prepare(self) -> ProcessSpec:
        """Make its files ready, end what an earlier run left, and say what to run."""
        ...

    def is_ready(self, process: Process) -> bool:
        """Whether that process of it takes clients now."""
        ...

    def choose_port(self) -> None:
        """Take another free port, before anybody was told of the present one."""
        ...


def await_ready(server: EmbeddedServer, process: Process, pause: Pause = time.sleep) -> Process:
    """Wait until the server takes clients, and return its process.

    A port that was taken between choosing and binding is replaced by another one, hence
    perhaps another process. Raises EmbeddedError when the server does not come up.
    """
    for attempt in range(_PORT_TRIES):
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while process.exit_code() is None and time.monotonic() < deadline_s:
            if server.is_ready(process):
                return process
            pause(_POLL_S)
        tail = process.output_tail()
        if process.exit_code() is None:
            process.stop(STOP_TIMEOUT_S)
            raise EmbeddedError(
                f"{server.name} did not get ready within {START_TIMEOUT_S:.0f} s: "
                f"see {process.spec.log}"
            )
        if _PORT_TAKEN not in tail.lower() or attempt == _PORT_TRIES - 1:
            break
        server.choose_port()
        process = Process(server.prepare())
    last = process.output_tail(1) or "it printed nothing"
    raise EmbeddedError(f"{server.name} did not start: {last} (whole log: {process.spec.log})")


@contextlib.contextmanager
def running(server: EmbeddedServer) -> Generator[Process]:
    """Run the server for the length of a `with` block, without restarting it."""
    process = Process(server.prepare())
    try:
        process = await_ready(server, process)
        yield process
    finally:
        process.stop(STOP_TIMEOUT_S)


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"

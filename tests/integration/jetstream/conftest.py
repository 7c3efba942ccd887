"""A nats-server of the wheel for each test that wants one, on a free port and a new directory."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from pathlib import Path

import pytest

from roomlog.embedded.tcp_ports import free_port
from roomlog.jetstream.log import JetStreamLog
from tests.uvloops import pytest_asyncio_loop_factories  # noqa: F401 - a hook

CONF = Path(__file__).parents[3] / "nats.conf"
START_TIMEOUT_S = 60.0


class Server:
    """A nats-server that can be killed, stopped in its tracks, and started again on its store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self, *options: str, under: Sequence[str] = ()) -> None:
        """Start and wait until it listens; the port stays the same over restarts. `under` is a
        command that runs the server."""
        binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
        assert binary is not None
        greeting = f"roomlog-test-{self.port}-{os.getpid()}"
        command = [*under, binary, "-c", str(CONF), "-a", "127.0.0.1", "-p", str(self.port)]
        command += ["-sd", str(self.folder / "store"), "-n", greeting, *options]
        with (self.folder / "log").open("ab") as log:
            # A group of its own: whatever runs the server must not leave it behind.
            self._process = subprocess.Popen(command, stderr=log, process_group=0)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as client,
            ):
                if greeting.encode() in client.recv(8192):
                    return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def kill(self) -> None:
        """kill -9, at once."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """An orderly end."""
        self.signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(START_TIMEOUT_S)

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        assert self._process is not None
        self.signal(signal.SIGSTOP)
        # All its threads have stopped when this returns.
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@contextlib.contextmanager
def running_server() -> Generator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="roomlog-nats-"))
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server() -> Generator[Server]:
    with running_server() as running:
        yield running


Connect = Callable[..., Awaitable[JetStreamLog]]


@pytest.fixture
async def connect(server: Server) -> AsyncGenerator[Connect]:
    """Connects logs to the test's server and closes them at its end."""
    logs: list[JetStreamLog] = []

    async def make(**options: object) -> JetStreamLog:
        log = await JetStreamLog.connect(server.url, **options)
        logs.append(log)
        return log

    yield make
    for log in logs:
        await log.close()


@pytest.fixture
async def log(connect: Connect) -> JetStreamLog:
    return await connect()

"""A `roomlog up` that lives on one data directory through all that is done to it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from roomlog.embedded.tcp_ports import free_port
from tests.faults.load import until
from tests.integration.client.proxy import FaultyProxy, faulty_proxy
from tests.stack import READY_TIMEOUT_S, Stack, clean_environment, data_directory

WORKERS = 2
SERVER_LINKS = (
    *("api-0-nats", "api-1-nats", "api-0-postgres", "api-1-postgres"),
    *("projector-0-nats", "projector-0-postgres"),
)
CLIENT_LINKS = ("clients", "sdk")
_UP = Path(__file__).with_name("linked_up.py")
_SETTINGS = {
    "USER_MESSAGES_PER_SECOND": "0",
    "ROOM_MESSAGES_PER_SECOND": "0",
    "CONNECTS_PER_MINUTE": "0",
    "SPAM_GUARD": "off",
    "HEARTBEAT_SECONDS": "2",
    "LOG_FORMAT": "json",
}
_STOP_TIMEOUT_S = 90.0


class World:
    """The product under test. `links` are the ways between its parts, and to it, by name."""

    def __init__(self, data: Path, links: dict[str, FaultyProxy], partitions: int) -> None:
        self.data = data
        self.partitions = partitions
        self.links = links
        self.port = free_port()
        self.stack: Stack | None = None
        self.frozen: dict[str, list[psutil.Process]] = {}
        self._errors = data / "up.stderr"

    @property
    def up(self) -> Stack:
        assert self.stack is not None
        return self.stack

    def pid_of(self, part: str) -> int:
        """The part's process as run.json names it; 0 where there is none now."""
        try:
            pids = self.up.run["pids"]
        except (FileNotFoundError, KeyError):
            return 0
        name, _, number = part.partition("-")
        pid = pids[name]
        return pid[int(number or 0)] if isinstance(pid, list) else pid

    async def start(self) -> None:
        """Start `roomlog up`, and return when it is ready."""
        settings = {**_SETTINGS, "PARTITIONS": str(self.partitions)}
        environment = clean_environment(**{f"ROOMLOG_{k}": v for k, v in settings.items()})
        arguments = (str(self.data), str(self.port), str(WORKERS))
        with self._errors.open("a") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(_UP), *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
                start_new_session=True,
            )
        self.stack = Stack(self.data, process, f"http://127.0.0.1:{self.port}")
        assert process.stdout is not None
        ready = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
        async with asyncio.timeout(READY_TIMEOUT_S):
            line = await ready
        assert line.startswith("ready "), f"it did not get ready: {self.complaints()}"

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End `roomlog up`; its exit code."""
        process = self.up.process
        process.send_signal(how)
        end_s = time.monotonic() + _STOP_TIMEOUT_S
        while process.poll() is None:
            if time.monotonic() > end_s:
                process.kill()
                process.wait()
                raise AssertionError(f"it did not stop: {self.complaints()}")
            await asyncio.sleep(0.02)
        assert process.stdout is not None
        process.stdout.close()
        return process.returncode

    async def kill_supervisor(self) -> None:
        """kill -9 of `roomlog up` itself; returns when its children have followed it."""
        pids = self.up.run["pids"]
        named = [pids["nats"], pids["postgres"], pids["projector"], *pids["api"]]
        children = [psutil.Process(pid) for pid in named if pid and psutil.pid_exists(pid)]
        await self.stop(signal.SIGKILL)
        await until(
            lambda: not any(c.is_running() and c.status() != "zombie" for c in children),
            "the children end with the supervisor",
        )

    def kill(self, part: str) -> int:
        """kill -9 of a part; its pid, 0 where it was not there."""
        pid = self.pid_of(part)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid

    def freeze(self, part: str) -> None:
        """SIGSTOP a part, with all its processes where it has several."""
        pid = self.pid_of(part)
        if not pid:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(pid)
            several = first.children(recursive=True) if part == "postgres" else []
            self.frozen[part] = [first, *several]
        for process in self.frozen.get(part, ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self, part: str) -> None:
        """SIGCONT what was frozen."""
        for process in self.frozen.pop(part, ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def heal(self) -> None:
        """Let everything go on that was only held."""
        for link in self.links.values():
            link.heal()
        for part in list(self.frozen):
            self.thaw(part)

    def _readiness(self) -> dict[str, Any]:
        """What /readyz tells now."""
        try:
            return httpx.get(f"{self.up.base_url}/readyz", timeout=10).json()
        except (httpx.HTTPError, ValueError) as error:
            return {"status": repr(error)}

    async def ready(self) -> None:
        """Return when every part works, by several answers: each worker is asked."""
        for _ in range(2 * WORKERS):
            told: dict[str, Any] = {}
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    while told.get("status") != "ready":
                        told = await asyncio.to_thread(self._readiness)
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise AssertionError(f"not ready: {told}\n{self.complaints()}") from None

    def complaints(self) -> str:
        """What `up` printed last."""
        return self._errors.read_text()[-3000:]


def _server_of(folder: Path, link: str) -> tuple[str, int]:
    host, _, port = (folder / f"{link}.server").read_text().partition(":")
    return host, int(port)


@asynccontextmanager
async def running_world(data: Path | None = None, partitions: int = 1) -> AsyncIterator[World]:
    """A world that runs, until the block ends; its directory goes too unless given."""
    folder = data or data_directory()
    places = folder / "links"
    places.mkdir(exist_ok=True)
    links: dict[str, FaultyProxy] = {}
    world = World(folder, links, partitions)
    async with AsyncExitStack() as proxies:
        for name in SERVER_LINKS:
            proxy = faulty_proxy(lambda name=name: _server_of(places, name))
            links[name] = await proxies.enter_async_context(proxy)
            port = links[name].url.rpartition(":")[2]
            (places / f"{name}.port").write_text(port)
        for name in CLIENT_LINKS:
            proxy = faulty_proxy(lambda: ("127.0.0.1", world.port))
            links[name] = await proxies.enter_async_context(proxy)
        try:
            await world.start()
            yield world
        finally:
            world.heal()
            if world.stack is not None and world.up.process.poll() is None:
                await world.stop()
            if data is None:
                shutil.rmtree(folder, ignore_errors=True)

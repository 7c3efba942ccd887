"""A load of WebSockets in a process of its own (`bench.websocket_load`), to be waited for."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from typing import Any

STOP_TIMEOUT_S = 10.0


class RunningLoad:
    """A load that was started. The caller asks for its `result` once."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._begun = False

    def await_begun(self) -> None:
        """Return when everybody is connected and the sending begins."""
        assert self._process.stdout is not None
        if not self._begun:
            line = self._process.stdout.readline()
            assert line == "begun\n", line
            self._begun = True

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def result(self) -> dict[str, Any]:
        """Wait until it is over: what it counted. Raises RuntimeError where it failed."""
        assert self._process.stdout is not None
        self.await_begun()
        told = self._process.stdout.read()
        if self._process.wait():
            raise RuntimeError("the load failed")
        return json.loads(told)


@contextlib.contextmanager
def running_load(task: dict[str, Any]) -> Generator[RunningLoad]:
    """Start a load; it is ended with the block at the latest. `task`: see bench.websocket_load."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.websocket_load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(task))
        process.stdin.close()
        yield RunningLoad(process)
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()

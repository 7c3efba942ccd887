"""SIGINT, SIGTERM and SIGHUP as something that a waiting supervisor meets at its next pause."""

import contextlib
import os
import select
import signal
from collections.abc import Generator
from types import FrameType


class StopRequested(Exception):  # noqa: N818 - not an error
    """Somebody pressed Ctrl-C, sent SIGTERM, or closed the terminal."""


class StopSignals:
    """Waits that end at once when a child dies, and raise when the process is asked to stop."""

    def __init__(self, wakeup: int) -> None:
        self._wakeup = wakeup
        self._requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del number, frame
        self._requested = True

    def pause(self, timeout_s: float) -> None:
        """Wait for `timeout_s` or less. Raises StopRequested once a stop was asked for."""
        if not self._requested:
            select.select([self._wakeup], [], [], timeout_s)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        if self._requested:
            raise StopRequested


def _wake_up_only(number: int, frame: FrameType | None) -> None:
    """A handler there must be: without one, the signal is not written to the wake-up pipe."""
    del number, frame


@contextlib.contextmanager
def stop_signals() -> Generator[StopSignals]:
    """Handle SIGINT, SIGTERM, SIGHUP (unless it is ignored, as by nohup) and SIGCHLD for the length of a `with` block (main thread)."""
    wakeup, write_end = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(write_end, False)
    stop = StopSignals(wakeup)
    handlers = {
        signal.SIGINT: stop.request,
        signal.SIGTERM: stop.request,
        signal.SIGCHLD: _wake_up_only,
    }
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handlers[signal.SIGHUP] = stop.request
    old_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        os.close(wakeup)
        os.close(write_end)

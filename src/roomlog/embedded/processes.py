"""Child processes: start them so that they cannot outlive us, watch, stop, and read their end."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roomlog.files import private

LOG_BYTES_MAX = 16 * 1024 * 1024
TAIL_BYTES = 4096
OWNER_ONLY_UMASK = 0o077
_POLL_S = 0.01
_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The user and group that a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What to run. `death_signal` is what the kernel sends it when the supervisor dies (Linux)."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL


class Process:
    """A running (or ended) child. Call from the main thread: its death signal hangs on that."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        shorten_log(spec.log)
        with open(spec.log, "ab", opener=private) as log:
            self._log_from = log.tell()
            self._popen = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                spec.argv,
                cwd=spec.cwd,
                env=dict(spec.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own session: Ctrl-C reaches the supervisor alone, which then stops all in order.
                start_new_session=True,
                # One prepared system call between fork and exec: nothing that a thread could block.
                preexec_fn=death_signal_setter(spec.death_signal),  # noqa: PLW1509 - see above
                user=spec.account.uid if spec.account else None,
                group=spec.account.gid if spec.account else None,
                extra_groups=[] if spec.account else None,
                # What it writes is for nobody else, also when it is moved out of our folders.
                umask=OWNER_ONLY_UMASK,
            )
        self.started_at_s = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal), or None while it runs."""
        return self._popen.poll()

    def signal_stop(self) -> None:
        """Ask it to stop; it may already have."""
        self._popen.send_signal(self.spec.stop_signal)

    def kill(self) -> None:
        """End it at once; it writes nothing more down."""
        self._popen.kill()

    def stop(self, timeout_s: float) -> bool:
        """Ask it to stop, kill it after `timeout_s`, return whether it went by itself."""
        self.signal_stop()
        return self.end_within(timeout_s)

    def end_within(self, timeout_s: float) -> bool:
        """Wait for one that was asked to stop, kill it after `timeout_s`, return whether it went
        by itself. Asking again would mean: wait for nobody."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            return False
        return True

    def output_tail(self, lines: int = 5) -> str:
        """The last lines that it has printed since its start."""
        with contextlib.suppress(OSError), self.spec.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            start = self._log_from if self._log_from <= size else 0
            log.seek(max(start, size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
            tail = [line for line in text.splitlines() if line.strip()][-lines:]
            return "\n".join(_plain(line) for line in tail)
        return ""


def _plain(line: str) -> str:
    """A log line for people: what it says, where it is one of roomlog's own JSON."""
    try:
        told = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return line
    if not isinstance(told, dict) or not {"level", "message"} <= told.keys():
        return line
    said = f"{told['level']}: {told['message']}"
    traceback = str(told.get("traceback", "")).strip()
    return f"{said} ({traceback.splitlines()[-1]})" if traceback else said


def death_signal_setter(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before exec so that it gets `death_signal` when this process dies.

    Must come after the change of user, which clears the setting; subprocess does it so.
    """
    if _libc is None:
        return None
    prctl, number, parent = _libc.prctl, int(death_signal), os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # The parent died between fork and prctl.
            os._exit(1)

    return set_death_signal


def shorten_log(path: Path) -> None:
    """Keep a log bounded: beyond the limit, what is there moves to `<name>.1`."""
    try:
        if path.stat().st_size <= LOG_BYTES_MAX:
            return
    except FileNotFoundError:
        return
    # On a full disk the copy fails, and making room matters more.
    with contextlib.suppress(OSError):
        shutil.copy(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)


def end_leftovers(folder: Path, executable: str, stop_signal: signal.Signals) -> list[int]:
    """End processes of an earlier run that still work in `folder`, and return their ids.

    They are known by their working directory and the name of their executable, which both
    servers and PostgreSQL's backends keep. After a supervisor or a postmaster was killed they
    end by themselves within moments; two servers on one folder would destroy it. Only where
    there is /proc; elsewhere the servers' own lock files must do.
    """
    ended: list[int] = []
    for send, wait_s in ((None, 0.5), (stop_signal, 10.0), (signal.SIGKILL, 10.0)):
        left = processes_in(folder, executable)
        if not left:
            break
        ended = ended or left
        for pid in left if send else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, send or 0)
        deadline_s = time.monotonic() + wait_s
        while processes_in(folder, executable) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
    return ended


def processes_in(folder: Path, executable: str) -> list[int]:
    """The ids of processes whose working directory is `folder` and executable is so named."""
    found: list[int] = []
    if not _PROC.is_dir():
        return found
    wanted = str(folder.resolve())
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (
                str((entry / "cwd").readlink()).removesuffix(" (deleted)") == wanted
                and (entry / "exe").readlink().name.removesuffix(" (deleted)") == executable
            ):
                found.append(int(entry.name))
    return found

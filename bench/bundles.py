"""`python -m bench.bundles`: a large room as a bundle: how fast, and in how much memory.

Each command is a process of its own, and the peak of its memory is what the system says at its end.
Beside the large room stands one of a tenth: what the large one needs more is what events cost.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import uvloop

from bench.log_filling import fill
from bench.measured import Measured, json_option, tell
from roomlog.core.signed_note import SigningKey
from roomlog.embedded.nats import run_nats
from roomlog.jetstream.log import JetStreamLog

_KEY = SigningKey("bench", bytes(32))
_PART = 10


class _Run(NamedTuple):
    seconds: float
    cpu_s: float
    peak_mib: float


def _run(folder: Path, *arguments: str, **settings: str) -> _Run:
    """A roomlog command to its end, which must be good."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROOMLOG_")}
    begun_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "roomlog", "audit", *arguments],
        cwd=folder,
        env={**environment, **settings},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"audit {arguments[0]} ended with {process.returncode}")
    seconds = time.perf_counter() - begun_s
    return _Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


async def _reading_s(nats_url: str, room: str) -> float:
    """The bare limit of an export: the room's events read, and nothing done with them."""
    log = await JetStreamLog.connect(nats_url)
    begun_s = time.perf_counter()
    async for _ in log.read(room, after=0):
        pass
    seconds = time.perf_counter() - begun_s
    await log.close()
    return seconds


def _hashing_s(file: Path) -> float:
    """The bare limit of a verification: every byte of the file hashed once."""
    begun_s = time.perf_counter()
    with file.open("rb") as bundle:
        hashlib.file_digest(bundle, "sha256")
    return time.perf_counter() - begun_s


def _measure(folder: Path, nats_url: str, events: int) -> list[Measured]:
    found: dict[int, dict[str, Any]] = {}
    for count in (events // _PART, events):
        room = uvloop.run(fill(nats_url, rooms=1, messages_each=count - 1, members=())).rooms[0]
        file = folder / f"{count}.html"
        settings = {"ROOMLOG_NATS_URL": nats_url, "ROOMLOG_AUDIT_KEY": _KEY.written()}
        found[count] = {
            "export": _run(folder, "export", room, "-o", str(file), "--log-alone", **settings),
            "verify": _run(folder, "verify", str(file)),
            "reading_s": uvloop.run(_reading_s(nats_url, room)),
            "hashing_s": _hashing_s(file),
            "bytes": file.stat().st_size,
        }
    small, large = found[events // _PART], found[events]
    rates = (
        ("export", large["reading_s"], "reading the events from the log"),
        ("verify", large["hashing_s"], "hashing the file"),
    )
    return [
        *(_rate(name, events, large[name], bare, what) for name, bare, what in rates),
        *(_memory(name, events, small[name], large[name]) for name, _, _ in rates),
        Measured(
            "bundle: size of an event", large["bytes"] / events, "bytes", more_is_better=False
        ),
    ]


def _rate(name: str, events: int, run: _Run, bare_s: float, what: str) -> Measured:
    details = {"CPU s": run.cpu_s, "events": events}
    figure = events / run.seconds
    return Measured(f"{name}: rate", figure, "events/s", events / bare_s, what, details=details)


def _memory(name: str, events: int, small: _Run, large: _Run) -> Measured:
    more_mib = large.peak_mib - small.peak_mib
    million_mib = large.peak_mib + more_mib * (1_000_000 - events) / (events - events // _PART)
    return Measured(
        f"{name}: peak memory, {events:,} events",
        large.peak_mib,
        "MiB",
        small.peak_mib,
        f"{events // _PART:,} events",
        more_is_better=False,
        details={"MiB at a million events, extrapolated": million_mib},
    )


@click.command()
@click.option("--events", default=200_000, show_default=True)
@json_option
def main(*, events: int, json_file: Path | None) -> None:
    """Export and verify a room of so many events, and one of a tenth of it."""
    with tempfile.TemporaryDirectory() as folder, run_nats(Path(folder) / "nats") as server:
        results = _measure(Path(folder), server.url, events)
    tell(results, json_file)


if __name__ == "__main__":
    main()

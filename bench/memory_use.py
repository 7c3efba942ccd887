"""Memory of a stack's processes as PSS: shared pages count once, by shares (Linux only)."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.stack import Stack

_MIB = 1024 * 1024


class Memory(NamedTuple):
    """MiB of each part at a moment. `total` is of the whole process tree of `up`."""

    at_s: float
    parts_mib: dict[str, float]

    @property
    def total_mib(self) -> float:
        return sum(self.parts_mib.values())


def memory_of(stack: Stack) -> Memory:
    """Now. What belongs to no part that run.json names is `other`."""
    pids = stack.run["pids"]
    left = set(_family(pids["supervisor"]))
    parts: dict[str, float] = {}
    named = {
        "NATS": [pids["nats"]],
        "PostgreSQL": list(_family(pids["postgres"])),
        "projector": [pids["projector"]],
        **{_api_name(n, pids["api"]): [pid] for n, pid in enumerate(pids["api"], 1)},
        "supervisor": [pids["supervisor"]],
    }
    for name, members in named.items():
        parts[name] = sum(pss_mib(pid) for pid in members)
        left -= set(members)
    if left:
        parts["other"] = sum(pss_mib(pid) for pid in left)
    return Memory(time.monotonic(), parts)


def _api_name(number: int, workers: list[int]) -> str:
    return "API" if len(workers) == 1 else f"API {number}"


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for child in psutil.Process(pid).children(recursive=True):
            yield child.pid
    except psutil.NoSuchProcess:
        return


def pss_mib(pid: int) -> float:
    """0 for a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    (line,) = (line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024 / _MIB


def slope_mib_per_hour(times_s: list[float], values_mib: list[float]) -> float:
    """Of the straight line that fits best (least squares); 0 for fewer than two moments."""
    count = len(times_s)
    if count < 2:
        return 0.0
    middle_s, middle_mib = sum(times_s) / count, sum(values_mib) / count
    spread = sum((at_s - middle_s) ** 2 for at_s in times_s)
    both = sum(
        (at_s - middle_s) * (mib - middle_mib)
        for at_s, mib in zip(times_s, values_mib, strict=True)
    )
    return both / spread * 3600

"""`python -m bench.overload`: the rate of sends that is sustained, and what happens at one, two and
five times of it: how many are taken and refused, how fast, and what memory that takes."""

import asyncio
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.memory_use import memory_of
from bench.projection_probe import await_projected
from bench.rooms_under_load import SETTINGS, check_order, connects, make_rooms, users
from bench.running_load import running_load
from tests.stack import Stack, running_stack

ROOMS = 200
TIMES = (1, 2, 5)
_SHEDDING = ("APPEND_WAIT_SECONDS", "REQUEST_WAIT_SECONDS")
SETTINGS_THAT_SHED = {name: value for name, value in SETTINGS.items() if name not in _SHEDDING}
_FIRST_PER_SECOND = 500
_STEP = 1.25
_P99_MS_MAX = 150.0
_SAMPLE_S = 0.25


class Peaks(threading.Thread):
    """The most memory that each part had, in MiB, while it runs."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.mib: dict[str, float] = {}
        self._stack = stack
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            for part, mib in memory_of(self._stack).parts_mib.items():
                self.mib[part] = round(max(mib, self.mib.get(part, 0.0)), 1)

    def stop(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def on_cores(cores: list[int]) -> Generator[None]:
    """What is started here has these cores to itself, as far as this benchmark goes."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def halves() -> tuple[list[int], list[int]]:
    """The cores for what is measured, and those for the load."""
    cores = sorted(os.sched_getaffinity(0))
    middle = max(1, len(cores) // 2)
    return cores[:middle], cores[middle:] or cores


def _offer(stack: Stack, rooms: list[str], per_second: float, seconds: float) -> dict[str, Any]:
    """Offer so many sends a second; what became of them. Raises AssertionError where a delivery
    is lost, doubled or out of order."""
    task = {
        "connects": connects(stack, rooms, each=2, senders=1),
        "content": CONTENT,
        "seconds": seconds,
        "per_second": per_second,
    }
    peaks = Peaks(stack)
    with on_cores(halves()[1]), running_load(task) as load:
        load.await_begun()
        peaks.start()
        result = load.result()
    peaks.stop()
    asyncio.run(await_projected(stack))
    check_order(result)
    assert not any(result[name] for name in ("missing", "unanswered", "closed")), result
    return {**result, "peaks_mib": peaks.mib}


def _sustained(stack: Stack, rooms: list[str], seconds: float) -> float:
    """The highest rate, of those that grow by a quarter, at which nothing is refused and the
    slowest hundredth of acks comes in _P99_MS_MAX."""
    found, per_second = 0.0, float(_FIRST_PER_SECOND)
    while True:
        result = _offer(stack, rooms, per_second, seconds)
        offered = result["acked"] + result["errors"]
        on_time = result["seconds"] < seconds * 1.05  # or it was the load that could not
        click.echo(
            f"  {per_second:.0f}/s: acks p99 {result['ack']['p99_ms']:.0f} ms, "
            f"{result['errors']} of {offered} refused",
            err=True,
        )
        if result["errors"] or result["ack"]["p99_ms"] > _P99_MS_MAX or not on_time:
            return found
        found, per_second = per_second, per_second * _STEP


def measure(stack: Stack, per_second: float, seconds: float) -> list[Measured]:
    """What happens at TIMES the sustained rate, which is found where `per_second` is 0."""
    rooms = make_rooms(stack, ROOMS, users(2))
    base = per_second or _sustained(stack, rooms, seconds)
    if not base:
        raise click.ClickException(f"not even {_FIRST_PER_SECOND} sends a second are sustained")
    found: list[Measured] = []
    for times in TIMES:
        result = _offer(stack, rooms, base * times, seconds)
        took_s = result["drained_s"]  # with what was answered only after the last was offered
        found.append(
            Measured(
                f"{times} times what is sustained: accepted",
                result["sends_per_second"],
                "/s",
                base,
                "the rate that is sustained",
                details={
                    "offered a second": (result["acked"] + result["errors"]) / took_s,
                    "refused a second": {
                        code: count / took_s for code, count in result["refused"].items()
                    },
                    "acks": result["ack"],
                    "refusals": result["refusal"],
                    "all answered after, s": result["drained_s"],
                    "memory peaks, MiB": result["peaks_mib"],
                    "deliveries checked": result["deliveries"],
                },
            )
        )
    return found


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@click.option(
    "--per-second", default=0.0, help="The rate that is sustained. Default: it is looked for."
)
@json_option
def main(*, seconds: float, per_second: float, json_file: Path | None) -> None:
    """Measure what happens when more is sent than can be taken."""
    with on_cores(halves()[0]), running_stack(**SETTINGS_THAT_SHED) as stack:
        results = measure(stack, per_second, seconds)
    tell(results, json_file)


if __name__ == "__main__":
    main()

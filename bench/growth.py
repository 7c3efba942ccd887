"""`python -m bench.growth`: what a message costs the server (CPU by part, and time to the ack) as
rooms, events and connections become more, at the same steady pace; beside the smallest of each.
`--events 10000 --events 5000000` takes its time: all of them are projected first."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bench.log_filling import CONTENT, fill
from bench.measured import Measured, json_option, tell
from bench.projection_probe import await_projected
from bench.rooms_under_load import SETTINGS, Cpu, check, connects, make_rooms, run_load, users
from tests.stack import Stack, running_stack

BUSY_ROOMS, CONNECTIONS_EACH = 10, 5
ROOMS_IN_USE_MAX = 1_000
IDLE_CONNECTIONS_EACH = 100
_QUIET_CPU = 0.05
_QUIET_S = 2.0
_QUIET_TIMEOUT_S = 600.0
_PARTS = ("api", "nats", "projector", "postgres")


class Pace:
    """The load that is the same at all sizes."""

    def __init__(self, stack: Stack, seconds: float, per_second: float, repeats: int) -> None:
        self.stack = stack
        self._seconds = seconds
        self._per_second = per_second
        self._repeats = repeats

    def cost(self, connections: list[dict[str, Any]]) -> dict[str, Any]:
        """The load's medians: µs of CPU a message by part, and ms to the ack."""
        await_quiet(self.stack)
        runs = [self._run(connections) for _ in range(self._repeats)]
        cpu = {
            part: statistics.median(run["cpu_us_per_message"][part] for run in runs)
            for part in _PARTS
        }
        acks = {
            share: statistics.median(run["ack"][share] for run in runs)
            for share in ("p50_ms", "p99_ms")
        }
        sums = [sum(run["cpu_us_per_message"].values()) for run in runs]
        return {"cpu_us": statistics.median(sums), "each_us": sums, "by_part": cpu, "ack": acks}

    def _run(self, connections: list[dict[str, Any]]) -> dict[str, Any]:
        task = {
            "connects": connections,
            "content": CONTENT,
            "seconds": self._seconds,
            "per_second": self._per_second,
        }
        result = run_load(self.stack, task)
        check(result)
        return result


def await_quiet(stack: Stack) -> None:
    """Return when the server's parts do next to nothing: what a filling left behind is done."""
    end_s = time.monotonic() + _QUIET_TIMEOUT_S
    while True:
        cpu = Cpu(stack)
        time.sleep(_QUIET_S)
        if sum(cpu.used().values()) < _QUIET_CPU * _QUIET_S:
            return
        assert time.monotonic() < end_s, "the server does not come to rest"


def _filled(stack: Stack, *, rooms: int, messages_each: int, members: Sequence[str]) -> list[str]:
    """New rooms by direct append, all in the tables."""
    filling = fill(stack.run["nats_url"], rooms=rooms, messages_each=messages_each, members=members)
    made = asyncio.run(filling).rooms
    asyncio.run(await_projected(stack))
    return made


def with_rooms(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more rooms: the load on the same ten, and spread over as many as are there."""
    stack = pace.stack
    busy = make_rooms(stack, BUSY_ROOMS, users(CONNECTIONS_EACH))
    same = connects(stack, busy, each=CONNECTIONS_EACH, senders=1)
    pace.cost(same)  # what only the first messages cost
    rooms: list[str] = []
    in_log: dict[int, dict[str, Any]] = {}
    in_use: dict[int, dict[str, Any]] = {}
    for size in sizes:
        new = max(0, size - len(rooms))
        rooms += _filled(stack, rooms=new, messages_each=0, members=users(1)) if new else []
        in_log[size] = pace.cost(same)
        used = min(size, ROOMS_IN_USE_MAX)
        if used not in in_use:
            in_use[used] = pace.cost(connects(stack, rooms[:used], each=1, senders=1))
    return [*_found("rooms in the log", in_log), *_found("rooms in use, 1 connection each", in_use)]


def with_events(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more events: the load on ten rooms that have them."""
    costs: dict[int, dict[str, Any]] = {}
    there = 0
    for size in sizes:
        each = max(0, size - there) // BUSY_ROOMS - CONNECTIONS_EACH - 1
        rooms = _filled(
            pace.stack, rooms=BUSY_ROOMS, messages_each=each, members=users(CONNECTIONS_EACH)
        )
        there = size
        load = connects(pace.stack, rooms, each=CONNECTIONS_EACH, senders=1)
        if not costs:
            pace.cost(load)  # what only the first messages cost
        costs[size] = pace.cost(load)
    return _found("events in the log", costs)


def with_connections(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more connections: the load on two rooms of five, all others idle elsewhere."""
    stack = pace.stack
    members = users(IDLE_CONNECTIONS_EACH)
    busy = connects(
        stack, make_rooms(stack, 2, users(CONNECTIONS_EACH)), each=CONNECTIONS_EACH, senders=1
    )
    quiet = make_rooms(stack, -(-max(sizes) // IDLE_CONNECTIONS_EACH), members)
    idle = connects(stack, quiet, each=IDLE_CONNECTIONS_EACH, senders=0)
    pace.cost(busy)  # what only the first messages cost
    costs = {size: pace.cost(busy + idle[: max(0, size - len(busy))]) for size in sizes}
    return _found("connections", costs)


def _found(what: str, costs: dict[int, dict[str, Any]]) -> list[Measured]:
    smallest = min(costs)
    least = costs[smallest]
    found: list[Measured] = []
    for size, cost in costs.items():
        first = size == smallest
        beside = "" if first else f"at {smallest:,}"
        found += [
            Measured(
                f"{size:,} {what}: server CPU a message",
                cost["cpu_us"],
                "µs",
                None if first else least["cpu_us"],
                beside,
                more_is_better=False,
                details={
                    "by part, µs": cost["by_part"],
                    "each run, µs": cost["each_us"],
                    "times the smallest": cost["cpu_us"] / least["cpu_us"],
                },
            ),
            Measured(
                f"{size:,} {what}: ack p50",
                cost["ack"]["p50_ms"],
                "ms",
                None if first else least["ack"]["p50_ms"],
                beside,
                more_is_better=False,
                details={"acks": cost["ack"]},
            ),
        ]
    return found


_DIMENSIONS: dict[str, Callable[[Pace, Sequence[int]], list[Measured]]] = {
    "rooms": with_rooms,
    "events": with_events,
    "connections": with_connections,
}


@click.command()
@click.option("--rooms", multiple=True, type=int, default=(10, 1_000, 100_000), show_default=True)
@click.option("--events", multiple=True, type=int, default=(10_000, 300_000), show_default=True)
@click.option("--connections", multiple=True, type=int, default=(10, 5_000), show_default=True)
@click.option("--only", type=click.Choice(tuple(_DIMENSIONS)), help="Leave out the others.")
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@click.option("--per-second", default=1_000.0, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Loads at each size.")
@json_option
def main(
    *,
    only: str | None,
    seconds: float,
    per_second: float,
    repeats: int,
    json_file: Path | None,
    **sizes: tuple[int, ...],
) -> None:
    """Measure what a message costs at several sizes of everything else."""
    found: list[Measured] = []
    for name, measure in _DIMENSIONS.items():
        if only in {None, name}:
            with running_stack(**SETTINGS) as stack:
                pace = Pace(stack, seconds, per_second, repeats)
                found += measure(pace, sorted(sizes[name]))
    tell(found, json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.growth`: what a message costs the server (CPU by part, and time to the ack) as
rooms, events and connections become more, at the same steady pace; in turns with the smallest of
each, so that whatever else the machine does hits both alike. `--events 10000 --events 5000000`
takes its time: all of them are projected first."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Load(NamedTuple):
    """Connections to a stack; the pace is the same for all."""

    stack: Stack
    connects: list[dict[str, Any]]


class Cost(NamedTuple):
    """Medians of loads: µs of CPU a message by part, and ms to the ack. `each_us` is of each load,
    `smallest` what the smallest cost in between (None: this is the smallest)."""

    by_part_us: dict[str, float]
    each_us: list[float]
    ack: dict[str, float]
    smallest: "Cost | None" = None

    @property
    def us(self) -> float:
        return statistics.median(self.each_us)

    @property
    def times(self) -> float:
        """How many times as much as the smallest, of loads that came one after the other."""
        if self.smallest is None:
            return 1.0
        pairs = zip(self.each_us, self.smallest.each_us, strict=True)
        return statistics.median(one / least for one, least in pairs)


class Pace:
    """The steady pace, and how often and how long it is kept."""

    def __init__(self, seconds: float, per_second: float, repeats: int) -> None:
        self._seconds = seconds
        self._per_second = per_second
        self._repeats = repeats

    def cost(self, load: Load, smallest: Load | None = None) -> Cost:
        """Of this load, in turns with the smallest."""
        for one in (load, smallest):
            if one is not None:
                await_quiet(one.stack)
        runs: list[dict[str, Any]] = []
        beside: list[dict[str, Any]] = []
        for _ in range(self._repeats):
            if smallest is not None:
                beside.append(self._run(smallest))
            runs.append(self._run(load))
        found = _cost(runs, _cost(beside) if beside else None)
        click.echo(f"{len(load.connects)} connections: {found.us:.0f} µs", err=True)
        return found

    def warm(self, load: Load) -> None:
        """What only the first messages cost is spent, and counts for nothing."""
        self._run(load)

    def _run(self, load: Load) -> dict[str, Any]:
        task = {
            "connects": load.connects,
            "content": CONTENT,
            "seconds": self._seconds,
            "per_second": self._per_second,
        }
        result = run_load(load.stack, task)
        check(result)
        return result


def _cost(runs: Sequence[dict[str, Any]], smallest: Cost | None = None) -> Cost:
    cpu = [run["cpu_us_per_message"] for run in runs]
    return Cost(
        {part: statistics.median(one[part] for one in cpu) for part in _PARTS},
        [sum(one.values()) for one in cpu],
        {key: statistics.median(run["ack"][key] for run in runs) for key in ("p50_ms", "p99_ms")},
        smallest,
    )


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
    click.echo(f"{rooms} rooms of {messages_each} messages appended", err=True)
    asyncio.run(await_projected(stack))
    return made


def with_rooms(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more rooms: the load on the same ten, and spread over as many as are there."""
    in_log: dict[int, Cost] = {}
    in_use: dict[int, Cost] = {}
    with running_stack(**SETTINGS) as few, running_stack(**SETTINGS) as many:
        same = {stack: _busy(pace, stack) for stack in (few, many)}
        first = _filled(few, rooms=sizes[0], messages_each=0, members=users(1))
        spread = Load(few, connects(few, first[:ROOMS_IN_USE_MAX], each=1, senders=1))
        in_log[sizes[0]] = pace.cost(same[few])
        in_use[len(spread.connects)] = pace.cost(spread)
        rooms: list[str] = []
        for size in sizes[1:]:
            rooms += _filled(many, rooms=size - len(rooms), messages_each=0, members=users(1))
            in_log[size] = pace.cost(same[many], same[few])
            used = min(size, ROOMS_IN_USE_MAX)
            if used not in in_use:
                load = Load(many, connects(many, rooms[:used], each=1, senders=1))
                in_use[used] = pace.cost(load, spread)
    return [*_found("rooms in the log", in_log), *_found("rooms in use, 1 connection each", in_use)]


def _busy(pace: Pace, stack: Stack) -> Load:
    rooms = make_rooms(stack, BUSY_ROOMS, users(CONNECTIONS_EACH))
    load = Load(stack, connects(stack, rooms, each=CONNECTIONS_EACH, senders=1))
    pace.warm(load)
    return load


def with_events(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more events: the load on ten rooms that have them."""
    costs: dict[int, Cost] = {}

    def rooms_of(stack: Stack, events: int) -> Load:
        each = max(0, events // BUSY_ROOMS - CONNECTIONS_EACH - 1)
        rooms = _filled(
            stack, rooms=BUSY_ROOMS, messages_each=each, members=users(CONNECTIONS_EACH)
        )
        load = Load(stack, connects(stack, rooms, each=CONNECTIONS_EACH, senders=1))
        pace.warm(load)
        return load

    with running_stack(**SETTINGS) as few, running_stack(**SETTINGS) as many:
        smallest = rooms_of(few, sizes[0])
        costs[sizes[0]] = pace.cost(smallest)
        there = 0
        for size in sizes[1:]:
            costs[size] = pace.cost(rooms_of(many, size - there), smallest)
            there = size
    return _found("events in the log", costs)


def with_connections(pace: Pace, sizes: Sequence[int]) -> list[Measured]:
    """More and more connections: the load on two rooms of five, all others idle elsewhere."""
    with running_stack(**SETTINGS) as stack:
        rooms = make_rooms(stack, 2, users(CONNECTIONS_EACH))
        busy = connects(stack, rooms, each=CONNECTIONS_EACH, senders=1)
        quiet = make_rooms(
            stack, -(-max(sizes) // IDLE_CONNECTIONS_EACH), users(IDLE_CONNECTIONS_EACH)
        )
        idle = connects(stack, quiet, each=IDLE_CONNECTIONS_EACH, senders=0)
        loads = {size: Load(stack, busy + idle[: max(0, size - len(busy))]) for size in sizes}
        pace.warm(loads[sizes[0]])
        costs = {sizes[0]: pace.cost(loads[sizes[0]])}
        for size in sizes[1:]:
            costs[size] = pace.cost(loads[size], loads[sizes[0]])
    return _found("connections", costs)


def _found(what: str, costs: dict[int, Cost]) -> list[Measured]:
    beside = f"at {min(costs):,}, in between"
    found: list[Measured] = []
    for size, cost in costs.items():
        least = cost.smallest
        cpu: dict[str, Any] = {
            "times the smallest": cost.times,
            "server CPU a message, µs": cost.by_part_us,
            "each load, µs": cost.each_us,
        }
        if least is not None:
            cpu |= {
                "the smallest, µs": least.by_part_us,
                "each load of the smallest, µs": least.each_us,
            }
        found += [
            Measured(
                f"{size:,} {what}: server CPU a message",
                cost.us,
                "µs",
                least and least.us,
                beside if least else "",
                more_is_better=False,
                details=cpu,
            ),
            Measured(
                f"{size:,} {what}: ack p50",
                cost.ack["p50_ms"],
                "ms",
                least and least.ack["p50_ms"],
                beside if least else "",
                more_is_better=False,
                details={"acks": cost.ack} | ({"of the smallest": least.ack} if least else {}),
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
            found += measure(Pace(seconds, per_second, repeats), sorted(set(sizes[name])))
    tell(found, json_file)


if __name__ == "__main__":
    main()

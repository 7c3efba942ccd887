"""`python -m bench.workers`: what 1, 2 and 4 API workers give, and what a message costs with them:
as fast as it goes, beside as many plain uvicorns, and at the same steady pace, beside one worker;
with a connection to each of many rooms (a room is one worker's business), with five to each, and
with a hundred to one room (which is the business of all). The numbers of workers take turns, so
that whatever else the machine does hits all alike."""

import contextlib
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.one_room import FRAME_BYTES
from bench.plain_fanout import FanOut, side_by_side
from bench.rooms_under_load import SETTINGS, check, connects, make_rooms, run_load, users
from tests.stack import Stack, running_stack


class Shape(NamedTuple):
    """Rooms with `each` connections, of which `senders` send."""

    name: str
    rooms: int
    each: int
    senders: int
    in_flight: int


SHAPES = (
    Shape("200 rooms x 1", 200, 1, 1, 4),
    Shape("100 rooms x 5", 100, 5, 1, 8),
    Shape("1 room x 100, 50 senders", 1, 100, 50, 1),
)


class Loads(NamedTuple):
    """Loads of one shape on one number of workers, in the order in which they were."""

    fastest: list[dict[str, Any]]
    steady: list[dict[str, Any]]
    plain: FanOut

    @property
    def sends(self) -> list[float]:
        """A second, as fast as it goes."""
        return [one["sends_per_second"] for one in self.fastest]

    @property
    def costs_us(self) -> list[float]:
        """All of the server's CPU for a message, at the steady pace."""
        return [sum(one["cpu_us_per_message"].values()) for one in self.steady]


class Place(NamedTuple):
    """Where a shape's loads run."""

    stack: Stack
    connects: list[dict[str, Any]]
    in_flight: int


def _place(stack: Stack, shape: Shape) -> Place:
    rooms = make_rooms(stack, shape.rooms, users(shape.each))
    connections = connects(stack, rooms, each=shape.each, senders=shape.senders)
    return Place(stack, connections, shape.in_flight)


def _load(place: Place, seconds: float, per_second: float) -> dict[str, Any]:
    task = {
        "connects": place.connects,
        "content": CONTENT,
        "seconds": seconds,
        "per_second": per_second,
        "in_flight": place.in_flight,
    }
    result = run_load(place.stack, task)
    check(result)
    return result


def _plain(shape: Shape, workers: int, seconds: float) -> FanOut:
    """As many connections in all: of a room of many each server has its share."""
    rooms = max(1, shape.rooms // workers)
    each = shape.each if shape.rooms > 1 else max(1, shape.each // workers)
    return side_by_side(
        workers, rooms=rooms, connections=each, size_bytes=FRAME_BYTES, seconds=seconds
    )


def measure(
    stacks: dict[int, Stack], shape: Shape, *, seconds: float, per_second: float, repeats: int
) -> dict[int, Loads]:
    """The shape on each stack; they are named by their numbers of workers."""
    found = {workers: Loads([], [], _plain(shape, workers, seconds / 2)) for workers in stacks}
    places = {workers: _place(stack, shape) for workers, stack in stacks.items()}
    for place in places.values():
        _load(place, min(2.0, seconds), per_second)  # what only the first ones cost
    for _ in range(repeats):
        for workers, place in places.items():
            found[workers].steady.append(_load(place, seconds, per_second))
        for workers, place in places.items():
            found[workers].fastest.append(_load(place, seconds, 0.0))
        click.echo(f"{shape.name}: {found[min(found)].costs_us[-1]:.0f} µs a message", err=True)
    return found


def _found(shape: str, by_workers: dict[int, Loads], per_second: float) -> list[Measured]:
    fewest = min(by_workers)
    least = by_workers[fewest]
    found: list[Measured] = []
    for workers, loads in by_workers.items():
        first = workers == fewest
        found += [
            Measured(
                f"{shape}, {_workers(workers)}: deliveries",
                statistics.median(one["deliveries_per_second"] for one in loads.fastest),
                "/s",
                loads.plain.per_second,
                f"uvicorn, {_workers(workers)}, a frame for each",
                details={
                    "sends a second": statistics.median(loads.sends),
                    "times as many sends": _times(loads.sends, least.sends),
                    "times as many deliveries by uvicorn": loads.plain.per_second
                    / least.plain.per_second,
                    **_costs(loads.fastest),
                    "uvicorn's CPU a delivery, µs": loads.plain.server_cpu_us,
                },
            ),
            Measured(
                f"{shape}, {_workers(workers)}, {per_second:,.0f} a second: server CPU a message",
                statistics.median(loads.costs_us),
                "µs",
                None if first else statistics.median(least.costs_us),
                "" if first else f"with {_workers(fewest)}, in between",
                more_is_better=False,
                details={
                    "times as much": _times(loads.costs_us, least.costs_us),
                    "each load, µs": loads.costs_us,
                    **_costs(loads.steady),
                },
            ),
        ]
    return found


def _times(values: list[float], least: list[float]) -> float:
    """Of loads that came one after the other."""
    return statistics.median(one / other for one, other in zip(values, least, strict=True))


def _costs(loads: list[dict[str, Any]]) -> dict[str, Any]:
    def medians(key: str) -> dict[str, float]:
        return {part: statistics.median(one[key][part] for one in loads) for part in loads[0][key]}

    return {
        "acks": medians("ack"),
        "server CPU a message, µs": medians("cpu_us_per_message"),
        "API CPU a delivery, µs": statistics.median(
            one["api_cpu_us_per_delivery"] for one in loads
        ),
        "each worker's share of the API's CPU": loads[-1]["api_cpu_shares"],
    }


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


@click.command()
@click.option("--workers", multiple=True, type=int, default=(1, 2, 4), show_default=True)
@click.option("--seconds", default=6.0, show_default=True, help="Length of each load.")
@click.option("--per-second", default=1_000.0, show_default=True, help="The steady pace.")
@click.option("--repeats", default=3, show_default=True, help="Loads of each kind.")
@json_option
def main(
    *,
    workers: tuple[int, ...],
    seconds: float,
    per_second: float,
    repeats: int,
    json_file: Path | None,
) -> None:
    """Measure with several numbers of workers."""
    found: list[Measured] = []
    with contextlib.ExitStack() as open_stacks:
        stacks = {
            number: open_stacks.enter_context(running_stack(["--workers", str(number)], **SETTINGS))
            for number in sorted(set(workers))
        }
        for shape in SHAPES:
            measured = measure(
                stacks, shape, seconds=seconds, per_second=per_second, repeats=repeats
            )
            found += _found(shape.name, measured, per_second)
    tell(found, json_file)


if __name__ == "__main__":
    main()

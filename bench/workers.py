"""`python -m bench.workers`: what 1, 2 and 4 API workers give, and what a message costs with them:
as fast as it goes, beside as many plain uvicorns, and at the same steady pace, beside one worker;
with a connection to each of many rooms (a room is one worker's business), with five to each, and
with a hundred to one room (which is the business of all)."""

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
    """One shape with one number of workers."""

    fastest: dict[str, Any]
    steady: dict[str, Any]
    plain: FanOut

    @property
    def cost_us(self) -> float:
        """All of the server's CPU for a message, at the steady pace."""
        return sum(self.steady["cpu_us_per_message"].values())


def _load(stack: Stack, shape: Shape, seconds: float, per_second: float) -> dict[str, Any]:
    rooms = make_rooms(stack, shape.rooms, users(shape.each))
    result = run_load(
        stack,
        {
            "connects": connects(stack, rooms, each=shape.each, senders=shape.senders),
            "content": CONTENT,
            "seconds": seconds,
            "per_second": per_second,
            "in_flight": shape.in_flight,
        },
    )
    check(result)
    return result


def _plain(shape: Shape, workers: int, seconds: float) -> FanOut:
    """As many connections in all: of a room of many each server has its share."""
    rooms = max(1, shape.rooms // workers)
    each = shape.each if shape.rooms > 1 else max(1, shape.each // workers)
    return side_by_side(
        workers, rooms=rooms, connections=each, size_bytes=FRAME_BYTES, seconds=seconds
    )


def measure(workers: int, seconds: float, per_second: float) -> dict[str, Loads]:
    """All shapes with so many workers."""
    found: dict[str, Loads] = {}
    with running_stack(["--workers", str(workers)], **SETTINGS) as stack:
        for shape in SHAPES:
            _load(stack, shape, min(2.0, seconds), per_second)  # what only the first ones cost
            steady = _load(stack, shape, seconds, per_second)
            plain = _plain(shape, workers, seconds / 2)
            found[shape.name] = Loads(_load(stack, shape, seconds, 0.0), steady, plain)
    return found


def _found(
    shape: str, by_workers: dict[int, dict[str, Loads]], per_second: float
) -> list[Measured]:
    fewest = min(by_workers)
    least = by_workers[fewest][shape]
    found: list[Measured] = []
    for workers, measured in by_workers.items():
        loads = measured[shape]
        first = workers == fewest
        found += [
            Measured(
                f"{shape}, {_workers(workers)}: deliveries",
                loads.fastest["deliveries_per_second"],
                "/s",
                loads.plain.per_second,
                f"uvicorn, {_workers(workers)}, a frame for each",
                details={
                    "sends a second": loads.fastest["sends_per_second"],
                    "times as many sends": loads.fastest["sends_per_second"]
                    / least.fastest["sends_per_second"],
                    "times as many deliveries by uvicorn": loads.plain.per_second
                    / least.plain.per_second,
                    "acks": loads.fastest["ack"],
                    **_costs(loads.fastest),
                    "uvicorn's CPU a delivery, µs": loads.plain.server_cpu_us,
                },
            ),
            Measured(
                f"{shape}, {_workers(workers)}, {per_second:,.0f} a second: server CPU a message",
                loads.cost_us,
                "µs",
                None if first else least.cost_us,
                "" if first else f"with {_workers(fewest)}",
                more_is_better=False,
                details={
                    **_costs(loads.steady),
                    "times as much": loads.cost_us / least.cost_us,
                    "acks": loads.steady["ack"],
                },
            ),
        ]
    return found


def _costs(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "server CPU a message, µs": result["cpu_us_per_message"],
        "API CPU a delivery, µs": result["api_cpu_us_per_delivery"],
        "each worker's share of the API's CPU": result["api_cpu_shares"],
    }


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


@click.command()
@click.option("--workers", multiple=True, type=int, default=(1, 2, 4), show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@click.option("--per-second", default=1_000.0, show_default=True, help="The steady pace.")
@json_option
def main(
    *, workers: tuple[int, ...], seconds: float, per_second: float, json_file: Path | None
) -> None:
    """Measure with several numbers of workers."""
    measured = {number: measure(number, seconds, per_second) for number in sorted(set(workers))}
    tell([one for shape in SHAPES for one in _found(shape.name, measured, per_second)], json_file)


if __name__ == "__main__":
    main()

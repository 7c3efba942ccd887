"""`python -m bench.fairness`: a quiet room, ten messages a second, alone and beside a busy room
that floods; beside them what as busy a machine does to it without roomlog's flood."""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click

from bench.bare_nats import paced_publishes_ms
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.one_room import CONNECTIONS, FRAME_BYTES, STORED_BYTES
from bench.plain_fanout import deliveries_per_second
from bench.rooms_under_load import SETTINGS, check, connects, make_rooms, users
from bench.running_load import RunningLoad, running_load
from tests.stack import Stack, running_stack

QUIET_PER_SECOND, QUIET_CONNECTIONS = 10, 5
FLOOD_SENDERS = 50
# The flood begins before and ends after what is measured beside it.
_MARGIN_S = 8.0


def _quiet_task(stack: Stack, room: str, seconds: float) -> dict[str, Any]:
    return {
        "connects": connects(stack, [room], each=QUIET_CONNECTIONS, senders=1),
        "content": CONTENT,
        "seconds": seconds,
        "per_second": QUIET_PER_SECOND,
    }


def _quiet(stack: Stack, room: str, seconds: float) -> dict[str, Any]:
    """The quiet room's own load, in a process of its own."""
    with running_load(_quiet_task(stack, room, seconds)) as load:
        return load.result()


@contextlib.contextmanager
def _flood(stack: Stack, room: str, seconds: float, in_flight: int) -> Generator[RunningLoad]:
    task = {
        "connects": connects(stack, [room], each=CONNECTIONS, senders=FLOOD_SENDERS),
        "content": CONTENT,
        "seconds": seconds + _MARGIN_S,
        "in_flight": in_flight,
    }
    with running_load(task) as load:
        load.await_begun()
        yield load


@contextlib.contextmanager
def _busy_machine(seconds: float) -> Generator[None]:
    """As many connections as the flood has, served by plain uvicorn, as fast as it can."""

    def flood() -> None:
        deliveries_per_second(
            connections=CONNECTIONS, size_bytes=FRAME_BYTES, seconds=seconds + _MARGIN_S
        )

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
        assert thread.is_alive(), "the machine was not busy to the end"
    finally:
        thread.join()


def _publishes(stack: Stack, seconds: float) -> dict[str, float]:
    return asyncio.run(
        paced_publishes_ms(
            stack.run["nats_url"],
            per_second=QUIET_PER_SECOND,
            size_bytes=STORED_BYTES,
            seconds=seconds,
        )
    )


def measure(stack: Stack, seconds: float, in_flight: int) -> list[Measured]:
    """All cases, `seconds` each."""
    quiet, busy = make_rooms(stack, 2, users(CONNECTIONS))
    _quiet(stack, quiet, min(2.0, seconds))  # what only the first messages cost
    alone = _quiet(stack, quiet, seconds)
    with _busy_machine(seconds):
        beside_machine = _quiet(stack, quiet, seconds)
    with _flood(stack, busy, seconds, in_flight) as load:
        beside = _quiet(stack, quiet, seconds)
        assert not load.ended, "the flood was over before the quiet room"
        flood = load.result()
    with _flood(stack, busy, seconds, in_flight) as load:
        bare = _publishes(stack, seconds)
        assert not load.ended, "the flood was over before the publishes"
        check(load.result())
    for result in (alone, beside_machine, beside, flood):
        check(result)
    found: list[Measured] = []
    for name, kind in (("send to ack", "ack"), ("send to receive", "receive")):
        found.append(
            Measured(
                f"quiet room beside a flood: {name}, p99",
                beside[kind]["p99_ms"],
                "ms",
                alone[kind]["p99_ms"],
                "the same room alone",
                more_is_better=False,
                details={
                    "alone": alone[kind],
                    "beside the flood": beside[kind],
                    "beside plain uvicorn's flood": beside_machine[kind],
                    "times as long, p50": _times(beside, alone, kind, "p50_ms"),
                    "times as long, p99": _times(beside, alone, kind, "p99_ms"),
                    "times as long beside plain uvicorn's flood, p99": _times(
                        beside_machine, alone, kind, "p99_ms"
                    ),
                    "JetStream beside the flood, publish to ack": bare,
                    "the flood": {
                        "sends/s": flood["sends_per_second"],
                        "deliveries/s": flood["deliveries_per_second"],
                        **flood["ack"],
                    },
                },
            )
        )
    return found


def _times(loaded: dict[str, Any], alone: dict[str, Any], kind: str, share: str) -> float:
    return loaded[kind][share] / alone[kind][share]


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="Length of each case.")
@click.option("--in-flight", default=1, show_default=True, help="Of each of the flood's senders.")
@json_option
def main(*, seconds: float, in_flight: int, json_file: Path | None) -> None:
    """Measure what a busy room does to a quiet one."""
    with running_stack(**SETTINGS) as stack:
        tell(measure(stack, seconds, in_flight), json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.many_rooms`: 100 rooms of 5 connections, one sender in each, with one and with
eight sends under way; beside plain JetStream in atomic batches on the same server."""

import asyncio
from pathlib import Path

import click

from bench.bare_nats import batches_per_second
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.one_room import STORED_BYTES
from bench.rooms_under_load import SETTINGS, connects, details, make_rooms, run_load, users
from tests.stack import Stack, running_stack

ROOMS, CONNECTIONS_EACH = 100, 5
_BARE_EVENTS = 40_000


def measure(stack: Stack, seconds: float) -> list[Measured]:
    """Both cases, each with its bare limit."""
    found: list[Measured] = []
    for in_flight, batch in ((1, 100), (8, 256)):
        bare = asyncio.run(
            batches_per_second(stack, [b"x" * STORED_BYTES] * _BARE_EVENTS, batch=batch)
        )
        rooms = make_rooms(stack, ROOMS, users(CONNECTIONS_EACH))
        result = run_load(
            stack,
            {
                "connects": connects(stack, rooms, each=CONNECTIONS_EACH, senders=1),
                "content": CONTENT,
                "seconds": seconds,
                "in_flight": in_flight,
            },
        )
        found.append(
            Measured(
                f"100 rooms x 5, {in_flight} in flight each: sends",
                result["sends_per_second"],
                "/s",
                bare,
                f"JetStream, atomic batches of {batch}",
                details=details(result),
            )
        )
    return found


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@json_option
def main(*, seconds: float, json_file: Path | None) -> None:
    """Measure a hundred small rooms."""
    with running_stack(**SETTINGS) as stack:
        tell(measure(stack, seconds), json_file)


if __name__ == "__main__":
    main()

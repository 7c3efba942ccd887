"""`python -m bench.one_room`: one room of 100 connections, with 50 senders, with one, and at a
calm pace; beside plain JetStream and plain uvicorn fan-out on the same machine."""

import asyncio
from pathlib import Path
from typing import Any

import click

from bench.bare_nats import batches_per_second, publishes_per_second
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.plain_fanout import deliveries_per_second
from bench.rooms_under_load import SETTINGS, connects, details, make_rooms, run_load, users
from tests.stack import Stack, running_stack

CONNECTIONS = 100
STORED_BYTES = 620
FRAME_BYTES = 525
_BARE_EVENTS = 20_000


def measure(stack: Stack, seconds: float) -> list[Measured]:
    """All cases; the bare limits are taken in between."""
    url = stack.run["nats_url"]
    data = b"x" * STORED_BYTES
    batches = asyncio.run(batches_per_second(stack, [data] * _BARE_EVENTS, batch=50))
    fanout = deliveries_per_second(
        connections=CONNECTIONS, size_bytes=FRAME_BYTES, seconds=seconds / 3
    )
    many = _load(stack, senders=50, seconds=seconds)
    single = asyncio.run(
        publishes_per_second(url, senders=1, size_bytes=STORED_BYTES, seconds=seconds / 3)
    )
    one = _load(stack, senders=1, seconds=seconds)
    calm = _load(stack, senders=20, seconds=seconds, per_second=20)
    bare_acks = {name: single[name] for name in ("p50_ms", "p99_ms")}
    return [
        Measured(
            "50 senders, closed loop: sends",
            many["sends_per_second"],
            "/s",
            batches,
            "JetStream, atomic batches of 50",
            details=details(many),
        ),
        Measured(
            "50 senders, closed loop: deliveries",
            many["deliveries_per_second"],
            "/s",
            fanout,
            "uvicorn, a frame for each",
        ),
        Measured(
            "1 sender, closed loop: sends",
            one["sends_per_second"],
            "/s",
            single["per_second"],
            "JetStream, 1 publish at a time",
            details={"JetStream's acks": bare_acks, **details(one)},
        ),
        Measured(
            "20 a second: send to receive, p99",
            calm["receive"]["p99_ms"],
            "ms",
            single["p99_ms"],
            "JetStream, publish to ack",
            more_is_better=False,
            details={
                "receive": calm["receive"],
                "JetStream's acks": bare_acks,
                **details(calm),
            },
        ),
    ]


def _load(stack: Stack, *, senders: int, seconds: float, per_second: float = 0) -> dict[str, Any]:
    (room,) = make_rooms(stack, 1, users(CONNECTIONS))
    return run_load(
        stack,
        {
            "connects": connects(stack, [room], each=CONNECTIONS, senders=senders),
            "content": CONTENT,
            "seconds": seconds,
            "per_second": per_second,
        },
    )


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@json_option
def main(*, seconds: float, json_file: Path | None) -> None:
    """Measure a room of 100 connections."""
    with running_stack(**SETTINGS) as stack:
        tell(measure(stack, seconds), json_file)


if __name__ == "__main__":
    main()

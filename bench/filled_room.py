"""A room with many messages, appended to the log directly, for benchmarks that read."""

import asyncio

from bench.log_filling import fill
from bench.projection_probe import await_projected
from tests.stack import Stack


def filled_room(stack: Stack, messages: int, *, members: list[str]) -> tuple[str, int]:
    """A room of that many messages, all of them in the tables: its id and its head."""
    filled = asyncio.run(
        fill(stack.run["nats_url"], rooms=1, messages_each=messages, members=members)
    )
    asyncio.run(await_projected(stack))
    return filled.rooms[0], filled.head

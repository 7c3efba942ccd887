"""Waiting with a deadline."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(awaited: Awaitable[T], seconds: float) -> T:
    """What it gives. Raises TimeoutError after `seconds`.

    Python 3.11's `asyncio.wait_for` loses a cancellation that comes in the turn of the answer.
    """
    async with asyncio.timeout(seconds):
        return await awaited

"""Answers in pieces, of which one at a time is made and held."""

from collections.abc import AsyncGenerator
from contextlib import aclosing


async def one_at_a_time(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The pieces, each asked for only when the one before has been taken by the reader.

    An ASGI server takes a piece at once and waits with the next one until there is place for it:
    that next one is empty here.
    """
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
            del piece
            yield b""

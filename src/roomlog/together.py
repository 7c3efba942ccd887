"""Several pieces of work at once."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def together(*work: Coroutine[Any, Any, object]) -> None:
    """Do all of it at once. The first failure ends the rest, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as errors:
        # The first says what went wrong; the others come of its ending them.
        raise _first(errors) from errors


async def end_task(task: "asyncio.Task[Any]") -> None:
    """Cancel it and wait until it has ended. What else ended it is raised."""
    task.cancel()
    # Not `await task`: that can't tell the task's cancellation from the caller's own.
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def one_ahead(batches: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The same, the next one already being made while its reader is at work on the one before.

    Whoever stops before the end closes it.
    """
    coming = asyncio.create_task(_next(batches))
    try:
        while (found := await coming) is not None:
            coming = asyncio.create_task(_next(batches))
            yield found[0]
    finally:
        coming.cancel()
        await asyncio.wait([coming])
        if not coming.cancelled():
            coming.exception()  # where it is another than what its reader got, nobody needs it
        await batches.aclose()


async def _next(batches: AsyncGenerator[T]) -> tuple[T] | None:
    try:
        return (await anext(batches),)
    except StopAsyncIteration:
        return None

"""Work at once: the first failure ends it all, and what is made ahead comes in order."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from roomlog.together import end_task, one_ahead, together


class BrokenError(Exception):
    pass


async def test_the_first_failure_is_raised_as_it_is_and_ends_the_rest():
    ended = asyncio.Event()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise BrokenError

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(BrokenError):
        await together(go_on(), fail())
    assert ended.is_set()


async def test_all_is_done_when_it_returns():
    done: list[int] = []

    async def add(n: int) -> None:
        await asyncio.sleep(0)
        done.append(n)

    await together(*(add(n) for n in range(3)))
    assert sorted(done) == [0, 1, 2]


class Source:
    """Batches 1 to `count`, then an error if it is to break."""

    def __init__(self, count: int, *, breaks: bool = False) -> None:
        self._count = count
        self._breaks = breaks
        self.made = 0
        self.closed = False

    async def batches(self) -> AsyncGenerator[int]:
        try:
            for n in range(1, self._count + 1):
                await asyncio.sleep(0)
                self.made = n
                yield n
            if self._breaks:
                raise BrokenError
        finally:
            self.closed = True


async def made(source: Source, count: int) -> None:
    async with asyncio.timeout(10):
        while source.made < count:
            await asyncio.sleep(0)


async def test_one_is_made_while_the_one_before_is_worked_on_and_no_more():
    source = Source(5)
    taken: list[int] = []
    async with contextlib.aclosing(one_ahead(source.batches())) as batches:
        async for one in batches:
            await made(source, min(one + 1, 5))
            for _ in range(10):
                await asyncio.sleep(0)
            assert source.made == min(one + 1, 5)
            taken.append(one)
    assert taken == [1, 2, 3, 4, 5]
    assert source.closed


async def test_nothing_comes_of_nothing():
    source = Source(0)
    assert [one async for one in one_ahead(source.batches())] == []


async def read(source: Source, taken: list[int], *, breaks_at: int = 0) -> None:
    async with contextlib.aclosing(one_ahead(source.batches())) as batches:
        async for one in batches:
            taken.append(one)
            if one == breaks_at:
                raise BrokenError


async def test_a_failure_of_the_source_comes_after_what_it_has_made():
    taken: list[int] = []
    with pytest.raises(BrokenError):
        await read(Source(2, breaks=True), taken)
    assert taken == [1, 2]


async def test_a_failure_of_the_reader_closes_the_source():
    source, taken = Source(5), list[int]()
    with pytest.raises(BrokenError):
        await read(source, taken, breaks_at=1)
    assert source.closed
    assert source.made <= 2


async def test_a_task_is_ended_when_end_task_returns():
    ended = asyncio.Event()

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    task = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    await end_task(task)
    assert ended.is_set()


async def test_what_else_ended_a_task_is_raised():
    async def fail() -> None:
        raise BrokenError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with pytest.raises(BrokenError):
        await end_task(task)


async def test_who_ends_a_task_can_be_cancelled_meanwhile():
    slow = asyncio.Event()

    async def end_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await slow.wait()

    task = asyncio.create_task(end_slowly())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end_task(task))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    slow.set()
    await asyncio.wait([task])

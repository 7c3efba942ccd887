"""Bytes are shared among callers in turns; who waits too long is refused, who leaves takes none."""

import asyncio

import pytest

from roomlog.core.admission import Patience
from roomlog.services.byte_budget import ByteBudget
from roomlog_contract.errors import ErrorCode, RefusedError

CODE = ErrorCode.DATABASE_UNAVAILABLE


class Work:
    """Has shares of a budget for as long as it is told to."""

    def __init__(self, budget: ByteBudget) -> None:
        self.budget = budget
        self.under_way: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Event] = []

    def begin(self, caller: str, size_bytes: int, *, refusable: bool = True) -> None:
        end = asyncio.Event()
        self._ends.append(end)

        async def do() -> None:
            async with self.budget.share(caller, size_bytes, refusable=refusable):
                self.under_way.append(caller)
                await end.wait()
                self.under_way.remove(caller)

        self.tasks.append(asyncio.create_task(do()))

    async def end(self, number: int) -> None:
        self._ends[number].set()
        await self.settle()

    @staticmethod
    async def settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def work(bytes_max: int = 100, target_s: float = 0) -> Work:
    return Work(ByteBudget(Patience(target_s), CODE, bytes_max=bytes_max))


async def test_no_more_is_made_at_once_than_there_are_bytes():
    made = work()
    for _ in range(5):
        made.begin("one", 40)
    await made.settle()
    assert len(made.under_way) == 2
    for number in range(5):
        await made.end(number)
        assert len(made.under_way) == min(2, 4 - number)
    await asyncio.gather(*made.tasks)


async def test_callers_take_turns_whatever_they_ask_for():
    made = work()
    for _ in range(20):
        made.begin("many", 100)
    await made.settle()
    made.begin("quiet", 10)
    await made.settle()
    assert made.under_way == ["many"]
    await made.end(0)
    assert made.under_way == ["many"]  # it came before, and asked for all
    await made.end(1)
    assert made.under_way == ["quiet"]
    for number in (20, *range(2, 20)):
        await made.end(number)
    await asyncio.gather(*made.tasks)


async def test_a_share_larger_than_all_is_all():
    made = work()
    made.begin("one", 1000)
    made.begin("two", 1)
    await made.settle()
    assert made.under_way == ["one"]
    await made.end(0)
    assert made.under_way == ["two"]
    await made.end(1)


async def test_who_waits_too_long_is_refused_and_who_has_begun_is_not():
    made = work(target_s=0.01)
    made.begin("one", 100)
    await made.settle()
    made.begin("two", 100)
    made.begin("three", 100, refusable=False)
    with pytest.raises(RefusedError) as refused:
        await made.tasks[1]
    assert (refused.value.code, refused.value.retry_after_s) == (CODE, 1)
    assert not made.tasks[2].done()
    await made.end(0)
    assert made.under_way == ["three"]
    await made.end(2)


async def test_who_leaves_while_waiting_or_in_its_turn_takes_nothing_along():
    made = work()
    made.begin("one", 100)
    await made.settle()
    made.begin("two", 60)
    made.begin("three", 60)
    await made.settle()
    made.tasks[1].cancel()
    await made.end(0)
    assert made.under_way == ["three"]
    made.begin("four", 100)
    await made.settle()
    made._ends[2].set()
    made.tasks[2].cancel()
    made.tasks[3].cancel()
    await made.settle()
    made.begin("five", 100)
    await made.settle()
    assert made.under_way[-1] == "five"
    await made.end(4)

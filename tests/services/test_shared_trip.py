"""Round trips shared by those who ask at the same time."""

import asyncio

import pytest

from roomlog.services.shared_trip import SharedTrip


class Trips:
    def __init__(self) -> None:
        self.begun = 0
        self.held = asyncio.Event()
        self.fails = False

    async def go(self) -> None:
        self.begun += 1
        await self.held.wait()
        if self.fails:
            raise OSError("lost")


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_those_who_ask_together_share_one():
    trips = Trips()
    shared = SharedTrip(trips.go)
    asking = [asyncio.create_task(shared.take()) for _ in range(10)]
    await turns()
    assert trips.begun == 1
    trips.held.set()
    await asyncio.gather(*asking)
    assert trips.begun == 1


async def test_who_asks_meanwhile_gets_one_that_begins_later():
    trips = Trips()
    shared = SharedTrip(trips.go)
    first = asyncio.create_task(shared.take())
    await turns()
    later = [asyncio.create_task(shared.take()) for _ in range(10)]
    await turns()
    assert trips.begun == 1
    trips.held.set()
    await first
    await asyncio.gather(*later)
    assert trips.begun == 2


async def test_its_failure_is_told_to_all_who_share_it_and_to_nobody_else():
    trips = Trips()
    trips.fails = True
    trips.held.set()
    shared = SharedTrip(trips.go)
    told = await asyncio.gather(*(shared.take() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [OSError] * 3
    trips.fails = False
    await shared.take()


async def test_one_who_gives_up_ends_it_for_nobody_else():
    trips = Trips()
    shared = SharedTrip(trips.go)
    gives_up, stays = asyncio.create_task(shared.take()), asyncio.create_task(shared.take())
    await turns()
    gives_up.cancel()
    trips.held.set()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gives_up

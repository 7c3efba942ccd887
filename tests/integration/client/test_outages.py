"""After any history of outages the client is whole again: nothing missed, nothing twice, nothing
sent twice, in order."""

import asyncio
import time
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roomlog_client import RoomlogClient, State
from tests.faults.load import kill_and_await_successor
from tests.integration.client.conftest import HEARTBEAT_S
from tests.integration.client.following import (
    ADA,
    BOB,
    Followed,
    check_whole,
    create_room,
    following,
    until,
)
from tests.integration.client.proxy import FaultyProxy, faulty_proxy
from tests.stack import Stack

_BUDGET_S = 45.0


@dataclass
class World:
    """What a step acts upon."""

    proxy: FaultyProxy
    client: RoomlogClient
    rooms: list[Followed]
    bob: RoomlogClient


Step = tuple[object, ...]

_seconds = st.floats(0.0, 0.4)
_room = st.integers(0, 1)
_few = st.integers(1, 5)
_steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("send"), _room, _few),
    st.tuples(st.just("send"), _room, st.just(80)),
    st.tuples(st.just("change"), _room, st.sampled_from(["edit", "delete", "react"]), _few),
    st.tuples(st.just("others"), _room, _few),
    st.tuples(st.just("cut")),
    st.tuples(st.just("within"), st.sampled_from(["up", "down"]), st.integers(1, 2000)),
    st.tuples(st.just("stall"), _seconds),
    st.tuples(st.just("refuse"), _seconds),
    st.tuples(st.just("slow"), st.floats(0.0, 0.01), st.sampled_from([1, 7, 100])),
    st.tuples(st.just("offline"), _seconds),
    st.tuples(st.just("reader"), _room, st.floats(0.0, 0.02)),
    st.tuples(st.just("wait"), _seconds),
)


async def _take(world: World, step: Step) -> None:
    match step:
        case ("send", int(room), int(count)):
            for _ in range(count):
                followed = world.rooms[room]
                followed.ask(followed.room.send, f"{len(followed.asked)}")
        case ("change", int(room), str(kind), int(which)):
            _change(world.rooms[room], kind, which)
        case ("others", int(room), int(count)):
            there = await world.bob.room(world.rooms[room].room.room_id)
            for number in range(count):
                await there.send(f"bob says {number}")
        case ("reader", int(room), float(pause_s)):
            world.rooms[room].pause_s = pause_s
        case ("slow", float(delay_s), int(piece_bytes)):
            world.proxy.delay_s, world.proxy.piece_bytes = delay_s / piece_bytes, piece_bytes
        case ("cut",):
            world.proxy.cut()
        case ("within", str(direction), int(left_bytes)):
            world.proxy.cut_within(direction, left_bytes)
        case _:
            await _be_away(world, step)
    # Whatever was begun, begins before the next step.
    await asyncio.sleep(0)


async def _be_away(world: World, step: Step) -> None:
    match step:
        case ("stall", float(for_s)):
            world.proxy.stall()
            await asyncio.sleep(for_s)
        case ("refuse", float(for_s)):
            world.proxy.refusing = True
            world.proxy.cut()
            await asyncio.sleep(for_s)
        case ("offline", float(for_s)):
            world.client.offline()
            await asyncio.sleep(for_s)
            world.client.online()
        case ("wait", float(for_s)):
            await asyncio.sleep(for_s)
        case _:
            raise AssertionError(step)
    world.proxy.heal()


def _change(followed: Followed, kind: str, which: int) -> None:
    mine = followed.mine()
    if not mine:
        return
    message_id = mine[-which % len(mine)]
    if kind == "edit":
        followed.ask(followed.room.edit, message_id, f"edited, {len(followed.asked)}")
    elif kind == "delete":
        followed.ask(followed.room.delete, message_id)
    else:
        followed.ask(followed.room.react, message_id, "👍")


async def _live_through(stack: Stack, steps: list[Step]) -> None:
    async with (
        faulty_proxy(stack.base_url) as proxy,
        RoomlogClient(stack.base_url, token=stack.token(BOB)) as bob,
        RoomlogClient(proxy.url, token=stack.token(ADA)) as client,
    ):
        rooms = [await create_room(client), await create_room(client)]
        async with following(client, *rooms) as followed:
            world = World(proxy, client, followed, bob)
            for step in steps:
                await _take(world, step)
            proxy.heal()
            for one in followed:
                one.pause_s = 0.0
            client.online()
            for one in followed:
                await check_whole(stack, one)


class _Budget:
    """Where a machine is slow, fewer histories are lived through; how many is printed."""

    def __init__(self, seconds: float) -> None:
        self._end_s = time.monotonic() + seconds
        self.lived = 0

    def allows(self) -> bool:
        return self.lived < 3 or time.monotonic() < self._end_s


def test_after_any_history_of_outages_the_view_is_the_logs_fold(restless: Stack):
    budget = _Budget(_BUDGET_S)

    @settings(
        max_examples=40,
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(_steps, min_size=3, max_size=25))
    def live_through(steps: list[Step]) -> None:
        if budget.allows():
            asyncio.run(_live_through(restless, steps))
            budget.lived += 1

    live_through()
    print(f"{budget.lived} histories lived through")


async def test_a_connection_that_stalls_is_given_up_and_all_is_made_good(restless: Stack):
    async with (
        faulty_proxy(restless.base_url) as proxy,
        RoomlogClient(proxy.url, token=restless.token(ADA)) as client,
        following(client, await create_room(client)) as (followed,),
    ):
        await client.wait_for(State.LIVE)
        proxy.stall()
        followed.ask(followed.room.send, "into the void")
        await until(lambda: client.state is State.WAITING, "given up", HEARTBEAT_S * 2 + 10)
        assert client.reason is not None
        assert client.reason.code == "no_pong"
        proxy.heal()
        proxy.cut()
        await check_whole(restless, followed)


async def test_parts_of_the_server_are_killed_while_the_client_sends(restless: Stack):
    async with (
        RoomlogClient(restless.base_url, token=restless.token(ADA)) as client,
        following(client, await create_room(client)) as (followed,),
    ):
        for part in ("api", "nats", "postgres"):
            for number in range(30):
                followed.ask(followed.room.send, f"{part} {number}")
            await followed.asked[-20].task
            await kill_and_await_successor(restless, part)
            followed.ask(followed.room.react, followed.mine()[0], "👍")
            await asyncio.gather(*(asked.task for asked in followed.asked))
        await check_whole(restless, followed)

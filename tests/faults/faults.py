"""What is done to a world: each fault begins, lasts, and is over when it returns."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.faults.load import until
from tests.faults.world import CLIENT_LINKS, SERVER_LINKS, World
from tests.integration.client.proxy import FaultyProxy
from tests.stack import clean_environment

PARTS = ("nats", "postgres", "projector", "api-0", "api-1")
LINKS = (*SERVER_LINKS, *CLIENT_LINKS)
_FROZEN_S = (0.3, 6.0)
_BROKEN_S = (0.2, 5.0)
_TIMEOUT_S = 120.0

Act = Callable[[World, random.Random], Awaitable[None]]


class Fault(NamedTuple):
    """`name` says all of it: what, and to whom."""

    name: str
    act: Act


def _kill(part: str) -> Fault:
    async def act(world: World, chance: random.Random) -> None:
        old = world.kill(part)
        await until(lambda: world.pid_of(part) not in {0, old}, f"another {part} in run.json")

    return Fault(f"kill {part}", act)


def _freeze(part: str) -> Fault:
    async def act(world: World, chance: random.Random) -> None:
        world.freeze(part)
        try:
            await asyncio.sleep(chance.uniform(*_FROZEN_S))
        finally:
            world.thaw(part)

    return Fault(f"freeze {part}", act)


async def _kill_supervisor(world: World, chance: random.Random) -> None:
    await world.kill_supervisor()
    await world.start()


async def _restart(world: World, chance: random.Random) -> None:
    assert await world.stop() == 0, world.complaints()
    await world.start()


async def _kill_all(world: World, chance: random.Random) -> None:
    """Every part at the same moment, as when the machine stops."""
    for part in PARTS:
        world.kill(part)
    await _kill_supervisor(world, chance)


def _on_link(what: str, link: str, act: Callable[[FaultyProxy, random.Random], None]) -> Fault:
    async def broken(world: World, chance: random.Random) -> None:
        proxy = world.links[link]
        act(proxy, chance)
        try:
            await asyncio.sleep(chance.uniform(*_BROKEN_S))
        finally:
            proxy.heal()

    return Fault(f"{what} {link}", broken)


def _refuse(proxy: FaultyProxy, chance: random.Random) -> None:
    proxy.refusing = True
    proxy.cut()


def _slow(proxy: FaultyProxy, chance: random.Random) -> None:
    proxy.delay_s, proxy.piece_bytes = chance.uniform(0.001, 0.02), chance.choice((100, 4096))


def _cut_within(proxy: FaultyProxy, chance: random.Random) -> None:
    proxy.cut_within(chance.choice(("up", "down")), chance.randrange(1, 3000))


def _half_open(proxy: FaultyProxy, chance: random.Random) -> None:
    """One side is gone and the other does not know: nothing passes, and then nobody is there."""
    proxy.stall()
    asyncio.get_running_loop().call_later(chance.uniform(*_BROKEN_S), proxy.cut)


_LINK_FAULTS: dict[str, Callable[[FaultyProxy, random.Random], None]] = {
    "cut": lambda proxy, chance: proxy.cut(),
    "cut within a frame": _cut_within,
    "refuse": _refuse,
    "stall": lambda proxy, chance: proxy.stall(),
    "half-open up": lambda proxy, chance: proxy.stall("up"),
    "half-open down": lambda proxy, chance: proxy.stall("down"),
    "half-open": _half_open,
    "slow": _slow,
}


def away(server: str, least_s: float = 0.5, most_s: float = 8.0) -> Fault:
    """Nobody reaches the server, and who was connected is not any more."""

    async def act(world: World, chance: random.Random) -> None:
        async with gone(world, server):
            await asyncio.sleep(chance.uniform(least_s, most_s))

    return Fault(f"{server} away", act)


@asynccontextmanager
async def gone(world: World, server: str) -> AsyncGenerator[None]:
    """A server (`nats`, `postgres`) is away while the block runs."""
    links = [world.links[name] for name in SERVER_LINKS if name.endswith(server)]
    for link in links:
        link.refusing = True
        link.cut()
    try:
        yield
    finally:
        for link in links:
            link.heal()


async def _second_projector(world: World, chance: random.Random) -> None:
    """Another projector on the same log and tables, as a mistake in a deployment starts it."""
    with (world.data / "second.log").open("a") as log:
        second = subprocess.Popen(
            [sys.executable, "-m", "roomlog", "project", "--data", str(world.data)],
            stdout=log,
            stderr=log,
            env=clean_environment(),
        )
    try:
        await asyncio.sleep(chance.uniform(2, 6))
        # The first one goes, and the second may take over, while the supervisor starts a third.
        world.kill("projector")
        await asyncio.sleep(chance.uniform(1, 4))
    finally:
        second.kill()
        await asyncio.to_thread(second.wait, _TIMEOUT_S)


async def _second_up(world: World, chance: random.Random) -> None:
    """Another `roomlog up` on the same data: refused, and the first one goes on."""
    arguments = ("up", "--data", str(world.data), "--port", "0")
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "roomlog", *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=clean_environment(),
    )
    assert second.returncode == 1, second
    assert "another `roomlog up`" in second.stderr


async def _rebuild(world: World, chance: random.Random) -> None:
    """The tables are made anew meanwhile. What else is going on may well make that fail."""
    await asyncio.to_thread(world.up.cli, "projections", "rebuild", timeout_s=_TIMEOUT_S)


PROCESS_FAULTS = [
    *map(_kill, PARTS),
    *map(_freeze, (*PARTS, "supervisor")),
    Fault("kill supervisor", _kill_supervisor),
    Fault("kill everything", _kill_all),
    Fault("restart", _restart),
]
LINK_FAULTS = [_on_link(what, link, act) for what, act in _LINK_FAULTS.items() for link in LINKS]
OTHER_FAULTS = [
    away("postgres"),
    away("nats"),
    Fault("second projector", _second_projector),
    Fault("second up", _second_up),
    Fault("rebuild", _rebuild),
]
FAULTS = [*PROCESS_FAULTS, *LINK_FAULTS, *OTHER_FAULTS]


def draw(chance: random.Random) -> Fault:
    """One fault: of processes, of links and others about evenly."""
    of = chance.choices((PROCESS_FAULTS, LINK_FAULTS, OTHER_FAULTS), (5, 5, 1))[0]
    return chance.choice(of)


def named(name: str) -> Fault:
    """The fault of that name. Raises KeyError."""
    return {fault.name: fault for fault in FAULTS}[name]

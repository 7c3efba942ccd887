"""`python -m tests.faults.unplugged`: a run in a network of its own, whose only interface goes down
and comes back: packets are lost both ways between all parts and all clients, and nobody is told.

Prints the violations; exit 1 where there are any. To be started in a network namespace.
"""

import asyncio
import random
import subprocess
import sys

from tests.faults.faults import Fault
from tests.faults.run import figures, running
from tests.faults.world import World, running_world
from tests.histories.checker import check, explain

_SEED = 20_260_104
_TIMES = 3


async def unplug(world: World, chance: random.Random) -> None:
    """No packet gets anywhere for a while."""
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    try:
        await asyncio.sleep(chance.uniform(1.0, 8.0))
    finally:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


async def main() -> int:
    async with running_world() as world, running(world, _SEED) as run:
        chance = run.recording.chance("unplug")
        for _ in range(_TIMES):
            await run.progress(30)
            await run.happen(Fault("unplug", unplug), chance)
        await run.progress(30)
        history = await run.end()
    violations = check(history)
    print(explain(violations) if violations else figures(history))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

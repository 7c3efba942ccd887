"""Each fault alone, while clients of every kind are at work: no promise is broken by any, and all
goes on afterwards."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.faults import LINK_FAULTS, OTHER_FAULTS, PROCESS_FAULTS, Fault
from tests.faults.run import running
from tests.faults.world import World, running_world
from tests.histories.checker import check, explain

pytestmark = pytest.mark.timeout(600)

_SEED = 20_260_101
# Each kind of broken link, and each link, at least once. The mix has all of them.
_LINKS = LINK_FAULTS[:: len({fault.name.rpartition(" ")[2] for fault in LINK_FAULTS}) + 1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """One product through all of it, on one data directory."""
    async with running_world() as running_one:
        yield running_one


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "fault", [*PROCESS_FAULTS, *_LINKS, *OTHER_FAULTS], ids=lambda fault: fault.name
)
async def test_no_promise_is_broken_by(world: World, fault: Fault):
    async with running(world, _SEED) as run:
        await run.progress(20)
        await run.happen(fault, run.recording.chance(fault.name))
        await run.progress(20)
        violations = check(await run.end(verify=False))
    assert not violations, explain(violations)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_tables_are_the_fold_of_the_log_after_all_of_them(world: World):
    await world.ready()
    verified = await asyncio.to_thread(world.up.cli, "projections", "verify", timeout_s=300)

    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_every_kind_of_broken_link_and_every_link_has_its_turn():
    kinds = {fault.name.rpartition(" ")[0] for fault in LINK_FAULTS}
    links = {fault.name.rpartition(" ")[2] for fault in LINK_FAULTS}

    assert {fault.name.rpartition(" ")[0] for fault in _LINKS} == kinds
    assert {fault.name.rpartition(" ")[2] for fault in _LINKS} == links

"""Small versions of `bench.nasty`: what comes and goes, and what is large, leaves nothing behind."""

from bench.nasty import connect_and_leave, memory_mib, new_room, send_structured
from tests.stack import Stack

_GROWTH_MIB_MAX = 16.0  # a leaked connection costs some 50 KiB: a thousand would show


async def test_connections_that_come_and_go_leave_no_memory_behind(stack: Stack):
    room = await new_room(stack)
    await connect_and_leave(stack, room, 300, 20)
    before = memory_mib(stack)

    await connect_and_leave(stack, room, 1000, 20)

    assert memory_mib(stack) - before < _GROWTH_MIB_MAX


async def test_structured_data_of_the_largest_size_at_a_steady_rate_is_all_acked(stack: Stack):
    room = await new_room(stack)
    await send_structured(stack, room, 20, 2)
    before = memory_mib(stack)

    took_ms = await send_structured(stack, room, 20, 10)

    assert len(took_ms) == 200
    assert memory_mib(stack) - before < _GROWTH_MIB_MAX

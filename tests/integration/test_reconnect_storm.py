"""A small version of `bench.reconnect_storm`: many who are dropped at once come back at once."""

from bench.reconnect_storm import storms_on
from tests.stack import Stack

MANY = 100


async def test_all_come_back_without_a_stir_and_miss_nothing(stack: Stack):
    told = await storms_on(
        stack,
        connections=MANY,
        senders=2,
        typing=True,
        per_second=5,
        storms=2,
        away_s=0.5,
        calm_s=1,
    )
    assert (told["unacked"], told["errors"]) == (0, [])
    assert (told["chains_broken"], told["connections_incomplete"], told["seen"]) == (0, 0, {})
    assert told["delivered"] == told["sent"] * MANY
    # Who is back within the grace was never gone; and all who type cost a frame now and then.
    if told["all_live_again_max_s"] < 4:
        assert told["presence_frames_in_storms"] == 0
    assert 1 <= told["typing_frames"] <= 12

"""The trees' keeper on a real database: what it makes of a log, whole, holed and changed."""

import random

import pytest

from roomlog.audit.tree_keeper import TreesHaltedError
from roomlog.postgres.tree_tables import forget_trees
from roomlog.projection_ports import FenceLostError
from roomlog.services.recent_events import RecentEvents
from tests.integration.audit.holed_log import ROOMS, HoledLog, envelope_of
from tests.integration.audit.keeping import (
    findings,
    keep,
    keeper_of,
    roots,
    rows,
    unexplained,
)


def talk(log: HoledLog, count: int, seed: int = 1) -> None:
    chance = random.Random(seed)
    for number in range(count):
        log.say(chance.choice(ROOMS), f"message {number}")


def expected(log: HoledLog) -> dict[str, tuple[int, bytes]]:
    return {room: (len(log.appended[room]), log.root(room)) for room in log.appended}


@pytest.mark.parametrize("batch_events_max", [1, 3, 7, 1000])
async def test_trees_are_those_of_the_definition_whatever_the_batches(
    database: str, batch_events_max: int
):
    log = HoledLog()
    talk(log, 90)
    await keep(log, database, batch_events_max=batch_events_max)

    assert await roots(database) == expected(log)
    assert await findings(database) == []


async def test_several_partitions_each_have_their_rooms(database: str):
    log = HoledLog(partitions=3)
    talk(log, 60)
    await keep(log, database)

    assert await roots(database) == expected(log)
    assert [row["sequence"] for row in await rows(database, "tree_checkpoint")] == log.ends


async def test_trees_go_on_where_they_stood(database: str):
    log = HoledLog()
    for _ in range(5):
        talk(log, 17)
        await keep(log, database, batch_events_max=4)

    assert await roots(database) == expected(log)


async def test_what_the_projector_has_read_is_not_read_again(database: str):
    log, recent = HoledLog(), RecentEvents()
    recent.begin()
    talk(log, 50)
    log.erase(ROOMS[0], gone := log.say(ROOMS[0], "password"))
    log.explain(ROOMS[0], gone)
    async with keeper_of(log, database, batch_events_max=7, recent=recent) as keeper:
        recent.add(0, log.events[0][:30])
        taken, log.events[0] = log.events[0], []
        assert await keeper.take_recent() == 30
        assert await keeper.take_recent() == 0
        log.events[0] = taken
        recent.add(30, taken[30:])
        assert await keeper.take_recent() == len(taken) - 30
        assert keeper.position.sequence == log.ends[0]
        await keeper.check()

    assert await roots(database) == expected(log)
    assert await findings(database) == []


async def test_of_two_keepers_one_is_fenced_off_and_nothing_is_twice_in_the_trees(database: str):
    log = HoledLog()
    talk(log, 20)
    async with keeper_of(log, database) as first:
        # The lock is on the connection; a keeper that lost it and lives on is fenced by place.
        await forget_trees(database)
        talk(log, 5)
        await first.catch_up()
        await forget_trees(database)
        talk(log, 5)
        with pytest.raises(FenceLostError):
            await first.catch_up()
    await keep(log, database)

    assert await roots(database) == expected(log)


async def test_an_explained_hole_leaves_the_tree_as_it_was_before_and_after_the_erasure(
    database: str,
):
    log = HoledLog()
    talk(log, 30)
    sequence, _ = log.appended[ROOMS[0]][1]
    log.explain(ROOMS[0], sequence)
    await keep(log, database)
    before = await roots(database)
    assert before == expected(log)

    log.erase(ROOMS[0], sequence)
    await keep(log, database)
    assert await roots(database) == before

    await forget_trees(database)
    await keep(log, database, batch_events_max=4)
    assert await roots(database) == before
    assert await findings(database) == []
    assert await unexplained(database) == 0
    assert [row["sequence"] for row in await rows(database, "redactions")] == [sequence]


async def test_what_is_erased_before_the_keeper_came_is_explained_by_what_stands_far_behind(
    database: str,
):
    log = HoledLog()
    talk(log, 40)
    taken = [sequence for sequence, _ in log.appended[ROOMS[1]][:3]]
    for sequence in taken:
        log.explain(ROOMS[1], sequence)
    talk(log, 40, seed=2)
    for sequence in taken:
        log.erase(ROOMS[1], sequence)
    await keep(log, database, batch_events_max=2)

    assert await roots(database) == expected(log)
    assert await findings(database) == []


async def test_a_hole_without_explanation_is_found_and_the_rest_goes_on(database: str):
    log = HoledLog()
    talk(log, 30)
    await keep(log, database)
    gone = [log.say(ROOMS[0], "one"), log.say(ROOMS[0], "two")]
    later = log.say(ROOMS[1], "later")
    for sequence in gone:
        log.erase(ROOMS[0], sequence)
    await keep(log, database)

    assert await findings(database) == [(gone[0], gone[1], "hole")]
    assert await unexplained(database) == 2
    assert (await rows(database, "tree_checkpoint"))[0]["sequence"] == later
    del log.appended[ROOMS[0]][-2:]
    assert await roots(database) == expected(log)


async def test_what_is_erased_behind_the_trees_back_is_found_and_named(database: str):
    log = HoledLog()
    talk(log, 40)
    explained, _ = log.appended[ROOMS[0]][0]
    log.explain(ROOMS[0], explained)
    log.erase(ROOMS[0], explained)
    await keep(log, database)
    assert await findings(database) == []

    gone, _ = log.appended[ROOMS[2]][3]
    log.erase(ROOMS[2], gone)
    await keep(log, database)
    assert await findings(database) == [(gone, gone, "hole")]
    assert await unexplained(database) == 1
    assert await roots(database) == expected(log)

    await keep(log, database)
    assert await unexplained(database) == 1


async def test_a_log_whose_last_events_are_gone_is_found_out(database: str):
    log = HoledLog()
    talk(log, 10)
    await keep(log, database)
    last = [log.say(ROOMS[0], "one"), log.say(ROOMS[0], "two")]
    for sequence in last:
        log.erase(ROOMS[0], sequence)
    await keep(log, database)
    assert await findings(database) == [(last[0], last[1], "hole")]

    log.say(ROOMS[0], "three")
    await keep(log, database)
    assert await findings(database) == [(last[0], last[1], "hole")]
    assert await unexplained(database) == 2


async def test_a_redaction_that_keeps_another_envelope_explains_nothing(database: str):
    log = HoledLog()
    talk(log, 20)
    sequence, data = log.appended[ROOMS[0]][1]
    lie = envelope_of(data).replace(b"ada@example.org", b"bob@example.org")
    redaction = log.explain(ROOMS[0], sequence, lie)
    await keep(log, database)
    assert await findings(database) == [(redaction, redaction, "redaction")]

    log.erase(ROOMS[0], sequence)
    await keep(log, database)
    assert (sequence, sequence, "hole") in await findings(database)
    assert await roots(database) == expected(log)


async def test_a_redaction_of_another_rooms_event_explains_nothing(database: str):
    log = HoledLog()
    talk(log, 20)
    sequence, data = log.appended[ROOMS[0]][1]
    foreign = envelope_of(data).replace(ROOMS[0].encode(), ROOMS[1].encode())
    log.appended[ROOMS[1]].append((sequence, data))  # so that `explain` finds it
    redaction = log.explain(ROOMS[1], sequence, foreign)
    log.appended[ROOMS[1]].remove((sequence, data))
    await keep(log, database)

    assert await findings(database) == [(redaction, redaction, "redaction")]
    assert await rows(database, "redactions") == []


async def test_a_body_that_is_not_what_was_committed_to_is_found(database: str):
    log = HoledLog()
    sequence = log.say(ROOMS[0], "slow")
    log.change(ROOMS[0], sequence, log.appended[ROOMS[0]][0][1].replace(b"slow", b"fast"))
    await keep(log, database)

    assert await findings(database) == [(sequence, sequence, "commit")]


async def test_bytes_that_are_no_event_have_a_leaf_and_those_of_no_room_have_none(database: str):
    log = HoledLog()
    log.say(ROOMS[0], "before")
    log.append_bytes(ROOMS[0], b"\xff not an event")
    foreign = log.append_bytes("lobby", b"{}")
    log.say(ROOMS[0], "after")
    await keep(log, database)

    assert await findings(database) == [(foreign, foreign, "foreign")]
    assert (await roots(database))[ROOMS[0]][0] == 3


async def test_a_log_that_is_shorter_or_another_halts_the_trees(database: str):
    log = HoledLog()
    talk(log, 20)
    await keep(log, database)
    before = await roots(database)

    shorter = HoledLog()
    talk(shorter, 10)
    with pytest.raises(TreesHaltedError, match="lost events"):
        await keep(shorter, database)
    other = HoledLog()
    talk(other, 20, seed=2)
    with pytest.raises(TreesHaltedError, match="was changed"):
        await keep(other, database)
    assert await roots(database) == before


async def test_a_log_that_loses_its_end_while_the_keeper_runs_halts_it(database: str):
    log = HoledLog()
    talk(log, 20)
    async with keeper_of(log, database) as keeper:
        await keeper.catch_up()
        log.ends = [5]
        log.events = [log.events[0][:5]]
        with pytest.raises(TreesHaltedError, match="lost events"):
            await keeper.check()


async def test_a_new_epoch_makes_the_trees_anew(database: str):
    log = HoledLog()
    talk(log, 20)
    await keep(log, database)

    restored = HoledLog(epoch="epoch 2")
    talk(restored, 10, seed=3)
    await keep(restored, database)
    assert await roots(database) == expected(restored)
    assert (await rows(database, "tree_checkpoint"))[0]["epoch"] == "epoch 2"

"""A room's past: read from the changes since the last waypoint, which say what all of them say."""

import random
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from roomlog.core.decide import Fact, stamp
from roomlog.core.times import rfc3339
from roomlog.core.upcasters import room_event
from roomlog.memory_ports import RoomSnapshot
from roomlog.ports import LogEvent, LogUnavailableError
from roomlog.services import identity, past
from roomlog.services.past import CHANGES_PER_WAYPOINT, leave_waypoints, room_as_of
from roomlog_contract.fold import Fold, RoomState

ROOM = "0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e6f"
_BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
CLOSE, FAR = 3, 3 * past.APART_TOGETHER
"""How many events lie from one change to the next: they are read together, and each by itself."""


class History:
    """The log, the tables and the snapshots of one room, of which only each `apart`th event changes
    anything; `taken` counts what was read of the log."""

    def __init__(self, changes: int, apart: int = CLOSE) -> None:
        self.epoch = "e1"
        self.taken = 0
        self.away = False
        self.kept: dict[str, RoomSnapshot] = {}
        self.events: dict[int, bytes] = {}
        chance = random.Random(5)
        for number in range(changes):
            self.events[apart * number + 1] = self._change(number, chance)

    def _change(self, number: int, chance: random.Random) -> bytes:
        user = f"user{chance.randrange(40)}@example.org"
        if number == 0:
            fact = Fact("room.created", {"name": "r", "title": None, "severity": None})
        elif chance.random() < 0.1:
            fact = Fact("room.updated", {"title": f"title {number}"})
        elif chance.random() < 0.3:
            fact = Fact("member.removed", {"user_id": user, "role": "observer"})
        else:
            fact = Fact("member.added", {"user_id": user, "role": "observer"})
        at = rfc3339(_BEGAN + timedelta(seconds=number))
        return stamp(fact, ROOM, "ann@example.org", at, identity.new_stamp(identity.new_id(), None))

    def folded(self, then: int) -> RoomState | None:
        fold = Fold()
        for sequence, data in self.events.items():
            if sequence <= then:
                fold.apply(room_event(sequence, 0, data))
        return fold.room

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        assert room_id == ROOM
        self.taken += 1
        return self.events.get(sequence)

    async def read(
        self, room_id: str, *, after: int, up_to: int
    ) -> AsyncGenerator[Sequence[LogEvent]]:
        there = [sequence for sequence in self.events if after < sequence <= up_to]
        self.taken += len(there)
        yield [LogEvent(one, 0, room_id, self.events[one], 0) for one in there]

    async def room_changes(self, room_id: str, *, up_to: int) -> list[int]:
        return [sequence for sequence in self.events if sequence <= up_to]

    async def get(self, key: str) -> RoomSnapshot | None:
        return self.kept.get(key)

    async def put(self, key: str, snapshot: RoomSnapshot) -> None:
        if self.away:
            raise LogUnavailableError("away")
        self.kept[key] = snapshot


async def as_of(history: History, then: int) -> RoomState | None:
    return await room_as_of(history, history, history, ROOM, then)  # type: ignore[arg-type]


@pytest.mark.parametrize("apart", [CLOSE, FAR])
async def test_every_moment_is_the_fold_whatever_waypoints_there_are(
    apart: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(past, "CHANGES_PER_WAYPOINT", 8)
    history = History(50, apart)
    moments = list(range(50 * apart + 2))
    random.Random(3).shuffle(moments)
    for then in moments:
        assert await as_of(history, then) == history.folded(then)
    assert len(history.kept) == 6


@pytest.mark.parametrize("apart", [CLOSE, FAR])
async def test_who_asks_later_reads_no_more_than_the_changes_since_a_waypoint(apart: int):
    history = History(2_000, apart)
    last = max(history.events)
    assert await as_of(history, last) == history.folded(last)
    assert history.taken == 2_000
    for then in (last, last // 2, 3 * CHANGES_PER_WAYPOINT, last - 1):
        history.taken = 0
        assert await as_of(history, then) == history.folded(then)
        assert history.taken < CHANGES_PER_WAYPOINT


@pytest.mark.parametrize("apart", [CLOSE, FAR])
async def test_nobody_reads_more_where_waypoints_were_left_beforehand(apart: int):
    history = History(2_000, apart)
    last = max(history.events)
    for so_far in (last // 3, last):
        await leave_waypoints(history, history, history, ROOM, so_far)  # type: ignore[arg-type]
    assert history.taken < 2_000
    assert len(history.kept) == 2_000 // CHANGES_PER_WAYPOINT
    for then in (last, last // 2, CHANGES_PER_WAYPOINT * apart, last - 1):
        history.taken = 0
        assert await as_of(history, then) == history.folded(then)
        assert history.taken < CHANGES_PER_WAYPOINT


async def test_a_change_that_counts_only_later_makes_other_waypoints(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(past, "CHANGES_PER_WAYPOINT", 8)
    history = History(50)
    set_aside = dict(list(history.events.items())[5:13])
    history.events = {
        sequence: data for sequence, data in history.events.items() if sequence not in set_aside
    }
    last = max(history.events)
    assert await as_of(history, last) == history.folded(last)
    history.events = dict(sorted({**history.events, **set_aside}.items()))
    for then in range(last + 1):
        assert await as_of(history, then) == history.folded(then)


async def test_waypoints_of_another_epoch_or_form_or_that_can_not_be_kept_are_done_without(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(past, "CHANGES_PER_WAYPOINT", 8)
    history = History(30)
    history.away = True
    assert await as_of(history, 90) == history.folded(90)
    assert history.kept == {}
    history.away = False
    await as_of(history, 90)
    for key, kept in history.kept.items():
        history.kept[key] = msgspec.structs.replace(kept, state=b"of another form")
    assert await as_of(history, 90) == history.folded(90)
    history.epoch = "e2"
    history.taken = 0
    assert await as_of(history, 90) == history.folded(90)
    assert history.taken == 30

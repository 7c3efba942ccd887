"""A room's past: read from the changes since the last waypoint, which say what all of them say."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from roomlog.core.decide import Fact, stamp
from roomlog.core.upcasters import room_event
from roomlog.ports import LogUnavailableError, RoomSnapshot
from roomlog.services import identity, past
from roomlog.services.past import CHANGES_PER_WAYPOINT, room_as_of
from roomlog_contract.fold import Fold, RoomState

ROOM = "0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e6f"
_BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


class History:
    """The log, the tables and the snapshots of one room, of which only every third event changes
    anything; `read` counts what was read of the log."""

    def __init__(self, changes: int) -> None:
        self.epoch = "e1"
        self.read = 0
        self.away = False
        self.kept: dict[str, RoomSnapshot] = {}
        self.events: dict[int, bytes] = {}
        chance = random.Random(5)
        for number in range(changes):
            self.events[3 * number + 1] = self._change(number, chance)

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
        at = identity.rfc3339(_BEGAN + timedelta(seconds=number))
        return stamp(fact, ROOM, "ann@example.org", at, identity.new_stamp(identity.new_id(), None))

    def folded(self, then: int) -> RoomState | None:
        fold = Fold()
        for sequence, data in self.events.items():
            if sequence <= then:
                fold.apply(room_event(sequence, 0, data))
        return fold.room

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        assert room_id == ROOM
        self.read += 1
        return self.events.get(sequence)

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


async def test_every_moment_is_the_fold_whatever_waypoints_there_are(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(past, "CHANGES_PER_WAYPOINT", 8)
    history = History(50)
    moments = list(range(152))
    random.Random(3).shuffle(moments)
    for then in moments:
        assert await as_of(history, then) == history.folded(then)
    assert len(history.kept) == 6


async def test_who_asks_later_reads_no_more_than_the_changes_since_a_waypoint():
    history = History(2_000)
    last = max(history.events)
    assert await as_of(history, last) == history.folded(last)
    assert history.read == 2_000
    for then in (last, last // 2, 3 * CHANGES_PER_WAYPOINT, last - 1):
        history.read = 0
        assert await as_of(history, then) == history.folded(then)
        assert history.read < CHANGES_PER_WAYPOINT


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
    history.read = 0
    assert await as_of(history, 90) == history.folded(90)
    assert history.read == 30

"""`roomlog audit replay` plays a room by the rules of the cases, which the page's timeline is
tried on too (`src/console/test/replay-cases.test.ts`)."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roomlog.audit.pace import Pace
from roomlog_contract import fold as fo
from roomlog_contract.events import RoomEvent

CASES = json.loads((Path(__file__).parent / "replay_cases.json").read_text())
_MARKS = {
    fo.MemberChanged: "member",
    fo.MessageChanged: "edit",
    fo.MessageRemoved: "delete",
    fo.MessageErased: "redact",
}


def events(case: dict[str, Any]) -> list[RoomEvent]:
    found = [{"prev_sequence": 0, "room_id": "r", **one} for one in case["events"]]
    return msgspec.convert(found, list[RoomEvent])


def _each(part: str) -> list[Any]:
    return [
        pytest.param(case, one, id=f"{case['name']}-{n}")
        for case in CASES
        for n, one in enumerate(case[part])
    ]


@pytest.mark.parametrize(("case", "play"), _each("plays"))
def test_each_event_is_due_when_it_was_said_on_a_line_that_never_goes_back(
    case: dict[str, Any], play: dict[str, Any]
):
    longest_s = play["longest_pause_ms"] / 1000
    pace = Pace(play["speed"], longest_s=longest_s, first=play["from"])
    shown: list[list[int]] = []
    due_s = 0.0
    for event in events(case):
        if play["to"] is not None and event.sequence > play["to"]:
            break
        pause_s = pace.pause_s(event.sequence, datetime.fromisoformat(event.at))
        if pause_s is not None:
            due_s += pause_s
            shown.append([event.sequence, round(due_s * 1000)])

    assert shown == play["shown"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_changed_what_had_been_said_or_how_it_stood_is_the_folds_word(case: dict[str, Any]):
    fold = fo.Fold()
    marks: list[list[Any]] = []
    gone: set[str] = set()
    for event in events(case):
        effect = fold.apply(event)
        kind = _MARKS.get(type(effect))
        if isinstance(effect, fo.RoomChanged) and effect.message is not None:
            kind = "status"
        if isinstance(effect, fo.MessageErased):
            gone.add(effect.after.message_id)
        if kind is not None:
            marks.append([event.sequence, kind, getattr(event.event, "message_id", None)])
    # What changed a message that is redacted is told by nobody who reads it all after that.
    left = [m[:2] for m in marks if m[1] in {"redact", "status", "member"} or m[2] not in gone]

    assert left == case["marks"]


@pytest.mark.parametrize(("case", "moment"), _each("moments"))
def test_as_of_a_moment_the_room_is_the_fold_of_the_events_up_to_there(
    case: dict[str, Any], moment: dict[str, Any]
):
    fold = fo.Fold()
    for event in events(case):
        if event.sequence <= moment["as_of"]:
            fold.apply(event)
    said = {
        one.message_id: None if one.deleted_at is not None else one.content
        for one in fold.messages.values()
        if one.message_type != "system"
    }

    assert (None if fold.room is None else fold.room.status) == moment["status"]
    assert said == moment["said"]


def test_what_cannot_be_read_is_not_waited_for_and_moves_no_time():
    pace = Pace(1, longest_s=10)
    begin = datetime.fromisoformat("2030-01-31T12:00:00Z")
    later = begin + timedelta(seconds=2)

    assert [pace.pause_s(1, None), pace.pause_s(2, begin), pace.pause_s(3, None)] == [0, 0, 0]
    assert pace.pause_s(4, later) == 2


def test_without_a_speed_nothing_is_waited_for():
    for case in CASES:
        pace = Pace(0, longest_s=10)
        times = [(event.sequence, datetime.fromisoformat(event.at)) for event in events(case)]
        assert {pace.pause_s(*one) for one in times} == {0}

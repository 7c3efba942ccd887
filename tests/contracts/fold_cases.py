"""Histories of a room with what the fold makes of them: the cases that every fold must pass.

`python -m tests.contracts.fold_cases` writes the file anew; a test holds it fresh. A fold in
another language reads each case's `events` in order and must come to its `effects` (by name, with
the reason where there is none) and at the end to its `room` and `messages`.
"""

from pathlib import Path
from random import Random
from typing import Any

import msgspec

from roomlog_contract import events as ev
from roomlog_contract import fold as fo
from tests.core.golden_events import NAMES, PLACE, reader_file
from tests.projections.event_streams import IDS_PER_ROOM, ROOMS, Step, stream

FOLD_CASES = Path(__file__).parent / "fold_cases.json"
_HISTORIES = 24
_STEPS_MAX = 50
_KINDS = (
    *["room.created"] * 2,
    *["room.updated"] * 3,
    *["member.added"] * 3,
    *["member.role_changed"] * 2,
    *["member.removed"] * 2,
    *["message.sent"] * 8,
    *["message.edited"] * 4,
    *["message.deleted"] * 2,
    "message.redacted",
    *["reaction.added"] * 5,
    *["reaction.removed"] * 3,
)
_TEXTS = ("down", "db-7 is back", "🚒 brûle", "漢字\n2", '"quoted" \\ <b>', "x")
_EFFECTS: dict[type[fo.Effect], str] = {
    fo.RoomOpened: "room_opened",
    fo.RoomChanged: "room_changed",
    fo.MemberChanged: "member_changed",
    fo.MessageAdded: "message_added",
    fo.MessageChanged: "message_changed",
    fo.MessageRemoved: "message_removed",
    fo.MessageErased: "message_erased",
    fo.Reacted: "reacted",
    fo.Unreacted: "unreacted",
    fo.NoEffect: "no_effect",
}


class Case(msgspec.Struct, frozen=True):
    """A history and what becomes of it; `messages` in sequence order."""

    name: str
    events: list[ev.RoomEvent]
    effects: list[dict[str, Any]]
    room: fo.RoomState | None
    messages: list[dict[str, Any]]


def fold_cases() -> list[Case]:
    """All cases, the same each time."""
    golden = [
        msgspec.json.decode(reader_file(name).read_bytes(), type=ev.RoomEvent) for name in NAMES
    ]
    begun = ev.RoomEvent(1, 0, golden[0].room_id, golden[0].at, golden[0].event)
    return [
        *(_case(f"history {seed}", _history(Random(seed))) for seed in range(_HISTORIES)),
        *(_case(name, [one]) for name, one in zip(NAMES, golden, strict=True)),
        _case("every golden event in one room", [begun, *_numbered(golden)]),
    ]


def _numbered(events: list[ev.RoomEvent]) -> list[ev.RoomEvent]:
    """The same events one after the other, each with an id of its own."""
    first = PLACE[0]
    return [
        ev.RoomEvent(
            first + n,
            first + n - 1,
            one.room_id,
            one.at,
            msgspec.structs.replace(one.event, id=f"{one.event.id[:-4]}{n:04}"),
        )
        for n, one in enumerate(events)
    ]


def _history(rng: Random) -> list[ev.RoomEvent]:
    begin = [
        Step("room.created", 0, 1001, 0, 0, 0, 0, 0, "first"),
        Step("message.sent", 0, 1002, 0, 0, 0, 0, 0, "hello"),
    ]
    steps = [_step(rng, n) for n in range(rng.randrange(5, _STEPS_MAX))]
    orderly = rng.random() < 0.9
    return [e for e in stream([*begin, *steps] if orderly else steps) if e.room_id == ROOMS[0]]


def _step(rng: Random, number: int) -> Step:
    repeats = rng.random() < 0.15
    return Step(
        kind=rng.choice(_KINDS),
        room=0,
        id=rng.randrange(IDS_PER_ROOM) if repeats else 100 + number,
        about=rng.choice((0, 3, rng.randrange(40))),
        about_room=0,
        user=rng.choice((0, 0, 1, 2)),
        other=rng.randrange(3),
        choice=rng.randrange(12),
        text=rng.choice(_TEXTS),
    )


def _case(name: str, events: list[ev.RoomEvent]) -> Case:
    fold = fo.Fold()
    effects = [_effect(fold.apply(event)) for event in events]
    messages = sorted(fold.messages.values(), key=lambda message: message.sequence)
    return Case(name, events, effects, fold.room, [_message(one) for one in messages])


def _effect(effect: fo.Effect) -> dict[str, Any]:
    told = {"kind": _EFFECTS[type(effect)]}
    if isinstance(effect, fo.NoEffect):
        told |= {"reason": effect.reason.value, "sequence": effect.sequence}
    return told


def _message(message: fo.MessageState) -> dict[str, Any]:
    """JSON has no keys of two parts: reactions become a list, in the order of their adding."""
    reactions = [
        {"emoji": emoji, "user_id": user, "sequence": one.sequence, "at": one.at}
        for (emoji, user), one in message.reactions.items()
    ]
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return {**fields, "reactions": reactions}


def encoded() -> bytes:
    """The file's bytes: one case a line, so that a change shows where it is."""
    lines = [msgspec.json.encode(case) for case in fold_cases()]
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


if __name__ == "__main__":
    FOLD_CASES.write_bytes(encoded())

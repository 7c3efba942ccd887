"""A replay tells of every event, whatever it is, and shows nothing that a terminal would obey."""

import asyncio
import json
from pathlib import Path

from roomlog.audit import replay
from tests.audit import rooms
from tests.audit.rooms import RoomLog


def told(log: RoomLog, *, up_to: int | None = None) -> tuple[replay.Replay, list[replay.Told]]:
    async def run() -> tuple[replay.Replay, list[replay.Told]]:
        replayed = replay.Replay()
        events = replayed.events(log, rooms.ROOM, up_to=up_to)  # type: ignore[arg-type]
        return replayed, [one async for one in events]

    return asyncio.run(run())


def lines(log: RoomLog) -> list[str]:
    return [line for one in told(log)[1] for line in replay.in_words(one)]


def test_each_event_says_what_it_did():
    assert [line.split("Z  ")[-1] for line in lines(rooms.plain_log())] == [
        'ada@example.org opened the room "payments", severity high, status open',
        "ada@example.org made rob@example.org responder",
        "rob@example.org said",
        "    checkout is slow",
        "ada@example.org reacted 👀 to 6",
        "ada@example.org edited 6 (typo)",
        "    - checkout is slow",
        "    + checkout is very slow",
        "adm@example.org redacted 7 (a secret): what it said is gone",
        "ada@example.org took 👀 back from 6",
        "ada@example.org deleted 6 (no use)",
        "    - checkout is very slow",
        "ada@example.org changed the room, severity high, status resolved",
        "ada@example.org made rob@example.org observer",
        "ada@example.org took rob@example.org out of the room",
    ]


def test_what_cannot_be_read_has_its_line_too():
    log = rooms.nasty_log()
    text = "\n".join(lines(log))

    assert len(told(log)[1]) == len(log.events)
    assert text.count("(cannot be read)") > 5
    assert not set(text) & (set(map(chr, range(32))) - {"\n", "\t"} | {"\x7f", "\u202e"})


def test_as_it_stood_shows_what_was_there_then_and_no_more():
    replayed, _ = told(rooms.plain_log(), up_to=8)

    assert replay.as_it_stood(replayed.fold) == [
        'room "payments", severity high, status open',
        "members: ada@example.org (commander), rob@example.org (responder)",
        "       4  2026-01-31T09:02:00.000Z  ada@example.org (system)",
        "    ada@example.org added rob@example.org as responder",
        '    {"event":"member_added","user_id":"rob@example.org","role":"responder"}',
        "       6  2026-01-31T09:03:00.000Z  rob@example.org",
        "    checkout is slow",
        "    👀 ada@example.org",
    ]


def test_before_the_room_there_was_none():
    assert replay.as_it_stood(told(rooms.plain_log(), up_to=1)[0].fold) == ["there was no room yet"]


def test_for_machines_the_effects_have_the_names_of_the_contracts_cases():
    cases = json.loads(Path("tests/contracts/fold_cases.json").read_text())
    known = {effect["kind"] for case in cases for effect in case["effects"]}
    found = [replay.for_machines(one) for one in told(rooms.plain_log())[1]]

    assert set(replay._EFFECTS.values()) == known
    assert [one.effect for one in found[:3]] == ["room_opened", "member_changed", "message_added"]
    again = rooms.plain_log()
    again.put(again.at(6).data)
    last = replay.for_machines(told(again)[1][-1])
    assert (last.effect, last.reason) == ("no_effect", "repeated_id")

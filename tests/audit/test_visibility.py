"""Who could see what, by a room's log alone: also of events that are gone."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from roomlog.audit.visibility import NOT_TOLD, Visibility, in_words, visibility
from roomlog.ports import LogEvent
from tests.audit import rooms
from tests.audit.rooms import RoomLog

ROB = "rob@example.org"
SECRET = 7


def seen(log: RoomLog, user: str = ROB, moment: int | datetime | None = None) -> Visibility:
    asked = visibility(log, rooms.ROOM, user, moment, lambda done, what: None)  # type: ignore[arg-type]
    return asyncio.run(asked)


def lines(answer: Visibility) -> list[str]:
    told = list(in_words(answer))
    assert told[-len(NOT_TOLD) :] == [f"  - {line}" for line in NOT_TOLD]
    return told[: -len(NOT_TOLD) - 1]


def appended(log: RoomLog, sequence: int) -> datetime:
    ns = log.at(sequence).appended_ns
    return datetime.fromtimestamp(ns // 1_000_000_000 + 1, UTC)


def test_what_was_redacted_later_is_named_with_those_who_could_read_it():
    log = rooms.plain_log()
    for answer in (seen(log, moment=SECRET), seen(log, moment=9)):
        (secret,) = [one for one in answer.messages if one.sequence == SECRET]
        assert (secret.state, secret.content, secret.redacted_by) == ("present", "", 10)
        assert (secret.sender_id, secret.message_id) == (ROB, rooms.event_id(4))
    assert seen(log, moment=6).as_of == 6
    assert [one.sequence for one in seen(log, moment=6).messages] == [4, 6]
    (secret,) = [one for one in seen(log, moment=10).messages if one.sequence == SECRET]
    assert secret.state == "redacted"


def test_a_redacted_event_whose_bytes_are_there_still_says_nothing_here():
    log, whole = rooms.plain_log(), rooms.plain_log()
    secret = rooms.sent(4, "the password is hunter2", actor=ROB)
    place = next(n for n, one in enumerate(whole.events) if one.sequence > SECRET)
    whole.events.insert(place, LogEvent(SECRET, 6, rooms.ROOM, secret, 0))

    for moment in (SECRET, 9, 10):
        assert seen(whole, moment=moment) == seen(log, moment=moment)
        assert "hunter2" not in msgspec.json.encode(seen(whole, moment=moment)).decode()


def test_a_time_means_what_was_appended_by_then_and_what_is_gone_by_when_it_was_said():
    log = rooms.plain_log()
    assert seen(log, moment=appended(log, 8)).as_of == 8
    before = appended(log, 4) - timedelta(days=1)
    assert (seen(log, moment=before).as_of, seen(log, moment=before).memberships) == (0, [])
    # Between the events at 6 and 8; it was said at 09:04, before both were appended.
    assert seen(log, moment=appended(log, 6)).as_of == SECRET


def test_without_membership_nothing_is_seen_and_it_is_said_why():
    log = rooms.plain_log()
    assert lines(seen(log, "eve@example.org")) == [
        f'room {rooms.ROOM} "payments" as of sequence {log.events[-1].sequence}',
        "eve@example.org had never been a member and could read nothing",
    ]
    gone = lines(seen(log))
    assert gone[1] == "rob@example.org was no member any more and could read nothing"
    assert [line.split("Z  ")[-1].split(" (said")[0] for line in gone[3:]] == [
        "member.added by ada@example.org: responder",
        "member.role_changed by ada@example.org: observer",
        "member.removed by ada@example.org",
    ]
    assert seen(log).messages == []


def test_for_people_each_message_says_how_it_stood():
    told = lines(seen(rooms.plain_log(), moment=13))
    assert told[1] == (
        "rob@example.org was responder and could read 4 messages, "
        "1 deleted by then, 1 redacted by then"
    )
    text = "\n".join(told)
    assert (
        "       6  2026-01-31T09:03:00.000Z  rob@example.org "
        "(deleted 2026-01-31T09:09:00.000Z: only in views of the past)\n"
        "    - checkout is slow\n    - checkout is very slow\n"
    ) in text
    assert (
        "       7  2026-01-31T09:04:00.000Z  rob@example.org "
        "(redacted 2026-01-31T09:07:00.000Z by event 10)\n"
    ) in text
    then = "\n".join(lines(seen(rooms.plain_log(), moment=9)))
    assert "(redacted since, by event 10: what it said is gone)" in then
    assert "1 redacted since" in then


def test_what_cannot_be_read_is_counted_and_nothing_moves_the_terminals_cursor():
    log = rooms.nasty_log()
    answer = seen(log, "ada@example.org")
    text = "\n".join(lines(answer))

    assert answer.unreadable > 5
    assert f"{answer.unreadable:,} events cannot be read" in text
    assert not set(text) & (set(map(chr, range(32))) - {"\n", "\t"} | {"\x7f", "\u202e"})


def test_a_redaction_that_comes_while_the_room_is_read_is_not_missed():
    log = rooms.plain_log()
    kept = log.at(8)
    said = log.put(rooms.sent(20, "another secret"))

    class Redacting(RoomLog):
        reads = 0

        def read(self, room_id, *, after, up_to=None):
            self.reads += 1
            if self.reads == 2:
                self.put(rooms.redaction_of(self.at(said), 21))
                self.erase(said)
            return super().read(room_id, after=after, up_to=up_to)

    busy = Redacting()
    busy.events = log.events
    answer = seen(busy, "ada@example.org", said)

    assert busy.reads > 2
    assert kept in busy.events
    (secret,) = [one for one in answer.messages if one.sequence == said]
    assert (secret.state, secret.content, secret.redacted_by) == ("present", "", said + 1)

"""Whether a history is true to what roomlog promises. Pure: a history in, violations out.

Every promise has a kind of violation, and `test_checker` plants each of them.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, pairwise

import msgspec

from roomlog_contract.events import MessageRedacted, RoomEvent
from roomlog_contract.fold import Fold, NoEffect
from roomlog_contract.ids import keyed_event_id
from tests.histories.history import Act, History, Outcome, Stream, Write
from tests.histories.pictures import check_pictures
from tests.histories.violations import Kind, Violation

__all__ = ["Kind", "Violation", "check", "explain"]

_TYPES = {
    Act.CREATE: "room.created",
    Act.SEND: "message.sent",
    Act.EDIT: "message.edited",
    Act.DELETE: "message.deleted",
    Act.REACT: "reaction.added",
    Act.UNREACT: "reaction.removed",
}
# What a command may be told to be so already, with nothing appended.
_IDEMPOTENT = {Act.REACT, Act.UNREACT}
_MADE_WITH_A_ROOM = {"member.added"}
_TOLD_MAX = 20


class _Placed(msgspec.Struct):
    """A write and its event in the log."""

    write: Write
    sequence: int


def check(history: History) -> list[Violation]:
    """Everything in the history that breaks a promise, each in words."""
    found = [*_check_log(history)]
    rooms: dict[str, list[RoomEvent]] = defaultdict(list)
    for event in history.log:
        rooms[event.room_id].append(event)
    writes: dict[str, list[Write]] = defaultdict(list)
    for write in history.writes:
        writes[write.room].append(write)
    if any(history.begins_after):
        # Rooms of earlier runs: what was unknown then may come late.
        rooms = defaultdict(list, {room: rooms[room] for room in writes})
    for room in history.besides:
        rooms.pop(room, None)
    for room in sorted({*rooms, *writes}):
        found += _check_writes(room, writes[room], rooms[room])
    for stream in history.streams:
        found += _check_stream(stream, rooms[stream.room])
    found += check_pictures(history, rooms)
    return found


def explain(violations: list[Violation]) -> str:
    """For people: how many of each kind, and the first ones in full."""
    counts: dict[Kind, int] = defaultdict(int)
    for violation in violations:
        counts[violation.kind] += 1
    lines = [", ".join(f"{kind} {count}" for kind, count in counts.items())]
    lines += [f"{v.kind} in room {v.room}: {v.detail}" for v in violations[:_TOLD_MAX]]
    return "\n".join(lines)


def _check_log(history: History) -> Iterator[Violation]:
    """Each stream has every sequence once, and each room's events link to each other."""
    for begins_after, log in zip(history.begins_after, history.partitions(), strict=True):
        yield from _check_partition(begins_after, log)


def _check_partition(begins_after: int, log: list[RoomEvent]) -> Iterator[Violation]:
    last: dict[str, int] = defaultdict(int)
    # What is gone, with who says so: only a redaction may, and only of what stood before it.
    explained = {
        one.event.redacted_sequence: one.sequence
        for one in log
        if isinstance(one.event, MessageRedacted)
    }
    place = begins_after
    for event in log:
        place += 1
        while place < event.sequence and explained.get(place, 0) > place:
            place += 1
        if event.sequence != place:
            detail = f"sequence {event.sequence} where {place} should be"
            yield Violation(Kind.LOG_HOLE, event.room_id, detail)
            return
        known = event.room_id in last or not begins_after
        if known and event.prev_sequence != last[event.room_id]:
            detail = f"{event.sequence} links to {event.prev_sequence}, not {last[event.room_id]}"
            yield Violation(Kind.LOG_HOLE, event.room_id, detail)
        last[event.room_id] = event.sequence


def _check_writes(room: str, writes: list[Write], log: list[RoomEvent]) -> Iterator[Violation]:
    by_id: dict[str, list[RoomEvent]] = defaultdict(list)
    had_effect: dict[int, bool] = {}
    fold = Fold()
    for event in log:
        by_id[event.event.id].append(event)
        had_effect[event.sequence] = not isinstance(fold.apply(event), NoEffect)
    for event_id, events in by_id.items():
        if len(events) > 1:
            places = ", ".join(str(event.sequence) for event in events)
            yield Violation(Kind.DOUBLED, room, f"event {event_id} stands at {places}")
    asked: set[str] = set()
    placed: list[_Placed] = []
    for write in writes:
        event_id = keyed_event_id(room, write.user, write.key)
        asked.add(event_id)
        event = next(iter(by_id.get(event_id, ())), None)
        if event is not None:
            placed.append(_Placed(write, event.sequence))
            if problem := _altered(write, event):
                yield Violation(Kind.ALTERED, room, f"{problem}: {write}")
        effective = event is not None and had_effect[event.sequence]
        yield from _check_outcome(write, event, effective=effective)
    yield from _check_invented(room, asked, by_id)
    yield from _check_real_time(room, placed)
    yield from _check_client_order(room, placed)


def _check_outcome(
    write: Write, event: RoomEvent | None, *, effective: bool
) -> Iterator[Violation]:
    where = "nowhere" if event is None else f"at {event.sequence}"
    match write.outcome:
        case Outcome.ACKED if event is None:
            if not (write.duplicate and write.act in _IDEMPOTENT):
                yield Violation(Kind.ACKED_LOST, write.room, f"it is nowhere: {write}")
        case Outcome.ACKED if write.act is not Act.CREATE and event.sequence != write.sequence:
            yield Violation(Kind.ACKED_LOST, write.room, f"it is {where}: {write}")
        case Outcome.ACKED if not effective and not (write.duplicate and write.act in _IDEMPOTENT):
            yield Violation(Kind.ACK_UNTRUE, write.room, f"acked without effect: {write}")
        case Outcome.FAILED if event is not None:
            yield Violation(Kind.FAILED_APPENDED, write.room, f"it is {where}: {write}")
        case Outcome.REFUSED if effective:
            yield Violation(Kind.REFUSED_EFFECT, write.room, f"it is {where}: {write}")
        case _:
            pass


def _altered(write: Write, event: RoomEvent) -> str | None:
    """What of an event is not as it was asked for."""
    body = event.event
    said = getattr(body, "emoji", None) if write.act in _IDEMPOTENT else None
    if write.act in {Act.SEND, Act.EDIT}:
        said = getattr(body, "content", None)
    if body.type != _TYPES[write.act]:
        return f"type {body.type}"
    if body.actor != write.user:
        return f"actor {body.actor}"
    if said is not None and said != write.content:
        return f"says {said}"
    about = getattr(body, "message_id", "")
    return f"about {about}" if write.about and about != write.about else None


def _check_invented(
    room: str, asked: set[str], by_id: dict[str, list[RoomEvent]]
) -> Iterator[Violation]:
    for event_id, events in by_id.items():
        kind = events[0].event.type
        if event_id not in asked and kind not in _MADE_WITH_A_ROOM:
            detail = f"nobody asked for {kind} at {events[0].sequence}"
            yield Violation(Kind.INVENTED, room, detail)


def _check_real_time(room: str, placed: list[_Placed]) -> Iterator[Violation]:
    """What was acked before something else was asked for stands before it."""
    acked = [p for p in placed if p.write.outcome is Outcome.ACKED and p.write.ended_s is not None]
    # A reaction that was there already is acked with what was there: no event of its own.
    acked.sort(key=lambda p: p.write.ended_s or 0.0)
    ended = [p.write.ended_s or 0.0 for p in acked]
    highest = list(accumulate((p.sequence for p in acked), max))
    for later in placed:
        before = bisect_left(ended, later.write.begun_s)
        if before and highest[before - 1] > later.sequence:
            earlier = next(p for p in acked[:before] if p.sequence == highest[before - 1])
            detail = f"acked first but behind: {earlier} and then {later}"
            yield Violation(Kind.REAL_TIME, room, detail)


def _check_client_order(room: str, placed: list[_Placed]) -> Iterator[Violation]:
    """A client's sends are in its order, and so are its changes: while the tables are away, sends
    go on and changes wait."""
    by_client: dict[tuple[str, bool], list[_Placed]] = defaultdict(list)
    for p in placed:
        if p.write.in_order:
            by_client[p.write.client, p.write.act is Act.SEND].append(p)
    for (client, _), mine in by_client.items():
        mine.sort(key=lambda p: p.write.begun_s)
        for first, second in pairwise(mine):
            if first.sequence > second.sequence:
                detail = f"{client} asked for {first} before {second}"
                yield Violation(Kind.CLIENT_ORDER, room, detail)


def _check_stream(stream: Stream, log: list[RoomEvent]) -> Iterator[Violation]:
    sequences = [event.sequence for event in log]
    position = stream.after
    for seen in stream.events:
        where = f"{stream.client} at {position}"
        if seen.sequence <= position:
            detail = f"{where} got {seen.sequence}"
            yield Violation(Kind.RECEIVER_DISORDER, stream.room, detail)
            continue
        missed = _between(sequences, position, seen.sequence)
        if missed:
            detail = f"{where} got {seen.sequence}, without {missed[:5]}"
            yield Violation(Kind.RECEIVER_HOLE, stream.room, detail)
        elif seen.prev_sequence > position:
            detail = f"{where} got {seen.sequence}, which links to {seen.prev_sequence}"
            yield Violation(Kind.RECEIVER_HOLE, stream.room, detail)
        place = bisect_left(sequences, seen.sequence)
        if place == len(sequences) or sequences[place] != seen.sequence:
            detail = f"{where} got {seen.sequence}, which the log has not"
            yield Violation(Kind.RECEIVER_INVENTED, stream.room, detail)
        elif msgspec.to_builtins(log[place].event) != seen.event or log[place].at != seen.at:
            detail = f"{where} got {seen}, not {log[place]}"
            yield Violation(Kind.RECEIVER_CHANGED, stream.room, detail)
        position = seen.sequence
    if stream.whole and (missed := _between(sequences, position, None)):
        detail = f"{stream.client} ended at {position}, without {missed[:5]}"
        yield Violation(Kind.RECEIVER_HOLE, stream.room, detail)


def _between(sequences: list[int], above: int, below: int | None) -> list[int]:
    end = len(sequences) if below is None else bisect_left(sequences, below)
    return sequences[bisect_right(sequences, above) : end]

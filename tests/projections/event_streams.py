"""Streams of events for property tests: sensible ones and nonsense, over a few rooms and ids."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

import msgspec
from hypothesis import strategies as st

from roomlog_contract import events as ev
from roomlog_contract.types import MessageType, RoomRole, RoomStatus

ROOMS = tuple(str(uuid5(NAMESPACE_OID, f"room {n}")) for n in range(3))
USERS = ("ada@example.org", "bob@example.org", "cyd@example.org")
EMOJI = ("👍", "🎉")
IDS_PER_ROOM = 10
BEGIN = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)


def an_id(room: int, n: int) -> str:
    return str(uuid5(NAMESPACE_OID, f"event {n} of room {room}"))


def at(sequence: int) -> str:
    moment = BEGIN + timedelta(milliseconds=137 * sequence)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class Step(msgspec.Struct, frozen=True):
    """What is to happen next; `place` makes an event of it."""

    kind: str
    room: int
    id: int
    about: int
    about_room: int
    user: int
    other: int
    choice: int
    text: str


# Many sendings and reactions, few redactions; every kind comes before its time now and then.
_KINDS = (
    ["room.created"] * 2
    + ["room.updated"] * 2
    + ["member.added"] * 2
    + ["member.role_changed", "member.removed"]
    + ["message.sent"] * 8
    + ["message.edited"] * 4
    + ["message.deleted"] * 2
    + ["reaction.added"] * 5
    + ["reaction.removed"] * 3
)
_texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
)


def steps(*, redactions: bool = True) -> st.SearchStrategy[Sequence[Step]]:
    """Up to 40 steps, most of the time in a room where something was said."""
    kinds = [*_KINDS, "message.redacted"] if redactions else _KINDS
    # Drawn from samples: plain integers are small most of the time, and then ids repeat.
    own = st.sampled_from(range(IDS_PER_ROOM, 1000))
    step = st.builds(
        Step,
        kind=st.sampled_from(kinds),
        room=st.sampled_from((0, 0, 0, 0, 0, 1)),
        id=st.one_of(own, own, own, own, st.sampled_from(range(IDS_PER_ROOM))),
        about=st.sampled_from(range(40)),
        about_room=st.sampled_from((0, 0, 0, 0, 0, 1)),
        user=st.sampled_from(range(len(USERS))),
        other=st.sampled_from(range(len(USERS))),
        choice=st.sampled_from(range(12)),
        text=_texts,
    )
    first = [
        Step("room.created", 0, 1001, 0, 0, 0, 0, 0, "first"),
        Step("message.sent", 0, 1002, 0, 0, 0, 0, 0, "hello"),
        Step("message.sent", 0, 1003, 0, 0, 1, 0, 1, "hello yourself"),
    ]
    return st.one_of(
        st.lists(step, min_size=12, max_size=40).map(lambda more: [*first, *more]),
        st.lists(step, max_size=12),
    )


def stream(taken: Sequence[Step]) -> list[ev.RoomEvent]:
    """The events of these steps, with sequences that have holes."""
    events: list[ev.RoomEvent] = []
    heads: dict[str, int] = {}
    for number, step in enumerate(taken):
        sequence = 3 * number + 1
        room_id = ROOMS[step.room]
        event = _event(step, events)
        if event is not None:
            events.append(
                ev.RoomEvent(sequence, heads.get(room_id, 0), room_id, at(sequence), event)
            )
            heads[room_id] = sequence
    return events


def _event(step: Step, earlier: Sequence[ev.RoomEvent]) -> ev.Event | None:
    common = {"id": an_id(step.room, step.id), "actor": USERS[step.user]}
    role = list(RoomRole)[step.choice % 3]
    match step.kind:
        case "room.created":
            return ev.RoomCreated(**common, name=step.text, status=RoomStatus.OPEN)
        case "room.updated":
            status = list(RoomStatus)[step.choice % 4]
            if step.choice < 4:
                return ev.RoomUpdated(**common, title=step.text)
            if step.choice < 8:
                return ev.RoomUpdated(**common, severity=None, status=status)
            return ev.RoomUpdated(**common, status=status)
        case "member.added":
            name = step.text if step.choice % 2 else None
            return ev.MemberAdded(**common, user_id=USERS[step.other], role=role, name=name)
        case "member.role_changed":
            return ev.MemberRoleChanged(**common, user_id=USERS[step.other], role=role)
        case "member.removed":
            return ev.MemberRemoved(**common, user_id=USERS[step.other], role=role)
        case "message.sent":
            return ev.MessageSent(
                **common,
                message_id=common["id"],
                message_type=list(MessageType)[step.choice % 5],
                content=step.text,
                metadata={"n": step.choice, "text": step.text} if step.choice % 2 else {},
                reply_to=an_id(step.room, step.about) if step.choice % 3 == 0 else None,
            )
        case "message.redacted":
            return _redaction(step, common, earlier)
        case _:
            return _about(step, common, earlier)


def _about(step: Step, common: dict[str, str], earlier: Sequence[ev.RoomEvent]) -> ev.Event:
    """An event about one of the messages there are, or about nothing."""
    room = ROOMS[step.about_room]
    there = [e for e in earlier if e.room_id == room and isinstance(e.event, ev.MessageSent)]
    about = there[-1 - step.about % min(len(there), 3)] if there and step.about < 37 else None
    message_id = an_id(step.room, step.about) if about is None else about.event.id
    versions = [
        e.sequence
        for e in earlier
        if isinstance(e.event, ev.MessageSent | ev.MessageEdited)
        and e.event.message_id == message_id
    ]
    expected = None
    if step.choice % 3 == 0:
        expected = versions[-1 - step.choice % len(versions)] if versions else 77
    match step.kind:
        case "message.edited":
            metadata = {"edited": step.choice} if step.choice % 2 else None
            return ev.MessageEdited(
                **common,
                message_id=message_id,
                content=step.text,
                metadata=metadata,
                reason="typo" if step.choice % 4 == 0 else None,
                expected_version=expected,
            )
        case "message.deleted":
            return ev.MessageDeleted(
                **common, message_id=message_id, reason=None, expected_version=expected
            )
        case "reaction.added":
            emoji = EMOJI[step.choice % len(EMOJI)]
            return ev.ReactionAdded(**common, message_id=message_id, emoji=emoji)
        case _:
            emoji = EMOJI[step.choice % len(EMOJI)]
            return ev.ReactionRemoved(**common, message_id=message_id, emoji=emoji)


def _redaction(
    step: Step, common: dict[str, str], earlier: Sequence[ev.RoomEvent]
) -> ev.Event | None:
    """A redaction of one event that said something in the room, as the service makes them."""
    room = ROOMS[step.room]
    said = [
        e
        for e in earlier
        if e.room_id == room
        and isinstance(e.event, ev.MessageSent | ev.MessageEdited | ev.MessageDeleted)
    ]
    if not said:
        return None
    return redaction_of(said[step.about % len(said)], common["id"], common["actor"])


def redaction_of(erased: ev.RoomEvent, event_id: str, actor: str) -> ev.MessageRedacted:
    """The event that explains the hole which another one's erasure leaves."""
    assert isinstance(erased.event, ev.MessageSent | ev.MessageEdited | ev.MessageDeleted)
    kinds = {ev.MessageSent: "message.sent", ev.MessageEdited: "message.edited"}
    envelope = {
        "v": 1,
        "type": kinds.get(type(erased.event), "message.deleted"),
        "id": erased.event.id,
        "room_id": erased.room_id,
        "actor": erased.event.actor,
        "at": erased.at,
        "message_id": erased.event.message_id,
        "expected_version": getattr(erased.event, "expected_version", None),
        "commit": "0" * 64,
    }
    return ev.MessageRedacted(
        id=event_id,
        actor=actor,
        message_id=erased.event.message_id,
        redacted_sequence=erased.sequence,
        redacted_envelope=msgspec.json.encode(
            {name: value for name, value in envelope.items() if value is not None}
        ).decode(),
    )


def redactions_of(erased: Sequence[ev.RoomEvent], *, after: int) -> list[ev.RoomEvent]:
    """Redactions of these events, in this order, at the sequences after `after`."""
    return [
        ev.RoomEvent(
            after + n,
            after + n - 1,
            one.room_id,
            at(after + n),
            redaction_of(one, an_id(9, n), USERS[0]),
        )
        for n, one in enumerate(erased, 1)
    ]


def splits(count: int) -> st.SearchStrategy[list[int]]:
    """Sizes of batches that make up `count` events."""
    return st.lists(st.integers(1, 9), min_size=count, max_size=count)


def batches(events: Sequence[ev.RoomEvent], sizes: Sequence[int]) -> list[list[ev.RoomEvent]]:
    """The events cut into batches of these sizes."""
    cut: list[list[ev.RoomEvent]] = []
    left = list(events)
    for size in sizes:
        if not left:
            break
        cut.append(left[:size])
        left = left[size:]
    return cut

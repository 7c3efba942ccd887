"""What a user could see is what the fold of the events up to the moment says, and no more."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.visibility import Membership, SeenMessage, Shown, Sight, Wording, skeleton
from roomlog_contract import events as ev
from roomlog_contract.fold import Fold
from roomlog_contract.types import MessageType, RoomRole, RoomStatus
from tests.projections.event_streams import ROOMS, USERS, redaction_of, steps, stream

ADA, BOB, CYD = USERS
AT = "2026-01-31T09:15:00.000Z"


def logged(*events: ev.Event) -> list[ev.RoomEvent]:
    """The events at sequences 1, 2, 3…"""
    return [ev.RoomEvent(n, n - 1, ROOMS[0], AT, one) for n, one in enumerate(events, 1)]


def redactions_in(events: Sequence[ev.RoomEvent]) -> dict[int, ev.RoomEvent]:
    """By the sequence of what was erased, its first redaction."""
    found: dict[int, ev.RoomEvent] = {}
    for one in events:
        if isinstance(one.event, ev.MessageRedacted):
            found.setdefault(one.event.redacted_sequence, one)
    return found


def sight(events: Sequence[ev.RoomEvent], user: str, up_to: int) -> Sight:
    """What the user saw, of a log from which everything redacted is gone."""
    redactions = redactions_in(events)
    seen = Sight(user, {erased: by.sequence for erased, by in redactions.items()})
    for one in events:
        if one.sequence > up_to:
            break
        left: ev.RoomEvent | None = one
        if one.sequence in redactions:
            redaction = redactions[one.sequence].event
            assert isinstance(redaction, ev.MessageRedacted)
            left = skeleton(one.sequence, redaction.redacted_envelope.encode())
        assert left is not None
        seen.take(left, one.sequence * 1000)
    return seen


def opened() -> ev.RoomCreated:
    return ev.RoomCreated(id="r", actor=ADA, name="payments", status=RoomStatus.OPEN)


def added(user: str, role: RoomRole = RoomRole.OBSERVER) -> ev.MemberAdded:
    return ev.MemberAdded(id=f"add {user} {role}", actor=ADA, user_id=user, role=role)


def removed(user: str, number: int = 0) -> ev.MemberRemoved:
    return ev.MemberRemoved(id=f"remove {user} {number}", actor=ADA, user_id=user)


def sent(content: str) -> ev.MessageSent:
    return ev.MessageSent(
        id=content, actor=ADA, message_id=content, message_type=MessageType.TEXT, content=content
    )


def texts(messages: Sequence[SeenMessage]) -> list[str]:
    return [one.content for one in messages if one.message_type is not MessageType.SYSTEM]


def test_a_member_sees_what_was_said_before_joining_and_nothing_after_leaving():
    events = logged(
        opened(),
        sent("one"),
        added(BOB),
        sent("two"),
        removed(BOB),
        sent("three"),
        added(BOB, RoomRole.RESPONDER),
    )

    assert [texts(sight(events, BOB, n).messages()) for n in range(8)] == [
        [], [], [], ["one"], ["one", "two"], [], [], ["one", "two", "three"],
    ]  # fmt: skip
    assert texts(sight(events, ADA, 6).messages()) == ["one", "two", "three"]
    assert sight(events, CYD, 7).messages() == []


def test_the_events_that_say_so_are_named():
    events = logged(
        opened(),
        added(BOB),
        ev.MemberRoleChanged(id="c", actor=ADA, user_id=BOB, role=RoomRole.RESPONDER),
        added(BOB, RoomRole.RESPONDER),  # says what is so already
        added(CYD),
        removed(BOB),
        ev.MemberRemoved(id="again", actor=ADA, user_id=BOB),
        added(BOB, RoomRole.COMMANDER),
    )
    first, second = sight(events, BOB, 8).memberships

    assert [(c.sequence, c.type, c.actor, c.role) for c in first.changes] == [
        (2, "member.added", ADA, RoomRole.OBSERVER),
        (3, "member.role_changed", ADA, RoomRole.RESPONDER),
    ]
    assert first.ended is not None
    assert (first.ended.sequence, first.ended.appended_ns, first.ended.role) == (6, 6000, None)
    assert [change.sequence for change in second.changes] == [8]
    assert second.ended is None
    creator = sight(events, ADA, 8).memberships[0].changes[0]
    assert (creator.sequence, creator.type, creator.role) == (1, "room.created", "commander")


def test_deleted_and_redacted_messages_are_named_as_such():
    told = sent("secret")
    plain = logged(
        opened(),
        told,
        sent("kept"),
        ev.MessageEdited(id="e", actor=ADA, message_id="kept", content="kept, edited"),
        ev.MessageDeleted(id="d", actor=ADA, message_id="kept"),
    )
    redaction = redaction_of(plain[1], "redact", CYD)
    events = [*plain, ev.RoomEvent(6, 5, ROOMS[0], AT, redaction)]

    secret, kept = sight(events, ADA, 4).messages()
    assert (secret.state, secret.content, secret.redacted_by) == (Shown.PRESENT, "", 6)
    assert (kept.state, kept.content) == (Shown.PRESENT, "kept, edited")
    assert kept.earlier == [Wording(3, "kept", {})]

    _, kept = sight(events, ADA, 5).messages()
    assert (kept.state, kept.content, kept.version) == (Shown.DELETED, "", 5)
    assert [wording.content for wording in kept.earlier] == ["kept", "kept, edited"]

    secret, _ = sight(events, ADA, 6).messages()
    assert (secret.state, secret.redacted_by, secret.earlier) == (Shown.REDACTED, 6, [])
    assert secret.sender_id == ADA


def test_other_envelopes_leave_nothing_to_fold():
    assert skeleton(3, b"no json") is None
    assert skeleton(3, b"[" * 100_000) is None
    envelope = (
        b'{"type":"reaction.added","id":"a","room_id":"b","actor":"c","at":"d","message_id":"e"}'
    )
    assert skeleton(3, envelope) is None


@given(steps(), st.sampled_from(USERS), st.integers(0, 45))
def test_it_is_what_the_fold_of_the_whole_log_says(taken, user, up_to):
    """The naive definition: fold every beginning of the log as it was before anything was erased,
    look at what each message said and at who was a member; then leave out what was redacted."""
    events = [event for event in stream(taken) if event.room_id == ROOMS[0]]
    redacted = {erased: by.sequence for erased, by in redactions_in(events).items()}
    fold, said, roles = Fold(), dict[str, dict[int, Wording]](), list[tuple[int, RoomRole | None]]()
    for one in events:
        if one.sequence > up_to:
            break
        fold.apply(one)
        for message in fold.messages.values():
            if message.deleted_at is None:
                wordings = said.setdefault(message.message_id, {})
                gone = redacted.get(message.version)
                content, facts = ("", {}) if gone else (message.content, message.metadata)
                if (
                    isinstance(one.event, ev.MessageEdited)
                    and one.event.metadata is None
                    and not gone
                ):
                    # It was left as it was, which may be gone with the event that said it.
                    facts = list(wordings.values())[-1].metadata if wordings else facts
                wording = Wording(message.version, content, facts, gone)
                wordings.setdefault(message.version, wording)
        members = {} if fold.room is None else fold.room.members
        role = members[user].role if user in members else None
        if role != (roles[-1][1] if roles else None):
            roles.append((one.sequence, role))

    seen = sight(events, user, up_to)

    assert changes(seen.memberships) == roles
    messages = seen.messages()
    if not roles or roles[-1][1] is None:
        assert messages == []
        return
    expected = sorted(fold.messages.values(), key=lambda message: message.sequence)
    assert [
        (m.message_id, m.sequence, m.sender_id, m.version, m.created_at, m.edited_at, m.deleted_at)
        for m in messages
    ] == [
        (m.message_id, m.sequence, m.sender_id, m.version, m.created_at, m.edited_at, m.deleted_at)
        for m in expected
    ]
    by_then = {erased for erased, by in redacted.items() if by <= up_to}
    for one, message in zip(messages, expected, strict=True):
        wordings = list(said.get(one.message_id, {}).values())
        if message.deleted_at is None:
            now = wordings[-1]
            assert (one.state, one.earlier) == (Shown.PRESENT, wordings[:-1])
            assert (one.content, one.metadata) == (now.content, now.metadata)
        elif one.state is Shown.DELETED:
            assert (one.content, one.metadata, one.earlier) == ("", {}, wordings)
        else:
            assert one.sequence in by_then
            assert (one.content, one.metadata, one.earlier) == ("", {}, [])
        if one.redacted_by is None:
            assert one.message_type is message.message_type
            assert one.sequence not in redacted


def changes(memberships: Sequence[Membership]) -> list[tuple[int, RoomRole | None]]:
    """The user's roles, each with the sequence from which on."""
    told = [
        change
        for one in memberships
        for change in (*one.changes, *([] if one.ended is None else [one.ended]))
    ]
    return [(change.sequence, change.role) for change in told]

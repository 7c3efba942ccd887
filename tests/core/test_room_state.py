import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import room_state
from roomlog.core.upcasters import room_event
from roomlog_contract import stored as st
from roomlog_contract.fold import Fold, RoomState
from roomlog_contract.types import MessageType, RoomRole, RoomStatus
from tests.core import golden_events as golden
from tests.core.examples import AT, COMMANDER, ROOM, a_room

_USERS = ["ada@example.org", "rob@example.org", "oda@example.org"]
_bodies = s.one_of(
    s.builds(
        lambda name: ("room.created", st.RoomCreatedBody(name=name, salt="00")),
        s.sampled_from(["payments", "dns"]),
    ),
    s.builds(
        lambda title, status: (
            "room.updated",
            st.RoomUpdatedBody(title=title, status=status, salt="00"),
        ),
        s.sampled_from([None, "a", "b", msgspec.UNSET]),
        s.sampled_from([*RoomStatus, msgspec.UNSET]),
    ),
    s.builds(
        lambda kind, user, role: (kind, st.MemberBody(user_id=user, role=role, salt="00")),
        s.sampled_from(["member.added", "member.role_changed", "member.removed"]),
        s.sampled_from(_USERS),
        s.sampled_from(RoomRole),
    ),
    s.just(
        (
            "message.sent",
            st.MessageSentBody(
                content='"type":"room.updated"', message_type=MessageType.TEXT, salt="00"
            ),
        )
    ),
    s.just(("damaged", None)),
)


def _stored(sequence: int, kind: str, body: st.Body | None) -> bytes:
    if body is None:
        return b'{"v":1,"type":"room.updated","id":"cut off'
    return st.encode_stored(
        type=kind,
        id=f"0192f0c1-2b3c-7d4e-8f50-{sequence:012}",
        room_id=ROOM,
        actor=COMMANDER.user_id,
        at=AT,
        body=body,
    )


@given(s.lists(_bodies, max_size=20), s.integers(0, 20))
def test_an_old_snapshot_and_later_events_make_the_fresh_fold(
    said: list[tuple[str, st.Body | None]], cut: int
):
    log = [(n, _stored(n, kind, body)) for n, (kind, body) in enumerate(said, 1)]
    fresh = Fold()
    for sequence, data in log:
        if b"cut off" not in data:
            fresh.apply(room_event(sequence, 0, data))

    state: RoomState | None = None
    for sequence, data in log[:cut]:
        state = room_state.evolve_stored(state, sequence, data)
    if state is not None:
        state = room_state.decode_snapshot(room_state.encode_snapshot(state))
        assert state is not None
    for sequence, data in log[cut:]:
        state = room_state.evolve_stored(state, sequence, data)

    assert state == fresh.room


def test_a_snapshot_is_read_as_it_was_written():
    room = a_room(title=None, severity=None, status=RoomStatus.CLOSED)

    assert room_state.decode_snapshot(room_state.encode_snapshot(room)) == room


@given(s.binary())
def test_a_snapshot_of_another_form_is_none(data: bytes):
    assert room_state.decode_snapshot(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",
        msgspec.msgpack.encode({"room_id": ROOM}),
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode({**msgspec.to_builtins(a_room()), "status": "gone"}),
        msgspec.msgpack.encode(msgspec.to_builtins(a_room())).replace(
            b"payments", b"paym\xff\xff\xff"
        ),
        b"\x91" * 100_000,
    ],
)
def test_a_damaged_snapshot_is_none(data: bytes):
    assert room_state.decode_snapshot(data) is None


@pytest.mark.parametrize("name", golden.NAMES)
def test_events_of_the_room_itself_are_told_without_decoding(name: str):
    assert room_state.changes_room(golden.encoded(name)) == name.startswith(("room.", "member."))


def test_a_message_that_quotes_an_event_of_the_room_does_not_change_it():
    data = _stored(
        1,
        *(
            "message.sent",
            st.MessageSentBody(
                content='{"v":1,"type":"room.updated"', message_type=MessageType.TEXT, salt="00"
            ),
        ),
    )

    assert not room_state.changes_room(data)

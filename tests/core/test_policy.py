"""The contract's table of who may do what, cell by cell."""

import pytest

from roomlog.core import policy
from roomlog.core.policy import Act, Actor
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import GlobalRole, MessageType, RoomRole
from tests.core.examples import (
    ADMIN,
    AUDITOR,
    COMMANDER,
    OBSERVER,
    RESPONDER,
    SERVICE,
    STRANGER,
    a_message,
    a_room,
)

_WHO = {
    "commander": COMMANDER,
    "responder": RESPONDER,
    "observer": OBSERVER,
    "stranger": STRANGER,
    "admin": ADMIN,
    "auditor": AUDITOR,
    "service": SERVICE,
}
_MAY: dict[Act, set[str]] = {
    Act.READ: {"commander", "responder", "observer", "admin", "auditor"},
    Act.SEND: {"commander", "responder"},
    Act.REACT: {"commander", "responder"},
    Act.TYPE: {"commander", "responder"},
    Act.SEND_SYSTEM: {"admin", "service"},
    Act.MANAGE: {"commander", "admin"},
    Act.READ_DELETED: {"admin", "auditor"},
    Act.EDIT: set(),
    Act.DELETE: {"commander", "admin"},
    Act.REDACT: {"admin"},
}
_SOMEBODY = "somebody@example.org"


@pytest.mark.parametrize("who", list(_WHO))
@pytest.mark.parametrize("act", list(Act))
def test_the_table_holds_for_what_somebody_else_wrote(act: Act, who: str):
    message = a_message(sender_id=_SOMEBODY)

    assert policy.allows(act, _WHO[who], a_room(), message) == (who in _MAY[act])


@pytest.mark.parametrize("act", [Act.EDIT, Act.DELETE])
@pytest.mark.parametrize("actor", [COMMANDER, RESPONDER, OBSERVER])
def test_an_author_who_is_a_member_edits_and_deletes(act: Act, actor: Actor):
    assert policy.allows(act, actor, a_room(), a_message(sender_id=actor.user_id))


@pytest.mark.parametrize("actor", [RESPONDER, OBSERVER])
@pytest.mark.parametrize("act", [Act.EDIT, Act.DELETE])
def test_a_system_message_is_nobodys_own(act: Act, actor: Actor):
    message = a_message(sender_id=actor.user_id, message_type=MessageType.SYSTEM)

    assert not policy.allows(act, actor, a_room(), message)


@pytest.mark.parametrize("actor", [COMMANDER, ADMIN])
def test_a_system_message_is_the_commanders_to_delete_and_nobodys_to_edit(actor: Actor):
    message = a_message(sender_id=actor.user_id, message_type=MessageType.SYSTEM)

    assert policy.allows(Act.DELETE, actor, a_room(), message)
    assert not policy.allows(Act.EDIT, actor, a_room(), message)


def test_a_denial_names_who_what_and_where():
    with pytest.raises(policy.DeniedError) as denied:
        policy.require(Act.SEND, OBSERVER, a_room())

    assert denied.value.user_id == OBSERVER.user_id
    assert denied.value.act is Act.SEND
    assert denied.value.room_id == a_room().room_id


@pytest.mark.parametrize("who", list(_WHO))
def test_rooms_of_others_are_listed_for_admins_and_auditors(who: str):
    assert policy.sees_all_rooms(_WHO[who]) == (who in {"admin", "auditor"})


@pytest.mark.parametrize("actor", [STRANGER, SERVICE, AUDITOR])
@pytest.mark.parametrize("act", [Act.EDIT, Act.DELETE])
def test_an_author_who_is_no_member_does_neither(act: Act, actor: Actor):
    assert not policy.allows(act, actor, a_room(), a_message(sender_id=actor.user_id))


def test_without_a_message_nothing_of_ones_own_can_be_meant():
    assert not policy.allows(Act.EDIT, RESPONDER, a_room())
    assert not policy.allows(Act.DELETE, RESPONDER, a_room())


def test_a_global_role_adds_to_what_a_member_may_do():
    both = Actor(OBSERVER.user_id, roles=frozenset({GlobalRole.ADMIN}))

    assert policy.allows(Act.MANAGE, both, a_room())
    assert not policy.allows(Act.SEND, both, a_room())


@pytest.mark.parametrize(
    ("actor", "role"),
    [
        (COMMANDER, RoomRole.COMMANDER),
        (RESPONDER, RoomRole.RESPONDER),
        (OBSERVER, RoomRole.OBSERVER),
        (STRANGER, None),
        (ADMIN, None),
    ],
)
def test_the_role_in_a_room_is_the_members(actor: Actor, role: RoomRole | None):
    assert policy.role_of(actor, a_room()) == role


@pytest.mark.parametrize("act", list(Act))
def test_what_is_allowed_is_required_without_complaint(act: Act):
    allowed = [a for a in _WHO.values() if policy.allows(act, a, a_room(), a_message())]

    assert allowed
    for actor in allowed:
        policy.require(act, actor, a_room(), a_message())


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (OBSERVER, "oda@example.org (observer) may not send"),
        (STRANGER, "sam@example.org (no member of the room) may not send"),
    ],
)
def test_a_refusal_says_who_may_not_do_what(actor: Actor, words: str):
    with pytest.raises(RefusedError) as refused:
        policy.require(Act.SEND, actor, a_room())

    assert refused.value.code == ErrorCode.FORBIDDEN
    assert refused.value.detail == words


def test_every_act_and_every_role_stands_in_the_table():
    assert set(_MAY) == set(Act)
    assert {r.value for r in (*RoomRole, *GlobalRole)} | {"stranger"} == set(_WHO)


@pytest.mark.parametrize(
    ("act", "actor", "sender", "told"),
    [
        (Act.EDIT, RESPONDER, _SOMEBODY, "(responder) may not edit what others said"),
        (Act.DELETE, RESPONDER, _SOMEBODY, "(responder) may not delete what others said"),
        (Act.EDIT, STRANGER, STRANGER.user_id, "(no member of the room) may not edit"),
    ],
)
def test_a_refusal_says_whose_words_it_is_about(act: Act, actor: Actor, sender: str, told: str):
    with pytest.raises(RefusedError) as raised:
        policy.require(act, actor, a_room(), a_message(sender_id=sender))

    assert raised.value.detail == f"{actor.user_id} {told}"

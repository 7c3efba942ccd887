"""Who may do what: the contract's table, in one place for REST and WebSocket."""

from enum import StrEnum
from typing import assert_never

import msgspec

from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState, RoomState
from roomlog_contract.types import GlobalRole, MessageType, RoomRole


class Act(StrEnum):
    """What somebody wants to do in a room."""

    READ = "read"
    SEND = "send"
    SEND_SYSTEM = "send system messages"
    REACT = "react"
    TYPE = "type"
    EDIT = "edit"
    DELETE = "delete"
    MANAGE = "manage members and status"
    READ_DELETED = "read versions of deleted messages"
    REDACT = "redact messages"


class DeniedError(RefusedError):
    """`forbidden`: who may not do which act in which room (None: in none, or everywhere)."""

    def __init__(self, detail: str, *, user_id: str, act: str, room_id: str | None) -> None:
        super().__init__(ErrorCode.FORBIDDEN, detail)
        self.user_id = user_id
        self.act = act
        self.room_id = room_id


class Actor(msgspec.Struct, frozen=True):
    """Who acts: what an authenticated token says of its bearer."""

    user_id: str
    name: str | None = None
    roles: frozenset[GlobalRole] = frozenset()

    def has(self, *roles: GlobalRole) -> bool:
        """Whether the token carries one of these roles."""
        return not self.roles.isdisjoint(roles)


def role_of(actor: Actor, room: RoomState) -> RoomRole | None:
    """The actor's role in the room; None for who is no member."""
    member = room.members.get(actor.user_id)
    return None if member is None else member.role


def require(act: Act, actor: Actor, room: RoomState, message: MessageState | None = None) -> None:
    """Raise DeniedError unless the actor may do that in the room (to the message)."""
    if not allows(act, actor, room, message):
        who = "no member of the room" if role_of(actor, room) is None else role_of(actor, room)
        # What they said themselves they might edit and delete.
        others = message is not None and message.sender_id != actor.user_id
        raise DeniedError(
            f"{actor.user_id} ({who}) may not {act}{' what others said' if others else ''}",
            user_id=actor.user_id,
            act=act,
            room_id=room.room_id,
        )


def sees_all_rooms(actor: Actor) -> bool:
    """Whether rooms that the actor is no member of are listed too."""
    return actor.has(GlobalRole.ADMIN, GlobalRole.AUDITOR)


def require_broadcast(actor: Actor) -> None:
    """Raise DeniedError unless the actor may send a notice to every connection."""
    if not actor.has(GlobalRole.ADMIN, GlobalRole.SERVICE):
        act = "broadcast to all"
        raise DeniedError(
            f"{actor.user_id} may not {act}", user_id=actor.user_id, act=act, room_id=None
        )


def require_audit(actor: Actor) -> None:
    """Raise DeniedError unless the actor may have proofs that concern all rooms."""
    if not actor.has(GlobalRole.ADMIN, GlobalRole.AUDITOR):
        act = "audit all rooms"
        raise DeniedError(
            f"{actor.user_id} may not {act}", user_id=actor.user_id, act=act, room_id=None
        )


def require_records(actor: Actor) -> None:
    """Raise DeniedError unless the actor may read the audit trail."""
    if not actor.has(GlobalRole.ADMIN):
        act = "read the audit trail"
        raise DeniedError(
            f"{actor.user_id} may not {act}", user_id=actor.user_id, act=act, room_id=None
        )


def _is_own(message: MessageState | None, actor: Actor) -> bool:
    """Whether the actor said it. A `system` message is the room's, whoever caused it."""
    return (
        message is not None
        and message.sender_id == actor.user_id
        and message.message_type is not MessageType.SYSTEM
    )


def allows(  # noqa: PLR0911 - one return for each row of the contract's table
    act: Act, actor: Actor, room: RoomState, message: MessageState | None = None
) -> bool:
    """Whether the actor may do that in the room; `message` for EDIT and DELETE."""
    role = role_of(actor, room)
    match act:
        case Act.READ:
            return role is not None or actor.has(GlobalRole.ADMIN, GlobalRole.AUDITOR)
        case Act.SEND | Act.REACT | Act.TYPE:
            return role in {RoomRole.COMMANDER, RoomRole.RESPONDER}
        case Act.SEND_SYSTEM:
            return actor.has(GlobalRole.ADMIN, GlobalRole.SERVICE)
        case Act.EDIT:
            return role is not None and _is_own(message, actor)
        case Act.DELETE:
            return (
                (role is not None and _is_own(message, actor))
                or role is RoomRole.COMMANDER
                or actor.has(GlobalRole.ADMIN)
            )
        case Act.MANAGE:
            return role is RoomRole.COMMANDER or actor.has(GlobalRole.ADMIN)
        case Act.READ_DELETED:
            return actor.has(GlobalRole.ADMIN, GlobalRole.AUDITOR)
        case Act.REDACT:
            return actor.has(GlobalRole.ADMIN)
        case _:
            assert_never(act)

"""Who may do what: the contract's table, in one place for REST and WebSocket."""

from enum import StrEnum
from typing import assert_never

import msgspec

from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState, RoomState
from roomlog_contract.types import GlobalRole, RoomRole


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
    """Raise RefusedError `forbidden` unless the actor may do that in the room (to the message)."""
    if not allows(act, actor, room, message):
        who = "no member of the room" if role_of(actor, room) is None else role_of(actor, room)
        raise RefusedError(ErrorCode.FORBIDDEN, f"{actor.user_id} ({who}) may not {act}")


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
            own = message is not None and message.sender_id == actor.user_id
            return own and role is not None
        case Act.DELETE:
            own = message is not None and message.sender_id == actor.user_id and role is not None
            return own or role is RoomRole.COMMANDER or actor.has(GlobalRole.ADMIN)
        case Act.MANAGE:
            return role is RoomRole.COMMANDER or actor.has(GlobalRole.ADMIN)
        case Act.READ_DELETED:
            return actor.has(GlobalRole.ADMIN, GlobalRole.AUDITOR)
        case _:
            assert_never(act)

"""Messages in one plain form, whoever shows them: what is compared."""

from collections.abc import Iterable
from typing import Any

from roomlog_contract.fold import MessageState


def shown(message: MessageState) -> dict[str, Any]:
    """As REST would show the fold's message, but for its HTML."""
    users: dict[str, list[str]] = {}
    for emoji, user in sorted(message.reactions, key=lambda key: message.reactions[key].sequence):
        users.setdefault(emoji, []).append(user)
    return {
        "message_id": message.message_id,
        "room_id": message.room_id,
        "sequence_number": message.sequence,
        "sender_id": message.sender_id,
        "message_type": str(message.message_type),
        "content": message.content,
        "metadata": message.metadata,
        "reply_to": message.reply_to,
        "created_at": message.created_at,
        "edited_at": message.edited_at,
        "deleted_at": message.deleted_at,
        "version": message.version,
        "reactions": users,
    }


def shown_by_rest(message: dict[str, Any]) -> dict[str, Any]:
    """An answer's message in the same form."""
    kept = {name: value for name, value in message.items() if name != "content_html"}
    return {**kept, "reactions": {one["emoji"]: one["users"] for one in message["reactions"]}}


def differences(
    got: Iterable[tuple[str, Any]], expected: Iterable[tuple[str, Any]], limit: int = 3
) -> list[str]:
    """Where two pictures differ, by id, the first few in words."""
    got_by, expected_by = dict(got), dict(expected)
    told: list[str] = []
    for name in [*expected_by, *(name for name in got_by if name not in expected_by)]:
        mine, theirs = got_by.get(name), expected_by.get(name)
        if mine != theirs:
            told.append(f"{name}: {mine} instead of {theirs}")
            if len(told) == limit:
                break
    return told

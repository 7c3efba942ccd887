"""Resources made of the fold's states, for answers that come before the tables have them."""

from roomlog.core.content import render_html
from roomlog_contract.fold import MessageState, ReactionState
from roomlog_contract.resources import MessageResponse, ReactionCount

USERS_PER_REACTION_MAX = 100


def message_response(message: MessageState) -> MessageResponse:
    """The message resource for a message's state."""
    return MessageResponse(
        message_id=message.message_id,
        room_id=message.room_id,
        sequence_number=message.sequence,
        sender_id=message.sender_id,
        message_type=message.message_type,
        content=message.content,
        content_html="" if message.deleted_at else render_html(message.content),
        metadata=message.metadata,
        reply_to=message.reply_to,
        created_at=message.created_at,
        edited_at=message.edited_at,
        deleted_at=message.deleted_at,
        version=message.version,
        reactions=reaction_counts(message.reactions),
    )


def reaction_counts(reactions: dict[tuple[str, str], ReactionState]) -> list[ReactionCount]:
    """Reactions by emoji, in the order in which each emoji first came.

    At most USERS_PER_REACTION_MAX users are named; the count is true.
    """
    users: dict[str, list[str]] = {}
    for emoji, user in sorted(reactions, key=lambda key: reactions[key].sequence):
        users.setdefault(emoji, []).append(user)
    return [
        ReactionCount(emoji, len(who), who[:USERS_PER_REACTION_MAX]) for emoji, who in users.items()
    ]

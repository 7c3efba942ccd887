"""`message_reactions`: reactions as they stand; `message_reaction_spans`: those that ended.

Together they tell the reactions at any moment of the past.
"""

from collections.abc import Sequence
from typing import Any

from projections.row_changes import Delete, DeleteWhere, RowChange, Upsert, event_row_id
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Effect, MessageErased, Reacted, ReactionState, Unreacted

TABLE = "message_reactions"
SPANS = "message_reaction_spans"


def project(event: RoomEvent, effect: Effect, partition: int) -> Sequence[RowChange]:
    """A row for each reaction, which moves to the spans when it is taken back.

    `reaction_id` is made of the sequence of the event that added it.
    """
    match effect:
        case Reacted(message, emoji, user, reaction):
            row = _row(message.message_id, emoji, user, reaction)
            return [Upsert(TABLE, _key(reaction, partition), row)]
        case Unreacted(message, emoji, user, reaction):
            span = {
                **_row(message.message_id, emoji, user, reaction),
                "ended_sequence": event.sequence,
                "ended_at": event.at,
            }
            key = _key(reaction, partition)
            return [Delete(TABLE, key), Upsert(SPANS, key, span)]
        case MessageErased(after=after):
            where = {"message_id": after.message_id}
            return [DeleteWhere(TABLE, where), DeleteWhere(SPANS, where)]
        case _:
            return ()


def _key(reaction: ReactionState, partition: int) -> dict[str, Any]:
    return {"reaction_id": event_row_id(reaction.sequence, partition)}


def _row(message_id: str, emoji: str, user: str, reaction: ReactionState) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "user_id": user,
        "emoji": emoji,
        "added_sequence": reaction.sequence,
        "created_at": reaction.at,
    }

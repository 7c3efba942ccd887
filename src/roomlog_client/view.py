"""A room as it stands, kept by the contract's one fold."""

from roomlog_client.rest import Reload
from roomlog_contract import events as ev
from roomlog_contract import fold
from roomlog_contract import frames as fr


class RoomView:
    """What a room's events amount to. Give it every event in order; for the whole room, follow
    it with `after=0`.

    `messages` are by id and `room` is the room with its members, as the fold keeps them: treat
    both as read-only.
    """

    def __init__(self) -> None:
        self._fold = fold.Fold()

    @property
    def room(self) -> fold.RoomState | None:
        """The room; None until its beginning was seen."""
        return self._fold.room

    @property
    def messages(self) -> dict[str, fold.MessageState]:
        """Every message by its id, tombstones too."""
        return self._fold.messages

    def timeline(self) -> list[fold.MessageState]:
        """The messages in the order in which they were sent."""
        return sorted(self._fold.messages.values(), key=lambda one: one.sequence)

    def apply(self, event: fr.MessageBroadcast) -> fold.Effect:
        """Take the next event; what it did."""
        logged = ev.RoomEvent(
            sequence=event.sequence,
            prev_sequence=event.prev_sequence,
            room_id=event.room_id,
            at=event.at,
            event=event.event,
        )
        return self._fold.apply(logged)

    def reset(self, reload: Reload) -> None:
        """Begin anew with a room as REST shows it: made to be given as `on_reset`.

        Older messages than the page holds are not in it, and of a message's reactions the times
        are not known.
        """
        room = reload.room
        state = fold.RoomState(
            room_id=room.room_id,
            name=room.name,
            title=room.title,
            severity=room.severity,
            status=room.status,
            created_by=room.created_by,
            created_at=room.created_at,
            created_sequence=0,
            members={
                one.user_id: fold.MemberState(one.role, one.since, one.name)
                for one in reload.members
            },
        )
        self._fold = fold.Fold(state)
        for one in reload.messages:
            self._fold.messages[one.message_id] = fold.MessageState(
                message_id=one.message_id,
                room_id=one.room_id,
                sequence=one.sequence_number,
                sender_id=one.sender_id,
                message_type=one.message_type,
                content=one.content,
                metadata=one.metadata,
                reply_to=one.reply_to,
                created_at=one.created_at,
                edited_at=one.edited_at,
                deleted_at=one.deleted_at,
                version=one.version,
                reactions={
                    (reaction.emoji, user): fold.ReactionState(0, "")
                    for reaction in one.reactions
                    for user in reaction.users
                },
            )
            self._fold.seen[one.message_id] = one.sequence_number

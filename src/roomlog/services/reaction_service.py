"""Reactions: load -> decide -> append, and the reads of them."""

from collections.abc import Mapping

from roomlog.core import decide
from roomlog.core.limits import Quota
from roomlog.core.policy import Actor
from roomlog.ports import ReadModel
from roomlog.services.effects import Effect, Effects
from roomlog.services.limiter import Limited
from roomlog.services.message_service import find_message
from roomlog.services.progress import ProjectionProgress
from roomlog.services.readers import Readers
from roomlog.services.room_cache import RoomCache
from roomlog.services.writer import Command, Receipt, Writer
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState, ReactionState
from roomlog_contract.resources import ReactionCount, ReactionResponse
from roomlog_contract.trail import RecordKind


class ReactionService:
    """Adds, removes and reads reactions. Raises as MessageService does."""

    def __init__(
        self,
        *,
        read_model: ReadModel,
        rooms: RoomCache,
        readers: Readers,
        writer: Writer,
        effects: Effects,
        progress: ProjectionProgress,
    ) -> None:
        self._read_model = read_model
        self._rooms = rooms
        self._readers = readers
        self._writer = writer
        self._effects = effects
        self._progress = progress

    async def add_reaction(
        self,
        actor: Actor,
        message_id: str,
        emoji: str,
        *,
        key: str | None = None,
        room_id: str | None = None,
    ) -> Effect:
        """React. Where the reaction is there already, the effect is `unchanged`."""
        return await self._react(actor, message_id, emoji, key, room_id, add=True)

    async def remove_reaction(
        self,
        actor: Actor,
        message_id: str,
        emoji: str,
        *,
        key: str | None = None,
        room_id: str | None = None,
    ) -> Effect:
        """Take a reaction back. Where there is none, the effect is `unchanged`."""
        return await self._react(actor, message_id, emoji, key, room_id, add=False)

    async def _react(
        self,
        actor: Actor,
        message_id: str,
        emoji: str,
        key: str | None,
        room_id: str | None,
        *,
        add: bool,
    ) -> Effect:
        room, message, checkpoint = await find_message(
            message_id, room_id, self._read_model, self._progress, self._rooms
        )
        there = message.reactions.get((emoji, actor.user_id))
        command = Command(
            room.room_id,
            actor,
            key,
            ("react" if add else "unreact", message.message_id, emoji),
            limited=(Limited.CHANGES, room.state),
        )
        if key is None and add == (there is not None) and checkpoint >= room.position:
            # Nothing to append. With a key it is appended all the same, so that the key is known;
            # and while the tables are behind, so that the fold says whether it changed anything.
            decide.react(room.state, message, actor, emoji, add=add)
            return _unchanged(message, there, self._writer.left(command))
        receipt = await self._writer.write(
            command,
            lambda: [decide.react(room.state, message, actor, emoji, add=add)],
            refresh=room.refresh,
        )
        assert receipt is not None
        return await self._effects.of(receipt)

    async def reactions_answer(self, effect: Effect) -> ReactionResponse:
        """The message's reactions right after the event."""
        return ReactionResponse((await self._effects.message(effect)).reactions)

    async def get_message_reactions(
        self, actor: Actor, message_id: str, min_sequence: int | None = None
    ) -> ReactionResponse:
        """A message's reactions as they stand."""
        room, found, _ = await find_message(
            message_id, None, self._read_model, self._progress, self._rooms
        )
        room = await self._readers.open(
            actor, room.room_id, RecordKind.REACTIONS_READ, message_id=found.message_id
        )
        await self._progress.require(room.room_id, min_sequence)
        message = await self._read_model.message(found.message_id)
        if message is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "no such message")
        return ReactionResponse(message.reactions)

    async def get_reaction_counts(self, actor: Actor, message_id: str) -> Mapping[str, int]:
        """How often each emoji was given, by emoji."""
        answer: list[ReactionCount] = (
            await self.get_message_reactions(actor, message_id)
        ).reactions
        return {reaction.emoji: reaction.count for reaction in answer}


def _unchanged(
    message: MessageState, there: ReactionState | None, quotas: tuple[Quota, ...]
) -> Effect:
    if there is None:
        sequence, at = message.version, message.edited_at or message.created_at
    else:
        sequence, at = there.sequence, there.at
    message_id = message.message_id
    receipt = Receipt(message.room_id, message_id, message_id, sequence, at, b"", quotas=quotas)
    return Effect(receipt, message.message_id, projected=True, unchanged=True, folded=message)

"""Reactions to messages. Each answer is all of the message's reactions."""

from litestar import Controller, Response, delete, get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from roomlog.http.answers import answer, written
from roomlog.http.requests import (
    ApiRequest,
    IdempotencyKey,
    MessageId,
    MinSequence,
    header_text,
    path_text,
    path_uuid,
)
from roomlog.services.effects import Effect
from roomlog_contract import resources as rs


class ReactionsController(Controller):
    """A message's reactions."""

    path = "/messages/{message_id:str}/reactions"

    @post(status_code=HTTP_200_OK)
    async def add_reaction(
        self,
        request: ApiRequest,
        message_id: MessageId,
        data: JSONBody[rs.ReactionRequest],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[rs.ReactionResponse]:
        """React to a message. Reacting again changes nothing."""
        effect = await request.parts.reactions.add_reaction(
            request.user,
            path_uuid(message_id, "message"),
            data.emoji,
            key=header_text(idempotency_key),
        )
        return await _changed(request, effect)

    @delete("/{emoji:path}", status_code=HTTP_200_OK)
    async def remove_reaction(
        self, request: ApiRequest, message_id: MessageId, idempotency_key: IdempotencyKey = None
    ) -> Response[rs.ReactionResponse]:
        """Take a reaction back. Where there is none, nothing changes."""
        effect = await request.parts.reactions.remove_reaction(
            request.user,
            path_uuid(message_id, "message"),
            path_text(request, "emoji"),
            key=header_text(idempotency_key),
        )
        return await _changed(request, effect)

    @get()
    async def list_reactions(
        self, request: ApiRequest, message_id: MessageId, min_sequence: MinSequence = None
    ) -> Response[rs.ReactionResponse]:
        """A message's reactions as they stand."""
        return answer(
            await request.parts.reactions.get_message_reactions(
                request.user, path_uuid(message_id, "message"), min_sequence
            )
        )


async def _changed(request: ApiRequest, effect: Effect) -> Response[rs.ReactionResponse]:
    reactions = await request.parts.reactions.reactions_answer(effect)
    return answer(reactions, written(request, effect.receipt, projected=effect.projected))

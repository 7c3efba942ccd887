"""What was done in rooms: counted, and told in the log, without a word of what was said."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from roomlog import metrics
from roomlog.core.decide import Fact
from roomlog.observability import tell

if TYPE_CHECKING:
    from roomlog.services.writer import Command

_logger = logging.getLogger(__name__)
_messages = cache(metrics.MESSAGES.labels)  # finding a label's counter costs more than counting


def record(command: "Command", facts: Sequence[Fact], event_id: str, sequence: int) -> None:
    """A command's facts have been appended; `sequence` is that of the last."""
    for fact in facts:
        _count(fact)
    tell(
        _logger,
        "appended",
        {
            "event": facts[0].type,
            "room_id": command.room_id,
            "user_id": command.actor.user_id,
            "message_id": facts[0].message_id or event_id,
            "sequence": sequence,
        },
    )


def _count(fact: Fact) -> None:
    match fact.type:
        case "message.sent":
            _messages(fact.fields["message_type"]).inc()
        case "message.edited":
            metrics.EDITS.inc()
        case "message.deleted":
            metrics.DELETIONS.inc()
        case "reaction.added":
            metrics.REACTIONS.labels("added").inc()
        case "reaction.removed":
            metrics.REACTIONS.labels("removed").inc()
        case _:
            pass

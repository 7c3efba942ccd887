"""Which events said what a message said, and the facts that keep their envelopes.

Pure. An event said it where its bytes hold text of the message: the sending, each edit, and each
deletion with a reason, whether or not they had an effect, and also where no version of the format
explains their bodies any more. Reactions hold an emoji, and stay in the log; the fold drops them.
"""

from collections.abc import Iterable, Sequence

import msgspec

from roomlog.core import policy
from roomlog.core.decide import Fact, clean_reason
from roomlog.core.erasure import erasure_of
from roomlog.core.leaves import parts_of
from roomlog.core.policy import Act, Actor
from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog_contract import resources as rs
from roomlog_contract import stored as st
from roomlog_contract.fold import RoomState


class Said(msgspec.Struct, frozen=True):
    """An event that said what a message said: its sequence and the envelope that stays of it."""

    sequence: int
    envelope: str


class SaidSoFar:
    """What a stretch of a room's events says of one message, taken in order.

    `said` are the events that are there and said it. `explained` are the sequences that redactions
    tell of, whether or not their events are erased yet, each with that of its first redaction.
    """

    def __init__(self, message_id: str) -> None:
        self.said: list[Said] = []
        self.explained: dict[int, int] = {}
        self.message_id = message_id
        self._mark = message_id.encode()

    def take(self, sequence: int, data: bytes) -> None:
        """The room's next event, its stored bytes."""
        if self._mark not in data:
            return
        try:
            stored = decode_event(data)
        except UnreadableEventError:
            return
        if about_message(stored) != self.message_id:
            return
        if stored.type == "message.redacted":
            erasure = erasure_of(stored)
            if erasure is not None:
                self.explained.setdefault(erasure.sequence, sequence)
        elif says_something(stored):
            self.said.append(Said(sequence, parts_of(data).envelope.decode()))

    def unexplained(self) -> Sequence[Said]:
        """The events that are still to be told of by a redaction."""
        return [one for one in self.said if one.sequence not in self.explained]


def about_message(stored: st.StoredEvent) -> str | None:
    """The message that an event sends or is about."""
    return stored.id if stored.type == "message.sent" else stored.message_id


def says_something(stored: st.StoredEvent) -> bool:
    """Whether the event's bytes hold what somebody said in or about a message."""
    if stored.type == "message.deleted":
        try:
            body = decode_body(stored)
        except UnreadableEventError:
            return True
        return not isinstance(body, st.MessageDeletedBody) or body.reason is not None
    return stored.type in {"message.sent", "message.edited"}


def redact(
    room: RoomState,
    message_id: str,
    actor: Actor,
    command: rs.MessageRedact,
    said: Iterable[Said],
) -> Sequence[Fact]:
    """A `message.redacted` for each event that said it. Raises RefusedError."""
    policy.require(Act.REDACT, actor, room)
    reason = clean_reason(command.reason)
    return [redaction(message_id, one, reason) for one in said]


def redaction(message_id: str, said: Said, reason: str | None) -> Fact:
    """The fact that what was said there is to be erased, and what stays of it."""
    return Fact(
        "message.redacted",
        {
            "redacted_sequence": said.sequence,
            "redacted_envelope": said.envelope,
            "reason": reason,
        },
        message_id,
        key=redaction_key(said.sequence),
    )


def redaction_key(sequence: int) -> str:
    """What the id of an event's redaction is made of: done again, it is the same redaction."""
    return f"redact:{sequence}"

"""Which events said what a message said, and the facts that keep their envelopes.

Pure. An event said it where its bytes hold text of the message: the sending, each edit, and each
deletion with a reason, whether or not they had an effect, and also where no version of the format
explains their bodies any more. Reactions hold an emoji, and stay in the log; the fold drops them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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

APPENDED_AT_ONCE_MAX = 256


class Said(msgspec.Struct, frozen=True):
    """An event that said what a message said: its sequence and the envelope that stays of it."""

    sequence: int
    envelope: str


class Saying(NamedTuple):
    """What stored bytes tell of before anybody reads their body: which message of which room they
    say something of, and the envelope that stays when they are erased."""

    room_id: str
    message_id: str
    envelope: str
    event: st.Envelope


class _Envelope(st.Envelope, frozen=True):
    room_id: str
    message_id: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def saying_in(data: bytes) -> Saying | None:
    """What stored bytes say of a message, read from their envelope alone, so that also of events
    which this roomlog cannot read it is known what to erase.

    None where nobody said anything there (members, status, reactions, redactions, a deletion
    without a reason), and of bytes that cannot be erased and be proved still: all of them are
    envelope, or it lacks what a redaction must keep.
    """
    parts = parts_of(data)
    saying = None if parts.body is None else saying_by(parts.envelope)
    if saying is None or (saying.event.type == "message.deleted" and not _gives_a_reason(data)):
        return None
    return saying


def saying_by(envelope: bytes) -> Saying | None:
    """The same of an envelope alone; a deletion may have given a reason. None of what no redaction
    may erase."""
    try:
        told, text = _envelope_decoder.decode(envelope), envelope.decode()
    except ValueError:
        return None
    message_id = told.id if told.type == "message.sent" else told.message_id
    of_message = told.type.startswith("message.") and told.type != "message.redacted"
    return Saying(told.room_id, message_id, text, told) if of_message and message_id else None


def _gives_a_reason(data: bytes) -> bool:
    """Whether a deletion's bytes hold what somebody said; what cannot be read may well."""
    try:
        body = decode_body(decode_event(data))
    except UnreadableEventError:
        return True
    return not isinstance(body, st.MessageDeletedBody) or body.reason is not None


class SaidSoFar:
    """What a stretch of a room's events says of one message, taken in order.

    `said` are the events that are there and said it. `explained` are the sequences that redactions
    tell of, whether or not their events are erased yet, each with that of its first redaction.
    """

    def __init__(self, room_id: str, message_id: str) -> None:
        self.said: list[Said] = []
        self.explained: dict[int, int] = {}
        self.room_id = room_id
        self.message_id = message_id
        self._mark = message_id.encode()

    def take(self, sequence: int, data: bytes) -> None:
        """The room's next event, its stored bytes."""
        if self._mark not in data:
            return
        saying = saying_in(data)
        if saying is not None:
            if (saying.room_id, saying.message_id) == (self.room_id, self.message_id):
                self.said.append(Said(sequence, saying.envelope))
            return
        try:
            stored = decode_event(data)
        except UnreadableEventError:
            return
        erasure = erasure_of(stored)
        if erasure is not None and stored.message_id == self.message_id:
            self.explained.setdefault(erasure.sequence, sequence)

    def unexplained(self) -> Sequence[Said]:
        """The events that are still to be told of by a redaction."""
        return [one for one in self.said if one.sequence not in self.explained]

    def to_append(self) -> Sequence[Sequence[Said]]:
        """The same, so many at once as one append tells of."""
        waiting, most = self.unexplained(), APPENDED_AT_ONCE_MAX
        return [waiting[start : start + most] for start in range(0, len(waiting), most)]


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

"""Which event a redaction tells of."""

from typing import NamedTuple

from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog_contract.stored import MessageRedactedBody, StoredEvent

_REDACTED = b'"type":"message.redacted"'
_TYPE_WITHIN_BYTES = 100  # it stands right behind the version


class Erasure(NamedTuple):
    """The sequence and the envelope of an event that is erased, or about to be."""

    sequence: int
    envelope: bytes


def erasure_in(data: bytes) -> Erasure | None:
    """What an event erases from its room's log, from its stored bytes alone; None where it is no
    redaction, or none that can be read."""
    if _REDACTED not in data[:_TYPE_WITHIN_BYTES]:
        return None
    try:
        return erasure_of(decode_event(data))
    except UnreadableEventError:
        return None


def erasure_of(stored: StoredEvent) -> Erasure | None:
    """The same of an event that was decoded."""
    try:
        body = decode_body(stored)
    except UnreadableEventError:
        return None
    if not isinstance(body, MessageRedactedBody):
        return None
    return Erasure(body.redacted_sequence, body.redacted_envelope.encode())

"""Which event a redaction tells of, from stored bytes alone."""

from typing import NamedTuple

from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog_contract.stored import MessageRedactedBody

_REDACTED = b'"type":"message.redacted"'
_TYPE_WITHIN_BYTES = 100  # it stands right behind the version


class Erasure(NamedTuple):
    """The sequence and the envelope of an event that is erased, or about to be."""

    sequence: int
    envelope: bytes


def erasure_in(data: bytes) -> Erasure | None:
    """What an event erases from its room's log; None where it is no redaction."""
    if _REDACTED not in data[:_TYPE_WITHIN_BYTES]:
        return None
    try:
        body = decode_body(decode_event(data))
    except UnreadableEventError:
        return None
    if not isinstance(body, MessageRedactedBody):
        return None
    return Erasure(body.redacted_sequence, body.redacted_envelope.encode())

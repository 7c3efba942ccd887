"""What a room's tree is made of: from an event's stored bytes to its leaf.

A leaf is the event's sequence (8 bytes, big-endian) followed by its envelope: the stored bytes
with `,"body":…` cut out. The envelope carries `commit`, the SHA-256 of the body. So the leaf vouches
for all that was said, and stays the same when what was said is erased.
"""

from hashlib import sha256
from typing import NamedTuple

import msgspec

from roomlog.core.merkle import leaf_hash

_BODY_KEY = b',"body":'
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Parts(NamedTuple):
    """Stored bytes in two. `body` is None where they are no event with its body at the end: all
    of them are the envelope then, so that no bytes in a room's log are without a leaf."""

    envelope: bytes
    body: bytes | None


class _HasBody(msgspec.Struct, frozen=True):
    body: msgspec.Raw


class _HasCommit(msgspec.Struct, frozen=True):
    commit: str


_body_decoder = msgspec.json.Decoder(_HasBody)
_commit_decoder = msgspec.json.Decoder(_HasCommit)


def parts_of(data: bytes) -> Parts:
    """Take stored bytes apart, whatever they are and whichever fields stand before the body."""
    try:
        body = bytes(_body_decoder.decode(data).body)
    except _FAULTS:
        return Parts(data, None)
    end = _BODY_KEY + body + b"}"
    if not data.endswith(end):
        return Parts(data, None)
    return Parts(data[: -len(end)] + b"}", body)


def whole(parts: Parts) -> bytes:
    """The stored bytes again."""
    if parts.body is None:
        return parts.envelope
    return parts.envelope[:-1] + _BODY_KEY + parts.body + b"}"


def commit_holds(parts: Parts) -> bool:
    """Whether the envelope's `commit` is the SHA-256 of the body: what was said is what was said
    then. Bytes without a body promise nothing, and hold."""
    if parts.body is None:
        return True
    try:
        commit = _commit_decoder.decode(parts.envelope).commit
    except _FAULTS:
        return False
    return sha256(parts.body).hexdigest() == commit


def leaf_of(sequence: int, envelope: bytes) -> bytes:
    """The leaf of the event at `sequence` of the log."""
    return sequence.to_bytes(8, "big") + envelope


def event_leaf_hash(sequence: int, envelope: bytes) -> bytes:
    """The hash of that leaf: what the tree is built of."""
    return leaf_hash(leaf_of(sequence, envelope))

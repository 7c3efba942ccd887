"""What a room's tree is made of: from an event's stored bytes to its leaf.

A leaf is the event's sequence (8 bytes, big-endian) followed by its envelope: the stored bytes
with `,"body":…` cut out. The envelope carries `commit`, the SHA-256 of the body. So the leaf vouches
for all that was said, and stays the same when what was said is erased.
"""

import re
from hashlib import sha256
from typing import NamedTuple

from roomlog.core.merkle import leaf_hash

_BODY_KEY = b',"body":'
# Within JSON's strings a quote never follows a comma unescaped: this is where the body begins, and
# whoever verifies a bundle in whichever language finds it without reading the JSON.
# Searched for: a pattern that begins with what stands before the commit costs twice as much.
_TO_BODY = re.compile(rb',"commit":"[0-9a-f]*"(?=,"body":)')


class Parts(NamedTuple):
    """Stored bytes in two. `body` is None where they are no event with its body at the end: all
    of them are the envelope then, so that no bytes in a room's log are without a leaf."""

    envelope: bytes
    body: bytes | None


def parts_of(data: bytes) -> Parts:
    """Take stored bytes apart, whatever they are and whichever fields stand before the commit."""
    found = _TO_BODY.search(data, 1)
    if found is None or not (data.startswith(b"{") and data.endswith(b"}")):
        return Parts(data, None)
    end = found.end()
    return Parts(data[:end] + b"}", data[end + len(_BODY_KEY) : -1])


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
    return parts.envelope.endswith(b'"%b"}' % sha256(parts.body).hexdigest().encode())


def leaf_of(sequence: int, envelope: bytes) -> bytes:
    """The leaf of the event at `sequence` of the log."""
    return sequence.to_bytes(8, "big") + envelope


def event_leaf_hash(sequence: int, envelope: bytes) -> bytes:
    """The hash of that leaf: what the tree is built of."""
    return leaf_hash(leaf_of(sequence, envelope))

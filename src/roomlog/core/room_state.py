"""A room's state kept by its events: snapshots of it, and what comes after.

Only `room.*` and `member.*` events change it, so that all others are passed over unread.
"""

import zlib

import msgspec

from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog_contract import events as ev
from roomlog_contract.fold import Fold, RoomState

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RoomState)
_OF_ROOM, _OF_MEMBER = b'"type":"room.', b'"type":"member.'
_HEAD_BYTES = 64  # v and type come first in every stored event


def encode_snapshot(state: RoomState) -> bytes:
    """A room's state as bytes for a snapshot."""
    return _encoder.encode(state)


def decode_snapshot(data: bytes) -> RoomState | None:
    """A room's state from a snapshot; None where the bytes are of another form."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encode_waypoint(state: RoomState) -> bytes:
    """The same, small enough for a bucket's value however many members there are."""
    return zlib.compress(encode_snapshot(state), 1)


def decode_waypoint(data: bytes) -> RoomState | None:
    """A room's state from a waypoint; None where the bytes are of another form."""
    try:
        return decode_snapshot(zlib.decompress(data))
    except zlib.error:
        return None


def changes_room(data: bytes) -> bool:
    """Whether stored bytes are of an event that concerns the room itself, without decoding."""
    head = data[:_HEAD_BYTES]
    return _OF_ROOM in head or _OF_MEMBER in head


def evolve(state: RoomState | None, event: ev.RoomEvent) -> RoomState | None:
    """The room after an event.

    Ids seen before are not known here: repeating a room's or a member's event changes nothing
    that the fold would not have left unchanged, unless other changes lie between; the log's
    own deduplication and the projection's memory of ids keep those from being appended.
    """
    fold = Fold(state)
    fold.apply(event)
    return fold.room


def evolve_stored(state: RoomState | None, sequence: int, data: bytes) -> RoomState | None:
    """The room after stored bytes; what cannot be read changes nothing."""
    if not changes_room(data):
        return state
    try:
        return evolve(state, room_event(sequence, 0, data))
    except UnreadableEventError:
        return state

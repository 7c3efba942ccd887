"""Ids, salts, digests and times: what the shell puts on facts. Nothing here is decided."""

import os
import secrets
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import uuid_utils

from roomlog.core.decide import Stamp

_SALT_BYTES = 16
_SALTS_AT_ONCE = 64
_ROOM_NAMESPACE = uuid_utils.UUID("8f0f2a3e-6b1d-5d0c-9a53-1f6f726f6f6d")
_encoder = msgspec.json.Encoder(order="sorted")


def new_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and in order of time."""
    return str(uuid_utils.uuid7())


def keyed_event_id(room_id: str, actor: str, key: str) -> str:
    """The UUIDv5 of room, actor and idempotency key: the same request is the same event."""
    return str(uuid_utils.uuid5(uuid_utils.UUID(room_id), f"{len(actor)}:{actor}{key}"))


def keyed_room_id(actor: str, key: str) -> str:
    """The id of the room that this actor creates under this key."""
    return str(uuid_utils.uuid5(_ROOM_NAMESPACE, f"key:{len(actor)}:{actor}{key}"))


def named_room_id(name: str) -> str:
    """The id of an imported room, made from its name."""
    return str(uuid_utils.uuid5(_ROOM_NAMESPACE, f"name:{name}"))


def keyed_marker_id(room_id: str, actor: str, key: str) -> str:
    """The id of the request that moves this actor's read marker under this key."""
    return str(uuid_utils.uuid5(uuid_utils.UUID(room_id), f"read-marker:{len(actor)}:{actor}{key}"))


def keyed_notice_id(actor: str, key: str) -> str:
    """The id of the notice to all that this actor sends under this key."""
    return str(uuid_utils.uuid5(_ROOM_NAMESPACE, f"notice:{len(actor)}:{actor}{key}"))


def request_digest(request: tuple[object, ...]) -> str:
    """A digest that tells two requests under one key apart."""
    return sha256(_encoder.encode(request)).hexdigest()


def new_stamp(event_id: str, digest: str | None) -> Stamp:
    """Id, fresh salt and digest for one fact."""
    return Stamp(event_id, _salts.next(), digest)


class _Salts:
    """Random salts, each given once; asking the system for many at once costs little more than
    for one."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        if not self._left:
            block = secrets.token_hex(_SALT_BYTES * _SALTS_AT_ONCE)
            self._left = [
                block[at : at + 2 * _SALT_BYTES] for at in range(0, len(block), 2 * _SALT_BYTES)
            ]
        return self._left.pop()

    def forget(self) -> None:
        """For a forked process, which must not give what its parent gives."""
        self._left.clear()


_salts = _Salts()
os.register_at_fork(after_in_child=_salts.forget)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)

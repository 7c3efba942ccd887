"""Ids, salts, digests and times: what the shell puts on facts. Nothing here is decided."""

import secrets
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import uuid_utils

from roomlog.core.decide import Stamp

_SALT_BYTES = 16
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
    return Stamp(event_id, secrets.token_hex(_SALT_BYTES), digest)


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds, as every time is written."""
    utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return utc.removesuffix("+00:00") + "Z"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)

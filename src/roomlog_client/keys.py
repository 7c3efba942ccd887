"""Idempotency keys."""

import secrets
import time
from uuid import UUID

_RANDOM_A_BITS = 12
_RANDOM_B_BITS = 62


def new_key() -> str:
    """A UUIDv7 of this moment (RFC 9562, section 5.7).

    By its time the server sees that it can't have been used long ago, and looks nothing up.
    """
    stamp_ms = time.time_ns() // 1_000_000
    value = (stamp_ms & (2**48 - 1)) << 80
    value |= 0x7 << 76 | secrets.randbits(_RANDOM_A_BITS) << 64
    value |= 0b10 << 62 | secrets.randbits(_RANDOM_B_BITS)
    return str(UUID(int=value))

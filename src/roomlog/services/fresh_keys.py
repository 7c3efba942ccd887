"""Idempotency keys that cannot have been used longer ago than the log itself remembers.

A UUIDv7 (RFC 9562, section 5.7) tells when it was made. One of the last FRESH_S seconds need not
be looked up, because the log's duplicate window (120 s) answers a repetition of all that was
appended since; unless the key was used before it was made, by a client whose clock runs ahead. So
whoever is to use a key that is more than AHEAD_S ahead of the server's clock first leaves a mark
for that user in a bucket, and no key up to a user's mark counts as fresh.

Let a fresh key of the moment `m` have been used before, and the mark have been read `AHEAD_S`
before `m` at the earliest. That use was before the reading and left a mark, which was seen; or it
was less than AHEAD_S ahead; or it came after the reading. In the last two cases it was appended
after `m - AHEAD_S`, and now is not after `m + FRESH_S`: 90 s at most lie between, and 120 s less
what clocks differ by are enough.
"""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from uuid_utils import UUID

from roomlog.memory_ports import KeyMarks

FRESH_S = 60
AHEAD_S = 30
USERS_MAX = 10_000
_MARK_ON_S = 60


class _Sight(NamedTuple):
    """A user's mark as it was read at that time; both in milliseconds since the Unix epoch."""

    read_at_ms: float
    mark_ms: int


class FreshKeys:
    """Judges keys of one node. Used on the event loop only."""

    def __init__(self, marks: KeyMarks) -> None:
        self._marks = marks
        self._seen: OrderedDict[str, _Sight] = OrderedDict()

    def is_fresh(self, user_id: str, key: str, now: datetime) -> bool:
        """Whether the key is fresh, as far as can be told without asking: False may be wrong."""
        made_ms, now_ms = _made_ms(key), _ms(now)
        sight = self._seen.get(user_id)
        if made_ms is None or sight is None:
            return False
        return (
            now_ms - FRESH_S * 1000 <= made_ms <= now_ms + AHEAD_S * 1000
            and sight.mark_ms < made_ms <= sight.read_at_ms + AHEAD_S * 1000
        )

    async def judge(self, user_id: str, key: str, now: datetime) -> bool:
        """Whether the key is fresh. One that is ahead of its time is marked, for later.

        Raises LogUnavailableError.
        """
        made_ms, now_ms = _made_ms(key), _ms(now)
        if made_ms is None or made_ms < now_ms - FRESH_S * 1000:
            return False
        if self.is_fresh(user_id, key, now):
            return True
        if made_ms <= now_ms + AHEAD_S * 1000:
            self._see(user_id, _Sight(now_ms, await self._marks.get(user_id)))
            return self.is_fresh(user_id, key, now)
        sight = self._seen.get(user_id)
        if sight is None or sight.mark_ms < made_ms:
            # A little further: such a client goes on, and each mark costs two round trips.
            mark_ms = await self._marks.advance(user_id, made_ms + _MARK_ON_S * 1000)
            self._see(user_id, _Sight(now_ms, mark_ms))
        return False

    def _see(self, user_id: str, sight: _Sight) -> None:
        self._seen[user_id] = sight
        self._seen.move_to_end(user_id)
        if len(self._seen) > USERS_MAX:
            self._seen.popitem(last=False)


def _made_ms(key: str) -> int | None:
    """When a UUIDv7 was made; None for any other key."""
    try:
        value = UUID(key)
    except ValueError:
        return None
    return value.int >> 80 if value.version == 7 else None


def _ms(moment: datetime) -> float:
    return moment.timestamp() * 1000

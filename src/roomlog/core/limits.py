"""How much somebody may do: token buckets and the spam guard. Time is an argument.

Every `now_s` is in seconds of a clock that never goes back. All memory is bounded: what was used
least recently is forgotten first, which gives nobody less than the limit allows.
"""

import math
import re
from collections import OrderedDict, deque
from collections.abc import Collection
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from roomlog.core.decide import MENTIONS_FIELD, Fact
from roomlog.core.mentions import EVERYONE
from roomlog.core.policy import Actor
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import RoomState
from roomlog_contract.types import GlobalRole, MessageType, RoomRole

BUCKETS_MAX = 100_000
DEBT_BURSTS_MAX = 64
TEXTS_MAX = 100_000
EQUAL_TEXTS_MAX = 4
MENTIONS_PER_WINDOW_MAX = 50
LINKS_PER_WINDOW_MAX = 10
SPAM_WINDOW_S = 30.0
NEWCOMER_S = 600.0
_EVERYONE_MENTIONS = 10
_MARK_BYTES = 8
_TOLERANCE_S = 1e-6
_LINK = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
_encoder = msgspec.json.Encoder(order="sorted")


class Rate(msgspec.Struct, frozen=True):
    """`per_s` units a second; the bucket holds `burst`."""

    per_s: float
    burst: float

    @classmethod
    def per_second(cls, units: float) -> "Rate | None":
        """A rate that holds one second's worth, at least 1; None for 0, which is no limit."""
        return cls(units, max(1.0, units)) if units else None

    @classmethod
    def per_minute(cls, units: float) -> "Rate | None":
        """A rate that holds one minute's worth, at least 1; None for 0, which is no limit."""
        return cls(units / 60, max(1.0, units)) if units else None


class Quota(msgspec.Struct, frozen=True):
    """What is left of a limit: RateLimit and RateLimit-Policy in
    draft-ietf-httpapi-ratelimit-headers. `reset_s`: when all of it is there again."""

    name: str
    units: int
    window_s: int
    remaining: int
    reset_s: int


class LimitedError(RefusedError):
    """`rate_limited`, with what is left of the limits that apply."""

    def __init__(self, detail: str, retry_after_s: float, quotas: tuple[Quota, ...] = ()) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, detail, retry_after_s=retry_after_s)
        self.quotas = quotas


class TokenBuckets:
    """One token bucket for each key, all of one rate.

    A bucket is the moment at which it is full again, as in the virtual scheduling of GCRA (ITU-T
    I.371); a full one need not be remembered.
    """

    def __init__(self, rate: Rate, *, keys_max: int = BUCKETS_MAX) -> None:
        self.rate = rate
        self._keys_max = keys_max
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_s)

    def wait_s(self, key: str, now_s: float, units: float = 1) -> float:
        """How long until `units` can be taken; 0 where they can be now. More than the bucket
        holds can be taken when it is full."""
        lacking_s = self._full_at_s.get(key, now_s) - now_s
        spare_s = (self.rate.burst - min(units, self.rate.burst)) / self.rate.per_s
        wait_s = lacking_s - spare_s
        return wait_s if wait_s > _TOLERANCE_S else 0.0

    def charge(self, key: str, now_s: float, units: float = 1) -> None:
        """Take `units`, also those that are not there: then it owes them, up to
        DEBT_BURSTS_MAX bucketfuls."""
        full_at_s = max(self._full_at_s.get(key, now_s), now_s) + units / self.rate.per_s
        most_s = (1 + DEBT_BURSTS_MAX) * self.rate.burst / self.rate.per_s
        self._full_at_s[key] = min(full_at_s, now_s + most_s)
        self._full_at_s.move_to_end(key)
        if len(self._full_at_s) > self._keys_max:
            self._full_at_s.popitem(last=False)

    def give_back(self, key: str, units: float = 1) -> None:
        """Undo a charge."""
        if key in self._full_at_s:
            self._full_at_s[key] -= units / self.rate.per_s

    def quota(self, name: str, key: str, now_s: float) -> Quota:
        """What is left, in whole units."""
        lacking_s = max(0.0, self._full_at_s.get(key, now_s) - now_s)
        left = self.rate.burst - lacking_s * self.rate.per_s
        return Quota(
            name=name,
            units=math.floor(self.rate.burst),
            window_s=math.ceil(self.rate.burst / self.rate.per_s),
            remaining=max(0, math.floor(left + _TOLERANCE_S)),
            reset_s=math.ceil(lacking_s - _TOLERANCE_S),
        )


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What the spam guard keeps of a message: a mark that equal ones share (empty where repeats
    don't matter), whom it calls, how many links it has."""

    mark: bytes
    mentions: int
    links: int


def said(fact: Fact, actor: Actor) -> Said | None:
    """What the spam guard judges of a fact; None for what it does not judge.

    Services and system messages repeat themselves by their nature. Equal texts are equal without
    regard to case and white space; other kinds of messages are equal with all their metadata.
    """
    fields = fact.fields
    kind = fields.get("message_type", MessageType.TEXT)
    if "content" not in fields or kind is MessageType.SYSTEM or actor.has(GlobalRole.SERVICE):
        return None
    content: str = fields["content"]
    metadata: dict[str, Any] = fields.get("metadata", {})
    mark = b""
    if fact.type == "message.sent":
        words = " ".join(content.casefold().split()).encode()
        if kind is not MessageType.TEXT:
            words += b"\0" + kind.encode() + _encoder.encode(metadata)
        mark = blake2b(words, digest_size=_MARK_BYTES).digest()
    mentions = _weight(content, metadata.get(MENTIONS_FIELD, ()))
    links = len(_LINK.findall(content)) if ":" in content or "www." in content.lower() else 0
    return Said(mark, mentions, links)


def _weight(content: str, called: Collection[str]) -> int:
    """How many mentions a text counts as: `@room` is _EVERYONE_MENTIONS at most, though it calls
    every member by id."""
    if EVERYONE in called:
        return _EVERYONE_MENTIONS + len(called) - 1
    if called and EVERYONE in content.casefold():
        return min(len(called), _EVERYONE_MENTIONS + content.count("@") - 1)
    return len(called)


def is_newcomer(actor: Actor, room: RoomState, now: datetime) -> bool:
    """Whether the actor joined the room after its beginning and within the last NEWCOMER_S."""
    member = room.members.get(actor.user_id)
    if member is None or member.role is RoomRole.COMMANDER or member.since <= room.created_at:
        return False
    return (now - datetime.fromisoformat(member.since)).total_seconds() < NEWCOMER_S


class SpamGuard:
    """Repeats, floods of mentions and of newcomers' links, each by user and room."""

    def __init__(self, *, texts_max: int = TEXTS_MAX, keys_max: int = BUCKETS_MAX) -> None:
        self._texts_max = texts_max
        self._texts: OrderedDict[tuple[str, str, bytes], deque[float]] = OrderedDict()
        self._mentions = TokenBuckets(_per_window(MENTIONS_PER_WINDOW_MAX), keys_max=keys_max)
        self._links = TokenBuckets(_per_window(LINKS_PER_WINDOW_MAX), keys_max=keys_max)

    def __len__(self) -> int:
        return len(self._texts) + len(self._mentions) + len(self._links)

    def judge(self, user: str, room_id: str, what: Said, now_s: float, *, newcomer: bool) -> None:
        """Raise RefusedError `spam` where this would be too much. Nothing is recorded."""
        texts = self._texts.get((user, room_id, what.mark), ()) if what.mark else ()
        recent = [at_s for at_s in texts if now_s - at_s < SPAM_WINDOW_S]
        if len(recent) >= EQUAL_TEXTS_MAX:
            raise RefusedError(
                ErrorCode.SPAM,
                f"the same message {EQUAL_TEXTS_MAX} times within {SPAM_WINDOW_S:g} s is enough",
                retry_after_s=SPAM_WINDOW_S - (now_s - recent[-EQUAL_TEXTS_MAX]),
            )
        key = f"{room_id} {user}"
        if what.mentions and (wait_s := self._mentions.wait_s(key, now_s, what.mentions)):
            raise RefusedError(
                ErrorCode.SPAM,
                f"at most {MENTIONS_PER_WINDOW_MAX} mentions in {SPAM_WINDOW_S:g} s; "
                f"{EVERYONE} counts as {_EVERYONE_MENTIONS}",
                retry_after_s=wait_s,
            )
        if newcomer and what.links and (wait_s := self._links.wait_s(key, now_s, what.links)):
            raise RefusedError(
                ErrorCode.SPAM,
                f"at most {LINKS_PER_WINDOW_MAX} links in {SPAM_WINDOW_S:g} s from who joined "
                f"within the last {NEWCOMER_S / 60:g} minutes",
                retry_after_s=wait_s,
            )

    def record(self, user: str, room_id: str, what: Said, now_s: float) -> None:
        """Count what was said, here or on another node."""
        if what.mark:
            texts = self._texts.setdefault(
                (user, room_id, what.mark), deque(maxlen=EQUAL_TEXTS_MAX)
            )
            texts.append(now_s)
            self._texts.move_to_end((user, room_id, what.mark))
            self._forget_old_texts(now_s)
        if what.mentions:
            self._mentions.charge(f"{room_id} {user}", now_s, what.mentions)
        if what.links:
            self._links.charge(f"{room_id} {user}", now_s, what.links)

    def take_back(self, user: str, room_id: str, what: Said) -> None:
        """Undo the newest record of this: it did not come to be."""
        texts = self._texts.get((user, room_id, what.mark))
        if texts:
            texts.pop()
        self._mentions.give_back(f"{room_id} {user}", what.mentions)
        self._links.give_back(f"{room_id} {user}", what.links)

    def _forget_old_texts(self, now_s: float) -> None:
        while self._texts:
            key, texts = next(iter(self._texts.items()))
            old = not texts or now_s - texts[-1] >= SPAM_WINDOW_S
            if not old and len(self._texts) <= self._texts_max:
                return
            del self._texts[key]


def _per_window(units: float) -> Rate:
    return Rate(units / SPAM_WINDOW_S, units)

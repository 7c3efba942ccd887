"""The limits of users and rooms as one node keeps them, told of what other nodes let through.

Every node judges by itself, so that nothing waits for anybody. What it let through it tells the
others at once, or REPORT_INTERVAL_S after its last report, and what they tell is charged to the
same buckets, which may owe. So nodes can be ahead of each other by what they let through before
they hear of it, a bucketful each at most, and over time the rate holds for all of them together.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from roomlog.core.decide import Fact
from roomlog.core.limits import (
    LimitedError,
    Quota,
    Rate,
    Said,
    SpamGuard,
    TokenBuckets,
    is_newcomer,
    said,
)
from roomlog.core.policy import Actor
from roomlog.ports import Clock
from roomlog.services import identity
from roomlog.signal_ports import Signals
from roomlog_contract.fold import RoomState

REPORT_INTERVAL_S = 0.05
REPORT_ENTRIES_MAX = 1000
UNREPORTED_MAX = 10_000
RECENT_IDS_MAX = 20_000

_NODE_WITHIN_BYTES = 64  # a report begins with who made it

_log = logging.getLogger(__name__)


class Limited(StrEnum):
    """What is counted, each kind in buckets of its own; the values are the quotas' names."""

    MESSAGES = "messages"
    CHANGES = "changes"
    CONNECTS = "connects"


_ROOM = "room"
_WORDS = {Limited.MESSAGES: "messages", Limited.CHANGES: "edits, deletions and reactions"}


class Rates(msgspec.Struct, frozen=True):
    """The settings' limits; 0 is no limit. Connects are by the minute, the rest by the second."""

    user_messages_per_second: float = 0
    room_messages_per_second: float = 0
    connects_per_minute: float = 0
    spam_guard: bool = False


class _Use(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a node let through."""

    kind: Limited
    user: str
    room_id: str = ""
    event_id: str = ""
    said: Said | None = None


class _Report(msgspec.Struct, frozen=True, array_like=True):
    """What a node let through since its last report."""

    node: str
    uses: list[_Use]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Report)


class Grant:
    """A write that was let through. Say `done` when it is in the log (or may be), `undo` when
    nothing came to be. Neither does anything a second time."""

    __slots__ = ("_limiter", "_use")

    def __init__(self, limiter: "Limiter", use: _Use | None) -> None:
        self._limiter = limiter
        self._use = use

    def done(self) -> None:
        """It counts, on every node."""
        if self._use is not None:
            self._limiter.report(self._use)
            self._use = None

    def undo(self) -> None:
        """It never was."""
        if self._use is not None:
            self._limiter.take_back(self._use)
            self._use = None


class Limiter:
    """Judges writes and connections of one node. Used on the event loop only."""

    def __init__(
        self,
        rates: Rates,
        clock: Clock,
        signals: Signals | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `signals` the node is alone. `monotonic` gives seconds."""
        self._clock = clock
        self._signals = signals
        self._now_s = monotonic
        self._node = identity.new_id()
        self._node_bytes = self._node.encode()
        user = Rate.per_second(rates.user_messages_per_second)
        self._user = {
            Limited.MESSAGES: user and TokenBuckets(user),
            Limited.CHANGES: user and TokenBuckets(user),
        }
        room = Rate.per_second(rates.room_messages_per_second)
        self._room = room and TokenBuckets(room)
        connects = Rate.per_minute(rates.connects_per_minute)
        self._connects = connects and TokenBuckets(connects)
        self._spam = SpamGuard() if rates.spam_guard else None
        self._writes_limited = bool(user or room or rates.spam_guard)
        self._recent_ids: OrderedDict[str, None] = OrderedDict()
        self._unreported: deque[_Use] = deque(maxlen=UNREPORTED_MAX)
        self._reported_at_s = float("-inf")
        self._report_due = False

    async def start(self) -> None:
        """Listen to the other nodes."""
        if self._signals is not None:
            await self._signals.on_usage(self._heard)

    def admit(
        self, kind: Limited, actor: Actor, room: RoomState, fact: Fact, event_id: str | None
    ) -> Grant:
        """Let a write through and charge it; `event_id` where its key may have been used.

        An id that a node has let through lately is not charged again: the log answers it from
        the past. Raises LimitedError and RefusedError `spam`.
        """
        if not self._writes_limited:
            return Grant(self, None)
        now_s, user, room_id = self._now_s(), actor.user_id, room.room_id
        if event_id is not None and event_id in self._recent_ids:
            return Grant(self, None)
        buckets = self._user[kind]
        if buckets is not None and (wait_s := buckets.wait_s(user, now_s)):
            rate = f"{buckets.rate.per_s:g} {_WORDS[kind]} a second"
            quotas = self._quotas(kind, user, room_id, now_s)
            raise LimitedError(f"a user may make {rate}", wait_s, quotas)
        if self._room is not None and (wait_s := self._room.wait_s(room_id, now_s)):
            detail = f"the room takes {self._room.rate.per_s:g} messages and changes a second"
            raise LimitedError(detail, wait_s, self._quotas(kind, user, room_id, now_s))
        what = None if self._spam is None else said(fact, actor)
        if self._spam is not None and what is not None:
            newcomer = bool(what.links) and is_newcomer(actor, room, self._clock.now())
            self._spam.judge(user, room_id, what, now_s, newcomer=newcomer)
        use = _Use(kind, user, room_id, event_id or "", what)
        self._charge(use, now_s)
        return Grant(self, use)

    def left(self, kind: Limited, actor: Actor, room: RoomState) -> tuple[Quota, ...]:
        """What is left of the limits that a write falls under, without charging anything."""
        return self._quotas(kind, actor.user_id, room.room_id, self._now_s())

    def admit_connection(self, user: str) -> None:
        """Count a connection attempt. Raises LimitedError."""
        if self._connects is None:
            return
        now_s = self._now_s()
        if wait_s := self._connects.wait_s(user, now_s):
            rate = self._connects.rate
            raise LimitedError(f"a user may connect {rate.per_s * 60:g} times a minute", wait_s)
        use = _Use(Limited.CONNECTS, user)
        self._charge(use, now_s)
        self.report(use)

    def report(self, use: _Use) -> None:
        """Tell the others soon. For Grant."""
        if self._signals is None:
            return
        self._unreported.append(use)
        if not self._report_due:
            self._report_due = True
            wait_s = self._reported_at_s + REPORT_INTERVAL_S - self._now_s()
            asyncio.get_running_loop().call_later(max(0.0, wait_s), self._tell)

    def take_back(self, use: _Use) -> None:
        """Undo a charge. For Grant."""
        for buckets, key in self._buckets(use):
            buckets.give_back(key)
        if self._spam is not None and use.said is not None:
            self._spam.take_back(use.user, use.room_id, use.said)
        self._recent_ids.pop(use.event_id, None)

    def _buckets(self, use: _Use) -> Iterator[tuple[TokenBuckets, str]]:
        mine = self._connects if use.kind is Limited.CONNECTS else self._user[use.kind]
        if mine is not None:
            yield mine, use.user
        if self._room is not None and use.room_id:
            yield self._room, use.room_id

    def _charge(self, use: _Use, now_s: float) -> None:
        for buckets, key in self._buckets(use):
            buckets.charge(key, now_s)
        if self._spam is not None and use.said is not None:
            self._spam.record(use.user, use.room_id, use.said, now_s)
        if use.event_id:
            self._recent_ids[use.event_id] = None
            if len(self._recent_ids) > RECENT_IDS_MAX:
                self._recent_ids.popitem(last=False)

    def _quotas(self, kind: Limited, user: str, room_id: str, now_s: float) -> tuple[Quota, ...]:
        found: list[Quota] = []
        if (mine := self._user[kind]) is not None:
            found.append(mine.quota(kind, user, now_s))
        if self._room is not None:
            found.append(self._room.quota(_ROOM, room_id, now_s))
        return tuple(found)

    def _tell(self) -> None:
        self._report_due = False
        self._reported_at_s = self._now_s()
        assert self._signals is not None
        while self._unreported:
            count = min(REPORT_ENTRIES_MAX, len(self._unreported))
            uses = [self._unreported.popleft() for _ in range(count)]
            self._signals.announce_usage(_encoder.encode(_Report(self._node, uses)))

    def _heard(self, data: bytes) -> None:
        if self._node_bytes in data[:_NODE_WITHIN_BYTES]:
            return  # its own: every node hears every report
        try:
            report = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _log.warning("another node's report of its usage can't be read")
            return
        now_s = self._now_s()
        for use in report.uses:
            self._charge(use, now_s)

"""Bounds on the HTTP connections of a worker, of whom TCP alone asks nothing: how many there are,
and how much lies here of requests that have not come to their end and for those who do not read
their answers."""

import asyncio
from collections import Counter
from typing import Final, NamedTuple, Protocol

CONNECTIONS_MAX: Final = 10_000
UNREAD_BYTES_MAX: Final = 128 * 1024 * 1024
UNFINISHED_BYTES_MAX: Final = 64 * 1024 * 1024
UNREAD_TIMEOUT_S: Final = 60.0


class Member(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """End it at once."""
        ...


class _Share(NamedTuple):
    caller: int
    size_bytes: int


class _Held:
    """What lies here for members, in bytes, and for which callers."""

    def __init__(self) -> None:
        self._shares: dict[Member, _Share] = {}
        self._of_caller: Counter[int] = Counter()
        self.size_bytes = 0

    def add(self, member: Member, caller: int, size_bytes: int) -> None:
        """So much lies here for a member, in place of what did before."""
        self.drop(member)
        self._shares[member] = _Share(caller, size_bytes)
        self._of_caller[caller] += size_bytes
        self.size_bytes += size_bytes

    def drop(self, member: Member) -> None:
        """Nothing lies here for it any more."""
        share = self._shares.pop(member, None)
        if share is None:
            return
        self.size_bytes -= share.size_bytes
        self._of_caller[share.caller] -= share.size_bytes
        if not self._of_caller[share.caller]:
            del self._of_caller[share.caller]

    def first_of_most(self) -> Member:
        """Of the caller for whom most lies here, the member whose share was told first."""
        most = max(self._of_caller, key=self._of_caller.__getitem__)
        return next(one for one, share in self._shares.items() if share.caller == most)


class Crowd:
    """The connections that are no WebSockets, or none yet.

    Beyond CONNECTIONS_MAX the one that has been silent the longest goes: it has asked for nothing,
    or had its answer. Whoever leaves an answer unread for UNREAD_TIMEOUT_S goes. Where they
    leave more than UNREAD_BYTES_MAX, one of the caller who leaves most of it goes: the one that
    has not read for the longest. So it is with requests whose end has not come, and
    UNFINISHED_BYTES_MAX: the one that has brought nothing for the longest goes.
    """

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._silent: dict[Member, None] = {}
        self._unread, self._unfinished = _Held(), _Held()
        self._timers: dict[Member, asyncio.TimerHandle] = {}

    def enter(self, member: Member) -> None:
        """It has connected, and has not said anything."""
        self._members.add(member)
        self._silent[member] = None
        if len(self._members) > CONNECTIONS_MAX:
            self._end(next(iter(self._silent)))

    def leave(self, member: Member) -> None:
        """It is gone, or a WebSocket now. More than once does no harm."""
        self._members.discard(member)
        self._silent.pop(member, None)
        self._unfinished.drop(member)
        self.reads(member)

    def brings(self, member: Member, caller: int, size_bytes: int) -> None:
        """So much of a request has come, and more is to come. `caller` stands for who asks."""
        self._unfinished.add(member, caller, size_bytes)
        while self._unfinished.size_bytes > UNFINISHED_BYTES_MAX:
            self._end(self._unfinished.first_of_most())

    def asks(self, member: Member) -> None:
        """A whole request has come."""
        self._silent.pop(member, None)
        self._unfinished.drop(member)

    def answered(self, member: Member) -> None:
        """It has had its answer, as far as this side is concerned."""
        if member in self._members:
            self._silent[member] = None

    def does_not_read(self, member: Member, caller: int, unread_bytes: int) -> None:
        """So much waits to be read by it, and no more is written until it is. `caller` stands for
        who asks on it."""
        self.reads(member)
        loop = asyncio.get_running_loop()
        self._timers[member] = loop.call_later(UNREAD_TIMEOUT_S, self._end, member)
        self._unread.add(member, caller, unread_bytes)
        while self._unread.size_bytes > UNREAD_BYTES_MAX:
            self._end(self._unread.first_of_most())

    def reads(self, member: Member) -> None:
        """It has read enough for more to be written."""
        self._unread.drop(member)
        timer = self._timers.pop(member, None)
        if timer is not None:
            timer.cancel()

    def _end(self, member: Member) -> None:
        self.leave(member)
        member.give_up()

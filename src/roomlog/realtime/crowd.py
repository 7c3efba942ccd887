"""Bounds on the HTTP connections of a worker, of whom TCP alone asks nothing: how many there are,
and how much lies here for those who asked and do not read the answer."""

import asyncio
from collections import Counter
from typing import Final, NamedTuple, Protocol

CONNECTIONS_MAX: Final = 10_000
UNREAD_BYTES_MAX: Final = 128 * 1024 * 1024
UNREAD_TIMEOUT_S: Final = 60.0


class Member(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """End it at once."""
        ...


class _Unread(NamedTuple):
    caller: int
    size_bytes: int
    timer: asyncio.TimerHandle


class Crowd:
    """The connections that are no WebSockets, or none yet.

    Beyond CONNECTIONS_MAX the one that has been silent the longest goes: it has asked for nothing,
    or had its answer. Whoever leaves an answer unread for UNREAD_TIMEOUT_S goes. Where they
    leave more than UNREAD_BYTES_MAX, one of the caller who leaves most of it goes: the one that
    has not read for the longest.
    """

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._silent: dict[Member, None] = {}
        self._unread: dict[Member, _Unread] = {}
        self._unread_bytes: Counter[int] = Counter()
        self._all_unread_bytes = 0

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
        self.reads(member)

    def asks(self, member: Member) -> None:
        """A whole request has come."""
        self._silent.pop(member, None)

    def answered(self, member: Member) -> None:
        """It has had its answer, as far as this side is concerned."""
        if member in self._members:
            self._silent[member] = None

    def does_not_read(self, member: Member, caller: int, unread_bytes: int) -> None:
        """So much waits to be read by it, and no more is written until it is. `caller` stands for
        who asks on it."""
        self.reads(member)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(UNREAD_TIMEOUT_S, self._end, member)
        self._unread[member] = _Unread(caller, unread_bytes, timer)
        self._unread_bytes[caller] += unread_bytes
        self._all_unread_bytes += unread_bytes
        while self._all_unread_bytes > UNREAD_BYTES_MAX:
            most = max(self._unread_bytes, key=self._unread_bytes.__getitem__)
            self._end(next(one for one, left in self._unread.items() if left.caller == most))

    def reads(self, member: Member) -> None:
        """It has read enough for more to be written."""
        left = self._unread.pop(member, None)
        if left is None:
            return
        left.timer.cancel()
        self._all_unread_bytes -= left.size_bytes
        self._unread_bytes[left.caller] -= left.size_bytes
        if not self._unread_bytes[left.caller]:
            del self._unread_bytes[left.caller]

    def _end(self, member: Member) -> None:
        self.leave(member)
        member.give_up()

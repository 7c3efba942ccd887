"""Bounds on the HTTP connections of a worker, of whom TCP alone asks nothing: how many there are,
and how much lies here for those who asked and do not read the answer."""

import asyncio
from typing import Final, Protocol

CONNECTIONS_MAX: Final = 10_000
UNREAD_BYTES_MAX: Final = 128 * 1024 * 1024
UNREAD_TIMEOUT_S: Final = 60.0


class Member(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """End it at once."""
        ...


class Crowd:
    """The connections that are no WebSockets, or none yet.

    Beyond CONNECTIONS_MAX the one that has been silent the longest goes: it has asked for nothing,
    or had its answer. Whoever leaves an answer unread for UNREAD_TIMEOUT_S goes, and the longest
    of those where they leave more than UNREAD_BYTES_MAX.
    """

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._silent: dict[Member, None] = {}
        self._unread: dict[Member, tuple[int, asyncio.TimerHandle]] = {}
        self._unread_bytes = 0

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

    def does_not_read(self, member: Member, unread_bytes: int) -> None:
        """So much waits to be read by it, and no more is written until it is."""
        self.reads(member)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(UNREAD_TIMEOUT_S, self._end, member)
        self._unread[member] = unread_bytes, timer
        self._unread_bytes += unread_bytes
        while self._unread_bytes > UNREAD_BYTES_MAX:
            self._end(next(iter(self._unread)))

    def reads(self, member: Member) -> None:
        """It has read enough for more to be written."""
        unread_bytes, timer = self._unread.pop(member, (0, None))
        self._unread_bytes -= unread_bytes
        if timer is not None:
            timer.cancel()

    def _end(self, member: Member) -> None:
        self.leave(member)
        member.give_up()

"""Wake-ups between processes on plain NATS subjects: never stored, losing one costs time only."""

import asyncio
from collections.abc import Callable
from typing import Final

from roomlog.jetstream import subjects
from roomlog.jetstream.connection import Connection, MessageHandler

APPENDED_INTERVAL_S: Final = 0.002


class JetStreamSignals:
    """The port Signals. Listeners outlive reconnects and are called on the event loop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._appended: dict[int, int] = {}
        self._appended_at_s: dict[int, float] = {}

    async def on_appended(self, partition: int, listener: Callable[[int], None]) -> None:
        """See Signals.on_appended."""
        self._connection.subscribe(subjects.appended_signal(partition), _of_sequence(listener))

    async def announce_projected(self, partition: int, sequence: int) -> None:
        """See Signals.announce_projected. Says nothing while disconnected."""
        self._say(subjects.projected_signal(partition), sequence)

    async def on_projected(self, partition: int, listener: Callable[[int], None]) -> None:
        """See Signals.on_projected."""
        self._connection.subscribe(subjects.projected_signal(partition), _of_sequence(listener))

    def announce_wanted(self, partition: int, sequence: int) -> None:
        """See Signals.announce_wanted."""
        self._say(subjects.wanted_signal(partition), sequence)

    async def on_wanted(self, partition: int, listener: Callable[[int], None]) -> None:
        """See Signals.on_wanted."""
        self._connection.subscribe(subjects.wanted_signal(partition), _of_sequence(listener))

    def announce_usage(self, report: bytes) -> None:
        """See Signals.announce_usage."""
        if self._connection.connected:
            self._connection.publish(subjects.USAGE, report)

    async def on_usage(self, listener: Callable[[bytes], None]) -> None:
        """See Signals.on_usage."""
        self._connection.subscribe(subjects.USAGE, lambda _headers, report: listener(report))

    def announce_appended(self, partition: int, sequence: int) -> None:
        """Tell all nodes that the partition now reaches `sequence`: at once, or
        APPENDED_INTERVAL_S after it was last told, and then the newest only."""
        waits = partition in self._appended
        self._appended[partition] = max(sequence, self._appended.get(partition, 0))
        if waits:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._appended_at_s.get(partition, 0.0) + APPENDED_INTERVAL_S - loop.time()
        if wait_s > 0:
            loop.call_later(wait_s, self._tell_appended, partition)
        else:
            self._tell_appended(partition)

    def _tell_appended(self, partition: int) -> None:
        self._appended_at_s[partition] = asyncio.get_running_loop().time()
        self._say(subjects.appended_signal(partition), self._appended.pop(partition))

    def _say(self, subject: str, sequence: int) -> None:
        if self._connection.connected:
            self._connection.publish(subject, b"%d" % sequence)


def _of_sequence(listener: Callable[[int], None]) -> MessageHandler:
    def take(_headers: bytes, data: bytes) -> None:
        if data.isdigit():
            listener(int(data))

    return take

"""The log as the services see it: connection, streams, append, replay and live put together."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Self

from roomlog.jetstream import stream, subjects, wire
from roomlog.jetstream.append import Committer
from roomlog.jetstream.buckets import JetStreamReadMarkers, JetStreamSnapshots, ensure_buckets
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.exchange import Continuity
from roomlog.jetstream.live import FeedHub
from roomlog.jetstream.replay import Reader
from roomlog.jetstream.signals import JetStreamSignals
from roomlog.ports import (
    Appended,
    Feed,
    FeedListener,
    LogEvent,
    LogUnavailableError,
    NewEvent,
    PartitionState,
)
from roomlog.together import end_task

APPEND_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 10.0
IDENTITY_CHECK_INTERVAL_S: Final = 10.0
IDENTITY_RETRY_S: Final = 0.5
GUARD_TIMEOUT_S: Final = 2.0
GUARD_RETRY_S: Final = 2.0

Guard = Callable[[], Awaitable[str | None]]
"""Says why the log is not the continuation of what was seen of it, None where it is; raises
whatever it likes, or takes long, where that can't be known now."""

_log = logging.getLogger(__name__)


class JetStreamLog:
    """The port EventLog on JetStream. Made by `connect`, ended by `close`.

    `signals`, `snapshots` and `read_markers` are the ports of these names on the same connection.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: int,
        append_timeout_s: float,
        append_wait_s: float = 0.0,
    ) -> None:
        """Not for callers: see `connect`."""
        self.connection = connection
        self._beside = connection.beside("express")
        self.signals = JetStreamSignals(connection)
        self.snapshots = JetStreamSnapshots(connection)
        self.read_markers = JetStreamReadMarkers(connection)
        self._epoch = ""
        self._partitions = partitions
        self._reader = Reader(connection, partitions)
        self._feeds = FeedHub(connection, self._reader, self._seen)
        self._reached = [0] * partitions
        self._reset_listeners: list[Callable[[], None]] = []
        self._identified = asyncio.Event()
        self._recheck = asyncio.Event()
        self._committers = [
            Committer(
                connection,
                beside=self._beside,
                identified=self._identified.is_set,
                ready=self._identified_log,
                beginning_of=self._reader.beginning_of,
                continuity=self._continuity(partition),
                appended=self._after_commit(partition),
                timeout_s=append_timeout_s,
                wait_s=append_wait_s,
            )
            for partition in range(partitions)
        ]
        self._identity_task: asyncio.Task[None] | None = None
        self._damage: str | None = None
        self._guard: Guard | None = None
        self._guard_unsure = False

    @classmethod
    async def connect(
        cls,
        nats_url: str,
        *,
        partitions: int | None = None,
        append_timeout_s: float = APPEND_TIMEOUT_S,
        append_wait_s: float = 0.0,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        name: str = "roomlog",
    ) -> Self:
        """Connect, make streams and buckets where there are none, check the streams.

        `partitions` is how many the log must have; left out, as many as it has, 1 for a new one.
        `append_timeout_s` is each append's deadline; where appends wait for longer than
        `append_wait_s` (0: however long), new ones are refused. Raises LogUnavailableError where
        no server answers within `connect_timeout_s`, stream.LogMismatchError where the streams
        differ from what they should be. The caller closes what it got.
        """
        connection = Connection(nats_url, name=name)
        await connection.open(timeout_s=connect_timeout_s)
        try:
            partitions = partitions or await stream.find_partitions(connection) or 1
            epoch = await stream.ensure_log(connection, partitions)
            await ensure_buckets(connection)
            states = [
                await stream.partition_state(connection, p, partitions) for p in range(partitions)
            ]
        except BaseException:
            await connection.close()
            raise
        log = cls(connection, partitions, append_timeout_s, append_wait_s)
        # What is there now is not to be given away again.
        log._reached = [state.last_sequence for state in states]
        log._begin(epoch)
        return log

    @property
    def epoch(self) -> str:
        """See EventLog.epoch."""
        return self._epoch

    @property
    def partitions(self) -> int:
        """See EventLog.partitions."""
        return self._partitions

    @property
    def connected(self) -> bool:
        """See EventLog.connected."""
        return self.connection.connected

    @property
    def damage(self) -> str | None:
        """Why nothing is appended: the log has lost what it had, and would give its sequences away
        again. None where it is as it should be, as far as is known."""
        return self._damage

    async def guard_with(self, guard: Guard) -> None:
        """Have `guard` asked now, after each reconnect before anything is appended, and from time
        to time: while it says that the log is no continuation, appends are refused."""
        self._guard = guard
        await self._ask_guard()

    @property
    def trouble(self) -> str:
        """Why nothing can be appended, as far as is known; empty where it can."""
        if not self.connected:
            return "no connection"
        if self._damage is not None:
            return self._damage
        reasons = [committer.trouble for committer in self._committers]
        return next((reason for reason in reasons if reason), "")

    def partition_of(self, room_id: str) -> int:
        """See EventLog.partition_of."""
        return subjects.partition_of(room_id, self._partitions)

    def begin_append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> asyncio.Future[list[Appended]]:
        """See EventLog.begin_append.

        After a lost connection `duplicate` may be true for what this very append put there.
        Refused while there is `damage`.
        """
        if self._damage is not None:
            raise LogUnavailableError(self._damage)
        committer = self._committers[self.partition_of(room_id)]
        subject = subjects.append_subject(room_id, self._partitions)
        return committer.begin(room_id, subject, events, first=first)

    def require_place(self, room_id: str) -> None:
        """See EventLog.require_place."""
        self._committers[self.partition_of(room_id)].require_place(1, 0)

    async def append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> list[Appended]:
        """See EventLog.append."""
        return await self.begin_append(room_id, events, first=first)

    def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read."""
        return self._reader.read(room_id, after=after, up_to=up_to)

    async def read_part(
        self, room_id: str, *, after: int, up_to: int, bytes_max: int, linked: bool = False
    ) -> Sequence[LogEvent]:
        """See EventLog.read_part."""
        return await self._reader.read_part(
            room_id, after=after, up_to=up_to, bytes_max=bytes_max, linked=linked
        )

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        """See EventLog.last_sequence."""
        return await self._reader.last_sequence(room_id, up_to=up_to)

    async def sequence_at(self, room_id: str, moment: datetime) -> int:
        """See EventLog.sequence_at."""
        return await self._reader.sequence_at(room_id, wire.unix_ns(moment))

    async def last_sequences(self, room_ids: Sequence[str]) -> Mapping[str, int]:
        """See EventLog.last_sequences."""
        return await self._reader.last_sequences(room_ids)

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        """See EventLog.event_at."""
        return await self._reader.event_at(room_id, sequence)

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        """See EventLog.bytes_at."""
        return await self._reader.bytes_at(room_id, sequence)

    def read_partition(
        self, partition: int, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read_partition."""
        return self._reader.read_partition(partition, after=after, up_to=up_to)

    async def partition_state(self, partition: int) -> PartitionState:
        """See EventLog.partition_state."""
        return await stream.partition_state(self.connection, partition, self._partitions)

    async def follow(self, room_id: str, listener: FeedListener) -> Feed:
        """See EventLog.follow. After a reset the feed is silent: follow anew."""
        return await self._feeds.follow(room_id, listener)

    def on_reset(self, listener: Callable[[], None]) -> None:
        """See EventLog.on_reset."""
        self._reset_listeners.append(listener)

    async def close(self) -> None:
        """End everything; appends that wait are answered with LogUnavailableError."""
        if self._identity_task is not None:
            await end_task(self._identity_task)
        for committer in self._committers:
            await committer.close()
        await self._feeds.close()
        await self._beside.close()
        await self.connection.close()

    def _begin(self, epoch: str) -> None:
        self._epoch = epoch
        self._identified.set()
        for connection in (self.connection, self._beside):
            connection.on_up(self._on_up)
        self.connection.subscribe(subjects.EPOCH, lambda _headers, _data: self._recheck.set())
        self._feeds.start()
        self._identity_task = asyncio.create_task(self._watch_identity())

    def _after_commit(self, partition: int) -> Callable[[int], None]:
        def appended(sequence: int) -> None:
            self._reached[partition] = max(self._reached[partition], sequence)
            self.signals.announce_appended(partition, sequence)

        return appended

    def _continuity(self, partition: int) -> Continuity:
        def broken(sequence: int) -> None:
            self._refuse(
                f"{subjects.stream_name(partition, self._partitions)} gave sequence {sequence} to "
                f"a new event, and {self._reached[partition]} was there: the log has lost events"
            )
            self._recheck.set()

        return Continuity(lambda: self._reached[partition], broken)

    def _seen(self, room_id: str, sequence: int) -> None:
        partition = self.partition_of(room_id)
        self._reached[partition] = max(self._reached[partition], sequence)

    async def _identified_log(self) -> None:
        """Return when connected to the log that this is known to be."""
        while not (self.connection.connected and self._identified.is_set()):
            if self.connection.connected:
                await self._identified.wait()
            else:
                with contextlib.suppress(LogUnavailableError):
                    await self.connection.wait_connected()

    def _on_up(self) -> None:
        # Nothing is sent again before it is known that this is still the same log.
        self._identified.clear()
        self._recheck.set()

    async def _watch_identity(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                every_s = GUARD_RETRY_S if self._guard_unsure else IDENTITY_CHECK_INTERVAL_S
                # Not `wait_for`, which may swallow that the task is cancelled.
                async with asyncio.timeout(every_s):
                    await self._recheck.wait()
            self._recheck.clear()
            try:
                await self._check_identity()
            except LogUnavailableError as error:
                _log.warning("the log's identity could not be checked: %s", error)
                await asyncio.sleep(IDENTITY_RETRY_S)
                self._recheck.set()

    async def _check_identity(self) -> None:
        generation = self.connection.generation
        reached = tuple(self._reached)
        states = [await self.partition_state(p) for p in range(self._partitions)]
        found = [state.last_sequence for state in states]
        lost = [
            f"{state.stream} ends at sequence {state.last_sequence}, and {seen} was there: the log "
            "has lost events"
            for state, seen in zip(states, reached, strict=True)
            if state.last_sequence < seen
        ]
        if any(state.epoch != self._epoch for state in states):
            self._reset(states[0].epoch, found)
            await self._ask_guard()
        elif lost:
            self._refuse(lost[0])
        else:
            self._reached = [max(pair) for pair in zip(self._reached, found, strict=True)]
            await self._ask_guard()
        if generation == self.connection.generation and not self._identified.is_set():
            self._identified.set()
            self._feeds.check_soon()

    async def _ask_guard(self) -> None:
        """Refuse appends where the log is no continuation, and take them again where it is. What
        can't be known now leaves it as it was, and is asked again soon."""
        if self._guard is None:
            self._refuse(None)
            return
        try:
            async with asyncio.timeout(GUARD_TIMEOUT_S):
                self._refuse(await self._guard())
        except Exception as error:  # noqa: BLE001 - whatever keeps it from telling
            self._guard_unsure = True
            _log.debug("the log could not be compared: %s", error)
        else:
            self._guard_unsure = False

    def _refuse(self, damage: str | None) -> None:
        if damage is not None:
            damage += ": restore it from a backup (`roomlog doctor` tells more)"
        if damage == self._damage:
            return
        self._damage = damage
        if damage is None:
            _log.warning("the log is whole again, and is appended to")
            return
        _log.error("nothing is appended any more: %s", damage)
        for committer in self._committers:
            committer.fail_all(damage)

    def _reset(self, epoch: str, reached: list[int]) -> None:
        _log.error("the log is another one now: epoch %s, was %s", epoch, self._epoch)
        self._epoch = epoch
        self._reached = reached
        for committer in self._committers:
            committer.fail_all("the log is another one now")
        self._feeds.reset()
        for listener in self._reset_listeners:
            listener()


async def check(nats_url: str, *, partitions: int = 1) -> list[str]:
    """What is wrong with the log at that URL, one sentence each; nothing is created or changed.

    Raises LogUnavailableError where no server answers.
    """
    connection = Connection(nats_url, name="roomlog doctor")
    await connection.open()
    try:
        return await stream.check_log(connection, partitions)
    finally:
        await connection.close()


async def begin_epoch(nats_url: str, *, partitions: int | None = None) -> str:
    """Give the log at that URL a new epoch, and have all who are connected look at it again.

    For a log that was restored to an earlier point: every position that a client has is
    meaningless from then on, and each begins anew. Raises LogUnavailableError.
    """
    connection = Connection(nats_url, name="roomlog epoch")
    await connection.open()
    try:
        partitions = partitions or await stream.find_partitions(connection) or 1
        epoch = await stream.begin_epoch(connection, partitions)
        connection.publish(subjects.EPOCH, epoch.encode())
        # An answer to what was asked later: the server has taken the word before.
        await stream.stream_info(connection, subjects.stream_name(0, partitions))
    finally:
        await connection.close()
    return epoch

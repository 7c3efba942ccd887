"""Workers and projectors in one process: the real services, log, feeds and projector, over a NATS
and tables in memory, in virtual time."""

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, cast

from roomlog.core.decide import Limits
from roomlog.jetstream.buckets import JetStreamKeyMarks
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.log import JetStreamLog
from roomlog.projector import run_projector
from roomlog.services.effects import Effects
from roomlog.services.event_service import EventService
from roomlog.services.fresh_keys import FreshKeys
from roomlog.services.message_service import MessageService
from roomlog.services.notice_service import NoticeService
from roomlog.services.once import Once
from roomlog.services.progress import ProjectionProgress
from roomlog.services.reaction_service import ReactionService
from roomlog.services.readers import Readers
from roomlog.services.room_cache import RoomCache
from roomlog.services.room_service import RoomService
from roomlog.services.trail import Trail
from roomlog.services.used_ids import UsedIds
from roomlog.services.user_names import UserNames
from roomlog.services.writer import Writer
from tests.integration.memory_trail import MemoryTrail
from tests.integration.realtime.memory_bus import MemoryBus
from tests.integration.realtime.memory_log import MemoryMarkers, MemoryNames, MemoryRequests
from tests.simulation.nats_server import BEGIN, SimServer
from tests.simulation.tables import SimTables

# Less than most faults last, so that who waits is told that nothing is known.
_APPEND_TIMEOUT_S = 1.5


class VirtualClock:
    """The port Clock, by the loop's time."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class Node:
    """A process with a connection of its own to the log. `alive` until it is killed."""

    def __init__(self) -> None:
        self.alive = True
        self.log: JetStreamLog = cast("JetStreamLog", None)
        self._work: dict[asyncio.Task[Any], None] = {}

    async def connect(self, server: SimServer) -> None:
        """Connect to the log. Raises LogUnavailableError."""
        connection = Connection("nats://sim")
        await connection.open(timeout_s=30.0)
        self.log = JetStreamLog(connection, len(server.streams), _APPEND_TIMEOUT_S)
        self.log._begin(server.epoch)

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in this process. Raises ConnectionError where it is killed meanwhile."""
        if not self.alive:
            work.close()
            raise ConnectionError("nobody is there")
        task = asyncio.ensure_future(work)
        self._work[task] = None
        task.add_done_callback(lambda done: self._work.pop(done, None))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise ConnectionError("the process was killed")
        return task.result()

    async def kill(self, server: SimServer) -> None:
        """kill -9, as far as one process can do that to a part of itself."""
        self.alive = False
        for client in list(server.clients):
            if self.log is not None and client is self.log.connection._client:
                server.cut(client)
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        if self.log is not None:
            await self.log.close()


class Worker(Node):
    """An API worker, without its sockets."""

    async def start(self, server: SimServer, tables: SimTables) -> None:
        await self.connect(server)
        log, clock, model = self.log, VirtualClock(), cast("Any", tables)
        progress = ProjectionProgress(log, model, log.signals, clock)
        await progress.start()
        log.on_reset(progress.reset)
        self.cache = cache = RoomCache(log, log.snapshots)
        used = UsedIds(log, model, progress)
        keys = FreshKeys(JetStreamKeyMarks(log.connection))
        writer = Writer(log, used, keys, clock)
        effects = Effects(log, model, progress, cache)
        once = Once(MemoryRequests())
        notices = NoticeService(MemoryBus(), Limits(), once)
        readers = Readers(cache, Trail(MemoryTrail(), clock, span_s=600))
        self.messages = MessageService(
            log=log,
            read_model=model,
            rooms=cache,
            readers=readers,
            writer=writer,
            effects=effects,
            progress=progress,
            clock=clock,
            limits=Limits(),
            notices=notices,
        )
        self.reactions = ReactionService(
            read_model=model,
            rooms=cache,
            readers=readers,
            writer=writer,
            effects=effects,
            progress=progress,
        )
        self.rooms = RoomService(
            log=log,
            read_model=model,
            snapshots=log.snapshots,
            rooms=cache,
            readers=readers,
            writer=writer,
            progress=progress,
            markers=MemoryMarkers(),
            notices=notices,
            once=once,
            names=UserNames(MemoryNames()),
        )
        self.events = EventService(log=log, readers=readers)


class Projector(Node):
    """A projector's process."""

    async def start(self, server: SimServer, tables: SimTables) -> None:
        await self.connect(server)
        log = self.log
        working = run_projector(
            log, log.signals, log.snapshots, cast("Any", tables), batch_events_max=7
        )
        self.task = asyncio.ensure_future(working)
        self._work[self.task] = None


class Cluster:
    """Two workers and a projector that come back when they are killed, and a log of so many
    partitions."""

    def __init__(self, chance: random.Random, partitions: int = 1) -> None:
        self.server = SimServer(chance, partitions)
        self.tables = SimTables(chance, partitions)
        self.workers: list[Worker] = []
        self.projectors: list[Projector] = []
        self.projectors_at_first = 1
        self._chance = chance

    async def start(self) -> None:
        for _ in range(2):
            self.workers.append(await self._started(Worker()))
        self.tables.lock_lost = self.projectors_at_first > 1
        for _ in range(self.projectors_at_first):
            self.projectors.append(await self._started(Projector()))

    async def _started(self, node: Any) -> Any:
        await node.start(self.server, self.tables)
        return node

    def a_worker(self) -> Worker:
        return self._chance.choice(self.workers)

    async def replace_worker(self) -> None:
        """Kill one, and start another."""
        place = self._chance.randrange(len(self.workers))
        await self.workers[place].kill(self.server)
        await asyncio.sleep(self._chance.uniform(0.1, 0.5))
        self.workers[place] = await self._started(Worker())

    async def replace_projector(self) -> None:
        """Kill it, and start another."""
        await self.projectors[0].kill(self.server)
        self.projectors[0] = await self._started(Projector())

    async def second_projector(self, seconds: float) -> None:
        """Another one gets in beside the first, for so long."""
        self.tables.lock_lost = True
        second = await self._started(Projector())
        await asyncio.sleep(seconds)
        self.tables.lock_lost = False
        await second.kill(self.server)

    def heal(self) -> None:
        """End what lasts."""
        self.server.heal()
        self.tables.down, self.tables.failing, self.tables.lock_lost = False, 0.0, False
        for client in self.server.clients:
            client.resume()

    async def stop(self) -> None:
        for node in (*self.workers, *self.projectors):
            with contextlib.suppress(ConnectionError):
                await node.kill(self.server)

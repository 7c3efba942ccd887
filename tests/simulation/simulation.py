"""One simulated history: what clients do, and what is done to the cluster, all from one seed.

Odd seeds have a log of two partitions, with a room in each.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from roomlog.core.policy import Actor
from roomlog.core.upcasters import room_event
from roomlog.jetstream import connection
from roomlog.ports import LogUnavailableError
from roomlog.realtime.commands import refusal_of
from roomlog.services.event_feed import EventFeed
from roomlog_contract import resources as rs
from roomlog_contract.errors import RefusedError
from roomlog_contract.types import RoomRole
from tests.faults.recording import Author, Recording
from tests.histories.history import Act, History, Outcome, Seen, Stream, Tables, Write
from tests.projections.memory_tables import MemoryTables
from tests.simulation.cluster import Cluster, Worker
from tests.simulation.nats_server import BEGIN
from tests.simulation.virtual_loop import run_virtual

USERS = ("ada@example.org", "bob@example.org")
_SETTLE_S = 600.0
_ANSWER_S = 20.0
_WRITES_MAX = 12
_FAULTS = (1, 3)


class SimRecording(Recording):
    """A recording in virtual time, with keys that come from its seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._keys = self.chance("keys")

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def key(self) -> str:
        milliseconds = int((BEGIN.timestamp() + self.now()) * 1000)
        rest = self._keys.getrandbits(80) & ~(0xF << 76) & ~(0x3 << 62)
        return str(UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | rest))


def simulate(seed: int, sabotage: Callable[[Cluster], None] | None = None) -> History:
    """The history of this seed. `sabotage` breaks something in the cluster first."""
    random.seed(seed)  # what the product itself leaves to chance: only how long it waits
    real = connection._Client
    try:
        return run_virtual(_History(seed, sabotage).run())
    finally:
        connection._Client = real  # type: ignore[misc]


class _History:
    def __init__(self, seed: int, sabotage: Callable[[Cluster], None] | None) -> None:
        partitions = 1 + seed % 2
        self.recording = SimRecording(seed)
        self.recording.history.begins_after = [0] * partitions
        self.chance = random.Random(seed)
        self.cluster = Cluster(random.Random(f"{seed} cluster"), partitions)
        self._sabotage = sabotage
        self._whole = False

    async def run(self) -> History:
        connection._Client = self.cluster.server.client  # type: ignore[misc, assignment]
        if self._sabotage is not None:
            self._sabotage(self.cluster)
        await self.cluster.start()
        rooms = await self._create_rooms()
        reading = [
            asyncio.create_task(self._follow(Stream(f"reader {user}", room, 0, whole=True)))
            for room in rooms
            for user in USERS
        ]
        try:
            async with asyncio.timeout(_SETTLE_S):
                async with asyncio.TaskGroup() as working:
                    for number, room in enumerate(rooms):
                        for user in USERS:
                            patient = self.chance.random() < 0.7
                            author = Author(self.recording, f"writer {number} {user}", user, room)
                            working.create_task(
                                self._write(author, _WRITES_MAX // len(rooms), patient=patient)
                            )
                    working.create_task(self._break())
                await self._settle(reading)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await self.cluster.stop()
        self._gather()
        return self.recording.history

    # Clients

    async def _create_rooms(self) -> list[str]:
        """A room in each partition."""
        history, rooms = self.recording.history, dict[int, str]()
        while len(rooms) < len(history.begins_after):
            room = await self._create_room()
            rooms.setdefault(history.partition_of(room), room)
        return list(rooms.values())

    async def _create_room(self) -> str:
        begun_s, key = self.recording.now(), self.recording.key()
        members = [rs.NewMember(user, RoomRole.RESPONDER) for user in USERS[1:]]
        worker = self.cluster.workers[0]
        asked = worker.rooms.create_room(
            Actor(USERS[0]), rs.RoomCreate("sim", members=members), key
        )
        room = (await worker.run(asked)).room_id
        self.recording.rooms.append(room)
        write = Write("creator", USERS[0], room, Act.CREATE, key, begun_s, content="sim")
        write.ended_s, write.outcome = self.recording.now(), Outcome.ACKED
        self.recording.history.writes.append(write)
        return room

    async def _write(self, author: Author, count: int, *, patient: bool) -> None:
        chance = self.recording.chance(f"pace of {author.name}")
        async with asyncio.TaskGroup() as asking:
            for number in range(count):
                if number > 1 and self._whole:
                    break
                # Now and then more than a batch takes to be worth it.
                for _ in range(chance.choice((*(1,) * 11, 13))):
                    asking.create_task(self._ask(author, author.new_write(), patient=patient))
                await asyncio.sleep(chance.choice((0.0, 0.05, 0.3, 0.6)))

    async def _ask(self, author: Author, write: Write, *, patient: bool) -> None:
        while True:
            worker = self.cluster.a_worker()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    told = await worker.run(_asked(worker, write))
            except (ConnectionError, TimeoutError) as error:
                if not patient:
                    write.ended_s, write.code = self.recording.now(), type(error).__name__
                    return
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                code, detail = str(refusal.code), refusal.detail
                if not author.refused(write, code, detail, ends=not patient):
                    return
            else:
                author.acked(write, *told[:2], duplicate=told[2])
                return
            write.attempts += 1
            await asyncio.sleep(self.chance.uniform(0.05, 0.5))

    async def _follow(self, stream: Stream) -> None:
        self.recording.history.streams.append(stream)
        actor = Actor(stream.client.removeprefix("reader "))
        while True:
            worker = self.cluster.a_worker()
            with contextlib.suppress(ConnectionError, RefusedError, LogUnavailableError):
                await worker.run(self._read(worker, actor, stream))
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))

    async def _read(self, worker: Worker, actor: Actor, stream: Stream) -> None:
        stream.resumes += 1
        room = await worker.events.open_room(actor, stream.room)
        position = stream.events[-1].sequence if stream.events else stream.after
        if position > room.position:
            return  # a worker that is behind is asked again, as the handlers do it
        feed = EventFeed(worker.events, actor, room, position)
        async with aclosing(feed.batches(1.0)) as batches:
            async for batch in batches:
                for event in batch:
                    told = msgspec.to_builtins(event.event)
                    stream.events.append(Seen(event.sequence, event.prev_sequence, event.at, told))
                if self.chance.random() < 0.02:
                    return

    # What is done to them

    async def _break(self) -> None:
        chance, server, tables = self.chance, self.cluster.server, self.cluster.tables
        for _ in range(chance.randint(*_FAULTS)):
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            lasts_s = chance.choice((chance.uniform(0.05, 0.5), chance.uniform(0.05, 2.5)))
            match chance.randrange(11):
                case 0:
                    server.crash()
                    await asyncio.sleep(lasts_s)
                case 1 | 2 if server.clients:
                    server.cut(chance.choice(server.clients))
                case 3 if server.clients:
                    chance.choice(server.clients).stalled = True
                    await asyncio.sleep(lasts_s)
                case 4:
                    server.faults.lost_live = chance.uniform(0.1, 1.0)
                    server.faults.delay_s = (0.0005, chance.uniform(0.01, 0.3))
                    await asyncio.sleep(lasts_s)
                case 5:
                    tables.down = True
                    await asyncio.sleep(lasts_s)
                case 6:
                    tables.failing = chance.uniform(0.1, 0.7)
                    await asyncio.sleep(lasts_s)
                case 7:
                    await self.cluster.replace_worker()
                case 8 | 9:
                    server.cut_after(chance.randint(1, 20), crash=chance.random() < 0.5)
                    await asyncio.sleep(lasts_s)
                case _:
                    await self.cluster.second_projector(lasts_s)
                    await self.cluster.replace_projector()
            self.cluster.heal()
        self._whole = True

    async def _settle(self, reading: list["asyncio.Task[None]"]) -> None:
        server = self.cluster.server
        streams = self.recording.history.streams
        self.recording.stopping = True
        while not (
            self._checkpoints() == [len(one.stored) for one in server.streams.values()]
            and all(self._has_all(one) for one in streams)
        ):
            for task in (*reading, self.cluster.projectors[0].task):
                if task.done():
                    task.result()
            await asyncio.sleep(0.1)

    def _checkpoints(self) -> list[int]:
        return [position.sequence for position in self.cluster.tables.positions]

    def _has_all(self, stream: Stream) -> bool:
        subject = f"ev.{stream.room}"
        last = max(one.last(subject) for one in self.cluster.server.streams.values())
        return bool(stream.events) and stream.events[-1].sequence == last

    def _gather(self) -> None:
        history, rows = self.recording.history, self.cluster.tables.rows
        last: dict[str, int] = {}
        for one in self.cluster.server.streams.values():
            for sequence, stored in enumerate(one.stored, 1):
                room = stored.subject.removeprefix("ev.")
                history.log.append(room_event(sequence, last.get(room, 0), stored.data))
                last[room] = sequence
        history.tables = Tables(
            messages=[_message(row) for row in rows.rows("messages")],
            reactions=[
                (row["message_id"], row["user_id"], row["emoji"])
                for row in rows.rows("message_reactions")
            ],
            edits=[
                (row["message_id"], row["sequence"]) for row in rows.rows("message_edit_history")
            ],
            members=[
                (row["room_id"], row["user_id"], str(row["role"]))
                for row in rows.rows("room_members")
            ],
            checkpoints=self._checkpoints(),
            verified=_without_html(rows) == _without_html(_projected_anew(history)),
            detail="the tables are not what projecting the log anew makes of it",
        )


def _projected_anew(history: History) -> MemoryTables:
    tables = MemoryTables()
    for partition, log in enumerate(history.partitions()):
        tables.project(log, partition)
    return tables


def _without_html(tables: MemoryTables) -> dict[str, Any]:
    return {
        table: {key: {**row, "content_html": ""} for key, row in rows.items()}
        for table, rows in tables.tables.items()
    }


async def _asked(worker: Worker, write: Write) -> tuple[int, str, bool]:
    """Sequence, message and whether it was so already."""
    actor, messages, reactions = Actor(write.user), worker.messages, worker.reactions
    match write.act:
        case Act.SEND:
            asked = rs.MessageCreate(write.content)
            begun = messages.begin_message(actor, write.room, asked, write.key)
            if begun is None:
                receipt = await messages.create_message(actor, write.room, asked, write.key)
            else:
                with contextlib.suppress(LogUnavailableError):
                    await asyncio.wait([begun.appended])
                receipt = messages.message_sent(begun)
                receipt = receipt or await messages.conclude_message(begun)
            return receipt.sequence, receipt.message_id, receipt.repeated
        case Act.EDIT:
            effect = await messages.edit_message(
                actor,
                write.about,
                rs.MessageEdit(write.content),
                expected_version=write.expected_version,
                key=write.key,
                room_id=write.room,
            )
        case Act.DELETE:
            effect = await messages.delete_message(
                actor, write.about, rs.MessageDelete(), key=write.key, room_id=write.room
            )
        case Act.REACT:
            effect = await reactions.add_reaction(
                actor, write.about, write.content, key=write.key, room_id=write.room
            )
        case _:
            effect = await reactions.remove_reaction(
                actor, write.about, write.content, key=write.key, room_id=write.room
            )
    receipt = effect.receipt
    return receipt.sequence, effect.message_id, receipt.repeated or effect.unchanged


def _message(row: dict[str, Any]) -> dict[str, Any]:
    names = ("message_id", "room_id", "sequence_number", "sender_id", "message_type", "content")
    told = {name: row[name] for name in (*names, "metadata", "reply_to", "version")}
    told["message_type"] = str(told["message_type"])
    return {
        **told,
        "edited": row["edited_at"] is not None,
        "deleted": row["deleted_at"] is not None,
    }

"""A run: clients of every kind at work in a world to which faults happen, and its history."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from operator import ge

import httpx
from uuid_utils import uuid7

from tests.faults.clients import FeedReader, Reader, RestClient, SocketClient
from tests.faults.disturbers import misbehave, stall
from tests.faults.evidence import checkpoints, log_ends, read_log, read_tables
from tests.faults.faults import Fault, draw
from tests.faults.load import DEADLINE_S, until
from tests.faults.recording import Author, Recording
from tests.faults.redactor import Redactor
from tests.faults.sdk_client import SdkClient
from tests.faults.world import World
from tests.histories.history import Act, History, Outcome, Stream, Write

USERS = tuple(f"{name}@example.org" for name in ("ada", "bob", "cyd", "dee"))
_ROOMS = 2
_SETTLE_S = 240.0

Say = Callable[[str], None]


class Run:
    """Clients in a world. `faults` counts those that happened, by name."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.recording = Recording(seed)
        self.faults: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[SocketClient | RestClient | SdkClient | Redactor] = []
        self._redactor: Redactor | None = None
        self._sdk: list[SdkClient] = []
        self._streams: list[Stream] = []

    async def begin(self) -> None:
        """Make the rooms, and put everybody to work."""
        nats_url = self.world.up.run["nats_url"]
        self.recording.history.begins_after = await log_ends(nats_url, self.world.partitions)
        history = self.recording.history
        while len(self.recording.rooms) < _ROOMS or not _all_partitions(history):
            await self._create_room(f"room {len(self.recording.rooms)}")
        raw, sdk = self.world.links["clients"].url, self.world.links["sdk"].url
        ws = raw.replace("http://", "ws://", 1)
        headers = self._headers
        for number, room in enumerate(self._rooms_at_work()):
            for patient in (True, False):
                kind = "patient" if patient else "hasty"
                author = self._author(f"socket {kind} {number}", USERS[number], room)
                self._work(SocketClient(author, ws, headers, patient=patient))
                author = self._author(f"rest {kind} {number}", USERS[2], room)
                self._work(RestClient(author, raw, headers, patient=patient))
            client = SdkClient(self.recording, f"sdk {number}", USERS[3], room, sdk, headers)
            self._sdk.append(client)
            self._work(client)
            self._spawn(
                Reader(self.recording, f"reader {number}", USERS[0], room, raw, headers).run()
            )
            self._spawn(FeedReader(self.recording, USERS[1], room, raw, headers).run())
        besides = await self._made_room("redactions")
        history.besides.append(besides)
        self._redactor = Redactor(self.recording, besides, USERS[0], raw, self.world.up.headers)
        self._work(self._redactor)
        room, port = self.recording.rooms[0], self.world.port
        direct = f"ws://127.0.0.1:{port}"
        self._spawn(stall(self.recording, port, room, USERS[1], headers))
        self._spawn(misbehave(self.recording, direct, port, room, USERS[1], headers))

    def _rooms_at_work(self) -> list[str]:
        """One room of each partition, and then others."""
        rooms, history = self.recording.rooms, self.recording.history
        first = {history.partition_of(room): room for room in reversed(rooms)}.values()
        return [*first, *(room for room in rooms if room not in first)][:_ROOMS]

    def check_alive(self) -> None:
        """Raise what ended a client that should go on."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def happen(self, fault: Fault, chance: random.Random) -> None:
        """Have one fault happen, to its end."""
        self.faults[fault.name] += 1
        await fault.act(self.world, chance)
        self.check_alive()

    async def progress(self, acks: int) -> None:
        """Return when that many more writes were acked."""
        wanted = self.recording.acked + acks
        await until(lambda: self._alive() and self.recording.acked >= wanted, "more acks")

    async def end(self, *, verify: bool = True) -> History:
        """Let everything come to rest, and gather what there is then. Without `verify`, the
        product is not asked for its own comparison of the tables."""
        self.world.heal()
        await self.world.ready()
        self.recording.stopping = True
        await until(
            lambda: self._alive() and all(one.idle for one in self._writers),
            "everybody is told the end of what they asked for",
            _SETTLE_S,
        )
        run = self.world.up.run
        history = self.recording.history
        history.log = await read_log(run["nats_url"], history.begins_after)
        heads = {event.room_id: event.sequence for event in history.log}
        await until(
            lambda: self._alive() and all(_has(one, heads) for one in history.streams),
            "every receiver has everything",
            _SETTLE_S,
        )
        ends = [
            log[-1].sequence if log else begins_after
            for begins_after, log in zip(history.begins_after, history.partitions(), strict=True)
        ]
        await self._tables_at(ends)
        for client in self._sdk:
            client.look()
        if self._redactor is not None:
            await self._redactor.require_removed(self.world.up.base_url, self.world.data)
        history.tables = await read_tables(self.world.up, self.recording.rooms, verify=verify)
        history.about |= {"faults": dict(self.faults)}
        return history

    async def close(self) -> None:
        """End all clients. What ended one before is told by `check_alive`."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        _, going = await asyncio.wait(self._tasks, timeout=DEADLINE_S)
        assert not going, f"do not end: {going}"

    async def _tables_at(self, ends: list[int]) -> None:
        end_s = time.monotonic() + _SETTLE_S
        while True:
            at = await checkpoints(self.world.up.run["database_url"])
            if len(at) == len(ends) and all(map(ge, at, ends)):
                return
            assert time.monotonic() < end_s, f"the tables stay at {at} of {ends}"
            await asyncio.sleep(0.1)

    def _author(self, name: str, user: str, room: str) -> Author:
        return Author(self.recording, name, user, room)

    def _work(self, client: SocketClient | RestClient | SdkClient | Redactor) -> None:
        self._writers.append(client)
        self._spawn(client.run())

    def _spawn(self, work: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    def _alive(self) -> bool:
        self.check_alive()
        return True

    def _headers(self, user: str) -> dict[str, str]:
        return self.world.up.headers(user)

    async def _create_room(self, name: str) -> None:
        key, begun_s = str(uuid7()), self.recording.now()
        room = await self._made_room(name, key)
        self.recording.rooms.append(room)
        write = Write("creator", USERS[0], room, Act.CREATE, key, begun_s, content=name)
        write.ended_s, write.outcome = self.recording.now(), Outcome.ACKED
        self.recording.history.writes.append(write)

    async def _made_room(self, name: str, key: str = "") -> str:
        members = [{"user_id": user, "role": "responder"} for user in USERS[1:]]
        async with httpx.AsyncClient(base_url=self.world.up.base_url, timeout=30) as http:
            told = await http.post(
                "/api/rooms",
                json={"name": name, "members": members},
                headers={**self._headers(USERS[0]), "Idempotency-Key": key or str(uuid7())},
            )
        assert told.status_code == 201, told.text
        return told.json()["room_id"]


def _all_partitions(history: History) -> bool:
    """Whether some room lies in each partition."""
    used = {history.partition_of(write.room) for write in history.writes}
    return len(used) == len(history.begins_after)


def _has(stream: Stream, heads: dict[str, int]) -> bool:
    return bool(stream.events) and stream.events[-1].sequence >= heads[stream.room]


@asynccontextmanager
async def running(world: World, seed: int) -> AsyncIterator[Run]:
    """Clients at work in the world, until the block ends."""
    run = Run(world, seed)
    try:
        await run.begin()
        yield run
    finally:
        await run.close()


async def mix(run: Run, seconds: float, say: Say, *, faults: Sequence[Fault] | None = None) -> None:
    """Let faults happen for so long, one after the other and two at once, as the seed has it."""
    chance = random.Random(run.recording.seed)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        count = chance.choice((1, 1, 2))
        drawn = [draw(chance) if faults is None else chance.choice(faults) for _ in range(count)]
        pause_s = chance.uniform(0.0, 2.0)
        say(f"{' + '.join(fault.name for fault in drawn)}; {run.recording.acked} acked so far")
        # Both of what starts and stops the whole would only be in each other's way.
        if count == 2 and not any(_of_the_whole(fault) for fault in drawn):
            await asyncio.gather(*(run.happen(fault, chance) for fault in drawn))
        else:
            await run.happen(drawn[0], chance)
        await asyncio.sleep(pause_s)


def _of_the_whole(fault: Fault) -> bool:
    return fault.name in {"kill supervisor", "kill everything", "restart", "second up"}


def figures(history: History) -> dict[str, int]:
    """A run in numbers."""
    outcomes = Counter(write.outcome for write in history.writes)
    return {
        **{str(outcome): outcomes[outcome] for outcome in Outcome},
        "events": len(history.log),
        "received": sum(len(stream.events) for stream in history.streams),
        "resumes": sum(stream.resumes for stream in history.streams),
        "reads": len(history.reads),
        "views": len(history.views),
        "faults": sum(history.about.get("faults", {}).values()),
    }

"""The Python client under test: it is stopped and started again now and then, as programs are."""

import asyncio

import msgspec

from roomlog_client import RefusedError, Room, RoomlogClient, RoomView
from roomlog_client.errors import ClosedError
from roomlog_contract.frames import MessageBroadcast
from tests.faults.clients import Headers
from tests.faults.recording import Author, Recording
from tests.histories.history import Act, Seen, Stream, View, Write
from tests.histories.shown import shown

_AT_ONCE_MAX = 4
_VIEW_EVERY = 150


class SdkClient:
    """A `RoomlogClient` that follows a room into a view and asks for one thing after the other
    without waiting for answers. Each of its lives goes on where the one before was."""

    def __init__(
        self, recording: Recording, name: str, user: str, room: str, url: str, headers: Headers
    ) -> None:
        self._recording = recording
        self._name = name
        self._user = user
        self._room = room
        self._url = url
        self._headers = headers
        self._chance = recording.chance(f"lives of {name}")
        self._view = RoomView()
        self._epoch: str | None = None
        self._asked: set[asyncio.Task[None]] = set()
        self._lives = 0
        self.stream = Stream(name, room, 0, whole=True)
        recording.history.streams.append(self.stream)

    @property
    def position(self) -> int:
        return self.stream.events[-1].sequence if self.stream.events else 0

    @property
    def idle(self) -> bool:
        return not self._asked

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._lives += 1
            await self._live()

    async def _live(self) -> None:
        author = Author(
            self._recording,
            f"{self._name} {self._lives}",
            self._user,
            self._room,
            in_order=True,
        )
        async with RoomlogClient(self._url, token=self._token) as client:
            room = await client.room(self._room, after=self.position, epoch=self._epoch)
            self.stream.resumes += 1
            reading = asyncio.create_task(self._read(room, author))
            try:
                await self._write(room, author, self._chance.uniform(5, 25))
            finally:
                self._epoch = room.epoch
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                self.look()
        # Who waits for an answer has been told that there is none.
        await asyncio.gather(*self._asked)

    def _token(self) -> str:
        return self._headers(self._user)["Authorization"].removeprefix("Bearer ")

    async def _write(self, room: Room, author: Author, seconds: float) -> None:
        end_s = self._recording.now() + seconds
        while self._recording.stopping or self._recording.now() < end_s:
            await asyncio.sleep(0.02)
            if not self._recording.stopping and len(self._asked) < _AT_ONCE_MAX:
                task = asyncio.create_task(_ask(room, author, author.new_write()))
                self._asked.add(task)
                task.add_done_callback(self._asked.discard)

    async def _read(self, room: Room, author: Author) -> None:
        async for event in room:
            self._take(event)
            if event.event.type == "message.sent":
                author.heard(event.event.id, event.sequence)

    def _take(self, event: MessageBroadcast) -> None:
        told = msgspec.to_builtins(event.event)
        seen = Seen(event.sequence, event.prev_sequence, event.at, told)
        self.stream.events.append(seen)
        self._view.apply(event)
        if len(self.stream.events) % _VIEW_EVERY == 0:
            self.look()

    def look(self) -> None:
        """Write down what the client would show now."""
        room = self._view.room
        if room is None:
            return
        self._recording.history.views.append(
            View(
                self._name,
                self._room,
                self.position,
                {one.message_id: shown(one) for one in self._view.messages.values()},
                {who: str(member.role) for who, member in room.members.items()},
                str(room.status),
            )
        )


async def _ask(room: Room, author: Author, write: Write) -> None:
    key = write.key
    try:
        match write.act:
            case Act.SEND:
                sent = await room.send(write.content, idempotency_key=key)
            case Act.EDIT:
                sent = await room.edit(
                    write.about,
                    write.content,
                    expected_version=write.expected_version,
                    idempotency_key=key,
                )
            case Act.DELETE:
                sent = await room.delete(write.about, idempotency_key=key)
            case Act.REACT:
                sent = await room.react(write.about, write.content, idempotency_key=key)
            case _:
                sent = await room.unreact(write.about, write.content, idempotency_key=key)
    except RefusedError as error:
        author.refused(write, error.code, error.detail, ends=True)
    except ClosedError as error:
        write.ended_s, write.code = author.recording.now(), error.code
    else:
        author.acked(write, sent.sequence, sent.message_id, duplicate=sent.duplicate)

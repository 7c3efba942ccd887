"""Clients of a run that write down all they ask for and see: by WebSocket, by REST."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from roomlog.together import end_task
from tests.faults.recording import PASSING, Author, Recording
from tests.histories.history import Act, Outcome, Read, Seen, Stream, Write
from tests.histories.shown import shown_by_rest

LOST = (OSError, WebSocketException, TimeoutError, EOFError)
_PAUSE_S = 0.05
_BURSTS = (1, 1, 1, 1, 1, 1, 1, 30)
_SILENCE_S = 10.0
_REST_TIMEOUT_S = 10.0
_FRAMES = {Act.SEND: "send", Act.EDIT: "edit", Act.DELETE: "delete"}
_FRAMES |= {Act.REACT: "react", Act.UNREACT: "unreact"}

Headers = Callable[[str], dict[str, str]]


class SocketClient:
    """Follows a room from its beginning, resumes where it was after every lost connection, and
    writes into it: a few commands at a time, now and then many at once.

    `patient`: asks again under the same key until it has a last answer. One that is not gives up
    at the first trouble, and so leaves the unknown behind.
    """

    def __init__(
        self,
        author: Author,
        url: str,
        headers: Headers,
        *,
        patient: bool = True,
        window: int = 3,
        pause_s: float = 0.03,
    ) -> None:
        self._author = author
        self._url = url
        self._headers = headers
        self._patient = patient
        self._window = window
        self._pause_s = pause_s
        self._waiting: dict[str, Write] = {}
        self._epoch = ""
        self.stream = Stream(author.name, author.room, 0, whole=True)
        author.recording.history.streams.append(self.stream)

    @property
    def position(self) -> int:
        return self.stream.events[-1].sequence if self.stream.events else 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._waiting

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                url = f"{self._url}/ws/{self._author.room}?after={self.position}"
                if self._epoch:
                    url += f"&epoch={self._epoch}"
                headers = self._headers(self._author.user)
                async with connect(
                    url, additional_headers=headers, compression=None, open_timeout=_SILENCE_S
                ) as socket:
                    self.stream.resumes += 1
                    await self._talk(socket)
            except LOST:
                await asyncio.sleep(_PAUSE_S)
            if not self._patient:
                self._waiting.clear()

    async def _talk(self, socket: ClientConnection) -> None:
        for write in list(self._waiting.values()):
            write.attempts += 1
            await self._ask(socket, write)
        writing = asyncio.create_task(self._write(socket))
        try:
            while True:
                # A ping of the client's own: the answer tells a quiet room from a dead link.
                try:
                    async with asyncio.timeout(_SILENCE_S / 2):
                        text = await socket.recv()
                except TimeoutError:
                    await socket.send('{"type":"ping"}')
                    async with asyncio.timeout(_SILENCE_S):
                        text = await socket.recv()
                for line in str(text).split("\n"):
                    await self._take(socket, json.loads(line))
        finally:
            with contextlib.suppress(*LOST):
                await end_task(writing)

    async def _write(self, socket: ClientConnection) -> None:
        chance = self._author.recording.chance(f"bursts of {self._author.name}")
        while True:
            # Single ones mostly, and bursts that the log takes as batches.
            count = chance.choice(_BURSTS)
            await asyncio.sleep(self._pause_s * count)
            if self._author.recording.stopping or len(self._waiting) >= self._window:
                continue
            for _ in range(count):
                write = self._author.new_write()
                self._waiting[write.key] = write
                await self._ask(socket, write)

    async def _ask(self, socket: ClientConnection, write: Write) -> None:
        frame: dict[str, Any] = {
            "type": _FRAMES[write.act],
            "ref": write.key,
            "idempotency_key": write.key,
        }
        if write.act in {Act.SEND, Act.EDIT}:
            frame["content"] = write.content
        elif write.act is not Act.DELETE:
            frame["emoji"] = write.content
        if write.act is not Act.SEND:
            frame["message_id"] = write.about
        if write.expected_version is not None:
            frame["expected_version"] = write.expected_version
        await socket.send(json.dumps(frame))

    async def _take(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                assert frame["resumed"] is True, frame
                self._epoch = frame["epoch"]
            case "event":
                event = frame["event"]
                seen = Seen(frame["sequence"], frame["prev_sequence"], frame["at"], event)
                self.stream.events.append(seen)
                if event["type"] == "message.sent":
                    self._author.heard(event["message_id"], frame["sequence"])
            case "ack":
                write = self._waiting.pop(frame["ref"])
                self._author.acked(
                    write, frame["sequence"], frame["message_id"], duplicate=frame["duplicate"]
                )
            case "error" if frame.get("ref") in self._waiting:
                write = self._waiting[frame["ref"]]
                again = self._author.refused(
                    write, frame["code"], frame["detail"], ends=not self._patient
                )
                if again:
                    await asyncio.sleep(_PAUSE_S)
                    write.attempts += 1
                    await self._ask(socket, write)
                else:
                    del self._waiting[frame["ref"]]
            case _:
                pass


class RestClient:
    """Writes into a room by REST, one request after the other."""

    def __init__(self, author: Author, url: str, headers: Headers, *, patient: bool = True) -> None:
        self._author = author
        self._url = url
        self._headers = headers
        self._patient = patient
        self._waiting: Write | None = None

    @property
    def idle(self) -> bool:
        return self._waiting is None

    async def run(self) -> None:
        """Go on until cancelled."""
        async with httpx.AsyncClient(base_url=self._url, timeout=_REST_TIMEOUT_S) as http:
            while True:
                await asyncio.sleep(0.03)
                if self._author.recording.stopping:
                    continue
                self._waiting = self._author.new_write()
                while await self._once(http, self._waiting):
                    self._waiting.attempts += 1
                    await asyncio.sleep(_PAUSE_S)
                self._waiting = None

    async def _once(self, http: httpx.AsyncClient, write: Write) -> bool:
        """Ask; whether to ask again."""
        headers = {**self._headers(write.user), "Idempotency-Key": write.key}
        if write.expected_version is not None:
            headers["If-Match"] = f'"{write.expected_version}"'
        method, path, body = _request(write)
        try:
            told = await http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            if not self._patient:
                write.ended_s, write.code = self._author.recording.now(), type(error).__name__
            return self._patient
        if not told.is_success:
            code, detail = _problem(told)
            if told.status_code >= 500 and code not in PASSING:
                raise AssertionError(f"{write}: {told.status_code} {told.text}")
            return self._author.refused(write, code, detail, ends=not self._patient)
        self._acked(write, told)
        return False

    def _acked(self, write: Write, told: httpx.Response) -> None:
        answer = told.json()
        projected = told.headers.get("Roomlog-Projected") != "false"
        if write.act in {Act.REACT, Act.UNREACT}:
            # Its answer is the message's reactions: there is no telling whether it was so before.
            self._author.acked(write, 0, write.about, duplicate=True)
            return
        sequence = answer["version"]
        self._author.acked(write, sequence, answer["message_id"], duplicate=False)
        write.projected = projected


def _request(write: Write) -> tuple[str, str, dict[str, Any] | None]:
    message = f"/api/messages/{write.about}"
    match write.act:
        case Act.SEND:
            return "POST", f"/api/rooms/{write.room}/messages", {"content": write.content}
        case Act.EDIT:
            return "PATCH", message, {"content": write.content}
        case Act.DELETE:
            return "DELETE", message, None
        case Act.REACT:
            return "POST", f"{message}/reactions", {"emoji": write.content}
        case _:
            return "DELETE", f"{message}/reactions/{write.content}", None


def _problem(told: httpx.Response) -> tuple[str, str]:
    try:
        problem = told.json()
    except ValueError:
        return str(told.status_code), told.text
    return problem.get("code", str(told.status_code)), problem.get("detail", "")


class Reader:
    """Reads pages of a room by REST: the newest, older ones, and the past."""

    def __init__(
        self, recording: Recording, name: str, user: str, room: str, url: str, headers: Headers
    ) -> None:
        self._recording = recording
        self._name = name
        self._user = user
        self._room = room
        self._url = url
        self._headers = headers
        self._head = 0
        self._chance = recording.chance(name)

    async def run(self) -> None:
        """Go on until cancelled."""
        async with httpx.AsyncClient(base_url=self._url, timeout=_REST_TIMEOUT_S) as http:
            while True:
                await asyncio.sleep(0.05)
                with contextlib.suppress(httpx.TransportError):
                    await self._read(http)

    async def _read(self, http: httpx.AsyncClient) -> None:
        asked: dict[str, int] = {"limit": self._chance.choice((5, 20, 50))}
        begun_s = self._recording.now()
        kind = self._chance.randrange(4)
        acked = [
            w.sequence
            for w in self._recording.history.writes[-50:]
            if w.room == self._room and w.outcome is Outcome.ACKED
        ]
        if kind == 1 and acked:
            asked["min_sequence"] = max(acked)
        elif kind == 2 and self._head:
            asked["before"] = self._chance.randrange(1, self._head + 1)
        elif kind == 3 and self._head:
            asked["as_of"] = self._chance.randrange(1, self._head + 1)
        path = f"/api/rooms/{self._room}/messages"
        told = await http.get(path, params=asked, headers=self._headers(self._user))
        if not told.is_success:
            code, detail = _problem(told)
            assert code in PASSING, (code, detail)
            return
        page = told.json()
        self._head = max(self._head, page["head"])
        self._recording.history.reads.append(
            Read(
                self._name,
                self._room,
                begun_s,
                self._recording.now(),
                page["head"],
                [shown_by_rest(one) for one in page["items"]],
                limit=asked["limit"],
                min_sequence=asked.get("min_sequence", 0),
                before=asked.get("before"),
                as_of=asked.get("as_of"),
            )
        )


class FeedReader:
    """Follows a room by server-sent events, and resumes by `Last-Event-ID`."""

    def __init__(self, recording: Recording, user: str, room: str, url: str, headers: Headers):
        self._user = user
        self._url = f"{url}/api/rooms/{room}/events"
        self._headers = headers
        self.stream = Stream(f"sse {user}", room, 0, whole=True)
        recording.history.streams.append(self.stream)

    @property
    def position(self) -> int:
        return self.stream.events[-1].sequence if self.stream.events else 0

    async def run(self) -> None:
        """Go on until cancelled."""
        # The server says something every few seconds, or the link is dead.
        timeout = httpx.Timeout(_REST_TIMEOUT_S, read=3 * _REST_TIMEOUT_S)
        async with httpx.AsyncClient(timeout=timeout) as http:
            while True:
                headers = {**self._headers(self._user), "Accept": "text/event-stream"}
                headers["Last-Event-ID"] = str(self.position)
                with contextlib.suppress(httpx.TransportError):
                    async with http.stream("GET", self._url, headers=headers) as told:
                        self.stream.resumes += 1
                        async for data in _data(told):
                            self._take(data)
                await asyncio.sleep(_PAUSE_S)

    def _take(self, data: str) -> None:
        told = json.loads(data)
        seen = Seen(told["sequence"], told["prev_sequence"], told["at"], told["event"])
        self.stream.events.append(seen)


async def _data(told: httpx.Response) -> AsyncIterator[str]:
    """The data of each event; nothing where it was refused."""
    if told.is_success:
        async for line in told.aiter_lines():
            if line.startswith("data: "):
                yield line.removeprefix("data: ")

"""A NATS server in memory: what roomlog uses of JetStream, over connections that lose things.

What the server has taken is kept (the real one has fsynced it); what was on its way when a
connection broke is gone, from some point on, in either direction.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from roomlog.jetstream.subjects import stream_name

WINDOW_S = 120.0
BEGIN = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
_BATCH_MAX = 9
_OF_BATCH = "Nats-Batch-Id"


class Stored(NamedTuple):
    """A message of the stream."""

    subject: str
    data: bytes
    message_id: str
    at_s: float


class SimStream:
    """A partition's stream. Its places are `sequence - 1` in `stored`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored: list[Stored] = []
        self.by_room: dict[str, list[int]] = {}
        self.ids: dict[str, int] = {}

    def last(self, subject: str) -> int:
        """The room's last sequence, 0 where it has none."""
        return self.by_room.get(subject, [0])[-1]

    def append(self, subject: str, data: bytes, message_id: str, at_s: float) -> int:
        """Keep it; its sequence."""
        self.stored.append(Stored(subject, data, message_id, at_s))
        sequence = len(self.stored)
        self.ids[message_id] = sequence
        self.by_room.setdefault(subject, []).append(sequence)
        return sequence

    def found(self, asked: dict[str, Any]) -> list[int]:
        """What a direct get asks for."""
        if "multi_last" in asked:
            end = asked.get("up_to_seq", len(self.stored))
            if end > len(self.stored):
                return []
            below = [[n for n in self.by_room.get(s, ()) if n <= end] for s in asked["multi_last"]]
            return sorted(rooms[-1] for rooms in below if rooms)
        if "last_by_subj" in asked:
            return self.by_room.get(asked["last_by_subj"], [])[-1:]
        begin = asked["seq"]
        if "next_by_subj" not in asked:
            return [begin] if 1 <= begin <= len(self.stored) else []
        subject = asked["next_by_subj"]
        if subject == "ev.*":
            return list(range(begin, len(self.stored) + 1))
        return [n for n in self.by_room.get(subject, ()) if n >= begin]

    def headers(self, sequence: int, more: str) -> bytes:
        """The headers of a message as the server gives it."""
        stored = self.stored[sequence - 1]
        at = (BEGIN + timedelta(seconds=stored.at_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return (
            f"NATS/1.0\r\nNats-Msg-Id: {stored.message_id}\r\nNats-Stream: {self.name}\r\n"
            f"Nats-Subject: {stored.subject}\r\nNats-Sequence: {sequence}\r\n"
            f"Nats-Time-Stamp: {at}\r\n{more}\r\n"
        ).encode()


class Faults:
    """How bad the network is. `lost_live`: the share of republished messages that get lost."""

    def __init__(self) -> None:
        self.delay_s = (0.001, 0.02)
        self.lost_live = 0.0


class SimServer:
    """The server. `faulty` says what goes wrong; everything that is left to chance comes from
    `chance`."""

    def __init__(self, chance: random.Random, partitions: int = 1, epoch: str = "epoch-1") -> None:
        self.chance = chance
        self.faults = Faults()
        names = [stream_name(partition, partitions) for partition in range(partitions)]
        self.streams = {name: SimStream(name) for name in names}
        self.epoch = epoch
        self.down = False
        self.clients: list[SimClient] = []
        self.forgets_ids = False
        self._cut_after, self._crashes = 0, False
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._revision = 0
        self._batches: dict[tuple[int, str], list[tuple[str, dict[str, str], bytes]]] = {}

    def client(self) -> "SimClient":
        """A new connection's client end."""
        return SimClient(self)

    def cut(self, client: "SimClient") -> None:
        """The connection is gone: of what was on its way, the first part still arrives."""
        if client in self.clients:
            self.clients.remove(client)
            client.lose(self.chance)
            for key in [key for key in self._batches if key[0] == id(client)]:
                del self._batches[key]

    def cut_after(self, messages: int, *, crash: bool) -> None:
        """Cut whoever sends the event that comes as that one from now, when it is taken and not
        answered yet; or crash then."""
        self._cut_after, self._crashes = messages, crash

    def crash(self) -> None:
        """kill -9: all connections go, and nobody gets in until `down` is over."""
        self.down = True
        for client in list(self.clients):
            client.lose(None)
        self.clients.clear()
        self._batches.clear()

    def heal(self) -> None:
        """Let everybody in again, with nothing more to go wrong."""
        self.down, self._cut_after, self.faults = False, 0, Faults()

    def take(self, client: "SimClient", subject: str, reply: str, headers: bytes, data: bytes):
        """A message has arrived."""
        appends = subject.startswith(("ev.", "append."))
        if self._cut_after and appends:
            self._cut_after -= 1
            if not self._cut_after:
                then = self.crash if self._crashes else lambda: self.cut(client)
                asyncio.get_running_loop().call_soon(then)
        fields = _fields(headers)
        if appends:
            self._publish(client, subject, reply, fields, data)
        elif subject.startswith("$KV."):
            self._put(client, subject, reply, fields, data)
        elif subject.startswith("$JS.API.STREAM.INFO."):
            told = self._info(self.streams[subject.rpartition(".")[2]])
            client.send(reply, b"", json.dumps(told).encode())
        elif subject.startswith("$JS.API.DIRECT.GET."):
            self._get(client, subject.removeprefix("$JS.API.DIRECT.GET."), reply, json.loads(data))
        else:
            for other in list(self.clients):
                other.send(subject, b"", data)

    # Appends

    def _taken_by(self, subject: str) -> tuple[SimStream, str]:
        """The stream that takes what is published there, and its subject in it."""
        if subject.startswith("ev."):
            return self.streams["ROOMLOG"], subject
        _, partition, room = subject.split(".")
        return self.streams[f"ROOMLOG_{partition}"], f"ev.{room}"

    def _publish(
        self, client: "SimClient", subject: str, reply: str, fields: dict[str, str], data: bytes
    ) -> None:
        if _OF_BATCH in fields:
            batch = self._batches.setdefault((id(client), fields[_OF_BATCH]), [])
            batch.append((subject, fields, data))
            if len(batch) != int(fields["Nats-Batch-Sequence"]):
                raise AssertionError("a batch with a hole")
            if "Nats-Batch-Commit" not in fields:
                return
            del self._batches[id(client), fields[_OF_BATCH]]
            self._commit(client, reply, batch)
            return
        if error := self._refused(subject, fields):
            client.send(reply, b"", json.dumps({"error": error}).encode())
            return
        stream, _ = self._taken_by(subject)
        known = self._known(stream, fields["Nats-Msg-Id"])
        if known:
            ack = {"stream": stream.name, "seq": known, "duplicate": True}
        else:
            ack = {"stream": stream.name, "seq": self._append(subject, fields, data)}
        client.send(reply, b"", json.dumps(ack).encode())

    def _commit(
        self,
        client: "SimClient",
        reply: str,
        batch: list[tuple[str, dict[str, str], bytes]],
    ) -> None:
        ids = [fields["Nats-Msg-Id"] for _, fields, _ in batch]
        streams = [self._taken_by(subject)[0] for subject, _, _ in batch]
        if any(stream is not streams[0] for stream in streams):
            raise AssertionError("a batch for several streams")
        error = next((e for s, f, _ in batch if (e := self._refused(s, f))), None)
        if error is None and (
            len(set(ids)) < len(ids) or any(self._known(streams[0], one) for one in ids)
        ):
            error = {"code": 400, "err_code": 10201, "description": "duplicate in batch"}
        if error is not None:
            client.send(reply, b"", json.dumps({"error": error}).encode())
            return
        last = [self._append(subject, fields, data) for subject, fields, data in batch][-1]
        ack = {"stream": streams[0].name, "seq": last, "batch": "b", "count": len(batch)}
        client.send(reply, b"", json.dumps(ack).encode())

    def _refused(self, subject: str, fields: dict[str, str]) -> dict[str, Any] | None:
        expected = fields.get("Nats-Expected-Last-Subject-Sequence")
        stream, stored = self._taken_by(subject)
        if expected is not None and int(expected) != stream.last(stored):
            return {"code": 400, "err_code": 10071, "description": "wrong last sequence"}
        return None

    def _known(self, stream: SimStream, message_id: str) -> int:
        sequence = stream.ids.get(message_id, 0)
        if not sequence or self.forgets_ids:
            return 0
        age_s = self._now() - stream.stored[sequence - 1].at_s
        return sequence if age_s <= WINDOW_S else 0

    def _append(self, subject: str, fields: dict[str, str], data: bytes) -> int:
        stream, stored = self._taken_by(subject)
        before = stream.last(stored)
        sequence = stream.append(stored, data, fields["Nats-Msg-Id"], self._now())
        headers = stream.headers(sequence, f"Nats-Last-Sequence: {before}\r\n")
        for client in list(self.clients):
            if self.chance.random() >= self.faults.lost_live:
                client.send("live." + stored.removeprefix("ev."), headers, data)
        return sequence

    # Reads

    def _get(self, client: "SimClient", name: str, reply: str, asked: dict[str, Any]) -> None:
        stream = self.streams.get(name)
        if stream is None:
            self._get_kept(client, reply, asked)
            return
        found, left = stream.found(asked), 0
        if "batch" in asked or "multi_last" in asked:
            count = min(asked.get("batch", len(found)), self.chance.randint(1, _BATCH_MAX))
            if "multi_last" not in asked:
                found, left = found[:count], len(found) - count
            for sequence in found:
                client.send(reply, stream.headers(sequence, ""), stream.stored[sequence - 1].data)
            if not found:
                client.send(reply, b"NATS/1.0 404 Message Not Found\r\n\r\n", b"")
            else:
                end = b"NATS/1.0 204 EOB\r\nNats-Num-Pending: %d\r\n\r\n" % max(0, left)
                client.send(reply, end, b"")
        elif found:
            client.send(reply, stream.headers(found[0], ""), stream.stored[found[0] - 1].data)
        else:
            client.send(reply, b"NATS/1.0 404 Message Not Found\r\n\r\n", b"")

    def _get_kept(self, client: "SimClient", reply: str, asked: dict[str, Any]) -> None:
        kept = self._kept.get(asked.get("last_by_subj", ""))
        if kept is None:
            client.send(reply, b"NATS/1.0 404 Message Not Found\r\n\r\n", b"")
            return
        line = f"NATS/1.0\r\nNats-Sequence: {kept[0]}\r\nNats-Subject: {asked['last_by_subj']}"
        client.send(reply, line.encode() + b"\r\n\r\n", kept[1])

    def _put(
        self, client: "SimClient", subject: str, reply: str, fields: dict[str, str], data: bytes
    ) -> None:
        expected = fields.get("Nats-Expected-Last-Subject-Sequence")
        if expected is not None and int(expected) != self._kept.get(subject, (0, b""))[0]:
            error = {"code": 400, "err_code": 10071, "description": "wrong last sequence"}
            client.send(reply, b"", json.dumps({"error": error}).encode())
            return
        self._revision += 1
        self._kept[subject] = (self._revision, data)
        client.send(reply, b"", json.dumps({"stream": "KV", "seq": self._revision}).encode())

    def _info(self, stream: SimStream) -> dict[str, Any]:
        end = len(stream.stored)
        state = {"messages": end, "bytes": 0, "first_seq": min(end, 1), "last_seq": end}
        return {
            "config": {"name": stream.name, "metadata": {"roomlog_epoch": self.epoch}},
            "created": BEGIN.isoformat(),
            "state": state,
        }

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class SimClient:
    """What `Connection` makes for each connection, in place of nats-py's client."""

    def __init__(self, server: SimServer) -> None:
        self.handlers: dict[int, Callable[[bytes, bytes], None]] = {}
        self.on_inbox: Callable[[bytes, bytes, bytes], None] | None = None
        self.closed = asyncio.Event()
        self.heard = 0
        self.pong = asyncio.Event()
        self.stalled = False
        self._server = server
        self._subscribed: dict[str, int] = {}
        self._up: deque[tuple[float, bytes]] = deque()
        self._down: deque[tuple[float, Callable[[], None]]] = deque()
        self._gone = False
        self._loop = asyncio.get_running_loop()

    async def dial(self, servers: list[str], name: str) -> None:
        await asyncio.sleep(self._server.chance.uniform(0.001, 0.01))
        if self._server.down:
            raise OSError("nobody listens")
        self._server.clients.append(self)

    def write(self, data: bytes) -> None:
        if not self._gone:
            self._queue(self._up, data, self._arrive)

    def abort(self) -> None:
        self._server.cut(self)

    async def close(self) -> None:
        self._gone = True
        self.closed.set()

    def lose(self, chance: random.Random | None) -> None:
        """The connection is gone. With `chance`, the first part of what was sent arrives."""
        self._gone = True
        arriving = chance.randint(0, len(self._up)) if chance is not None else 0
        for _ in range(arriving):
            self._parse(self._up.popleft()[1])
        self._up.clear()
        self._down.clear()
        self._loop.call_soon(self.closed.set)

    def send(self, subject: str, headers: bytes, data: bytes) -> None:
        """The server sends a message, to whom it concerns."""
        sid = self._subscribed.get(subject)
        inbox = subject.startswith("_INBOX.") and subject.rpartition(".")[0] + ".*"
        if inbox and (mine := self._subscribed.get(inbox)):
            sid = mine
        if sid is not None and not self._gone:
            name = subject.encode()
            self._queue(self._down, lambda: self._hear(sid, name, headers, data), self._deliver)

    def _queue(self, way: deque[Any], what: Any, arrive: Callable[[], None]) -> None:
        least_s, most_s = self._server.faults.delay_s
        due_s = self._loop.time() + self._server.chance.uniform(least_s, most_s)
        due_s = max(due_s, way[-1][0] if way else 0.0)
        way.append((due_s, what))
        self._loop.call_at(due_s, arrive)

    def _arrive(self) -> None:
        if self.stalled:
            return
        while self._up and self._up[0][0] <= self._loop.time() + 1e-9:
            self._parse(self._up.popleft()[1])

    def _deliver(self) -> None:
        if self.stalled:
            return
        while self._down and self._down[0][0] <= self._loop.time() + 1e-9 and not self._gone:
            self._down.popleft()[1]()

    def resume(self) -> None:
        """Pass on what was held."""
        self.stalled = False
        self._arrive()
        self._deliver()

    def _hear(self, sid: int, subject: bytes, headers: bytes, data: bytes) -> None:
        self.heard += 1
        if subject.startswith(b"_INBOX.") and self.on_inbox is not None:
            self.on_inbox(subject, headers, data)
        elif (handler := self.handlers.get(sid)) is not None:
            handler(headers, data)

    def _pong(self) -> None:
        self.heard += 1
        self.pong.set()

    def _parse(self, data: bytes) -> None:
        while data:
            line, _, data = data.partition(b"\r\n")
            words = line.decode().split(" ")
            match words[0]:
                case "SUB":
                    self._subscribed[words[1]] = int(words[2])
                case "UNSUB":
                    sid = int(words[1])
                    self._subscribed = {s: n for s, n in self._subscribed.items() if n != sid}
                case "PING":
                    if not self._gone:
                        self._queue(self._down, self._pong, self._deliver)
                case "PUB":
                    size = int(words[3])
                    self._server.take(self, words[1], words[2], b"", data[:size])
                    data = data[size + 2 :]
                case "HPUB":
                    head, size = int(words[3]), int(words[4])
                    headers, body = data[:head], data[head:size]
                    self._server.take(self, words[1], words[2], headers, body)
                    data = data[size + 2 :]
                case _:
                    raise AssertionError(line)


def _fields(headers: bytes) -> dict[str, str]:
    lines = headers.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines if ": " in line)

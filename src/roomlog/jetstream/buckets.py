"""Key-value buckets (NATS ADR-8): room snapshots, read markers, and what else is remembered.

Snapshots and markers may lose their last seconds in a crash: a snapshot is made again from the
log, a marker is moved again by its user. So they are not fsynced one by one, which the log's
appends would wait for. What must not be forgotten is, and is written seldom.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from roomlog.jetstream import subjects, wire
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.direct import DirectGet, TooManyResultsError
from roomlog.jetstream.stream import create_stream
from roomlog.memory_ports import Claim, RoomSnapshot
from roomlog.ports import LogUnavailableError

PUT_TIMEOUT_S: Final = 5.0
_TRIES_MAX: Final = 32
_KEYS_AT_ONCE: Final = 500
_EXPECTED: Final = b"Nats-Expected-Last-Subject-Sequence: %d\r\n"


class _Entry(NamedTuple):
    """A key's value and its revision: None and 0 where there is none."""

    value: bytes | None
    revision: int


class _Bucket:
    """One bucket: the newest value of each key."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._direct = DirectGet(connection)

    async def put(self, key: str, value: bytes) -> None:
        """Set a value. Raises LogUnavailableError."""
        await self._put(key, value, b"")

    async def replace(self, key: str, value: bytes, revision: int) -> bool:
        """Set a value where the key is still at that revision; False where it is not.

        Raises LogUnavailableError.
        """
        return await self._put(key, value, _EXPECTED % revision)

    async def _put(self, key: str, value: bytes, headers: bytes) -> bool:
        reply = await self._connection.request(
            self._subject(key), value, headers=headers, timeout_s=PUT_TIMEOUT_S
        )
        error = wire.decode_ack(reply.headers, reply.data).error
        if error is None:
            return True
        if headers and error.err_code in wire.WRONG_LAST_SEQUENCE:
            return False
        raise LogUnavailableError(f"bucket {self._name}: {error.description}")

    async def get(self, key: str) -> _Entry:
        """A key's entry. Raises LogUnavailableError."""
        reply = await self._direct.get(self._stream, {"last_by_subj": self._subject(key)})
        if reply is None:
            return _Entry(None, 0)
        revision = wire.number(reply.headers, wire.SEQUENCE)
        if wire.header(reply.headers, wire.OPERATION) is not None:
            return _Entry(None, revision)
        return _Entry(reply.data, revision)

    async def advance(self, key: str, number: int) -> int:
        """Set a number, unless a higher one stands there; which one stands there then.

        Raises LogUnavailableError.
        """
        for _ in range(_TRIES_MAX):
            entry = await self.get(key)
            if (known := _number(entry.value)) >= number:
                return known
            if await self.replace(key, b"%d" % number, entry.revision):
                return number
        raise LogUnavailableError(f"bucket {self._name}: too many move {key} at once")

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of these keys, where they have any. Raises LogUnavailableError."""
        values: dict[str, bytes] = {}
        start = len(self._subject(""))
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            wanted = [self._subject(key) for key in keys[at : at + _KEYS_AT_ONCE]]
            while wanted:
                found = await self._direct.batch(self._stream, {"multi_last": wanted})
                for message in found.messages:
                    subject = (wire.header(message.headers, wire.SUBJECT) or b"").decode()
                    values[subject[start:]] = message.data
                if not found.left or not found.messages:
                    break
                wanted = [subject for subject in wanted if subject[start:] not in values]
        return values

    async def get_all(self, prefix: str) -> dict[str, bytes]:
        """All values under `prefix.`, by what follows it. Raises LogUnavailableError."""
        pattern = self._subject(f"{prefix}.*")
        try:
            found = await self._direct.batch(self._stream, {"multi_last": [pattern]})
            messages = found.messages
            if found.left:
                messages = await self._scan(pattern)
        except TooManyResultsError:
            messages = await self._scan(pattern)
        values: dict[str, bytes] = {}
        for message in messages:
            subject = (wire.header(message.headers, wire.SUBJECT) or b"").decode()
            if wire.header(message.headers, wire.OPERATION) is None:
                values[subject[len(pattern) - 1 :]] = message.data
        return values

    async def _scan(self, pattern: str) -> list[Any]:
        batches = self._direct.batches(self._stream, pattern, 0, None)
        return [message async for batch in batches for message in batch]

    @property
    def _stream(self) -> str:
        return f"KV_{self._name}"

    def _subject(self, key: str) -> str:
        return f"$KV.{self._name}.{key}"


async def ensure_buckets(connection: Connection) -> None:
    """Create the buckets where there are none. Raises LogUnavailableError."""
    for name in (subjects.SNAPSHOTS_BUCKET, subjects.MARKERS_BUCKET):
        await create_stream(connection, {**bucket_config(name), "persist_mode": "async"})
    await create_stream(connection, bucket_config(subjects.MEMORY_BUCKET))


def bucket_config(name: str) -> dict[str, Any]:
    """The configuration of a bucket's stream, each value fsynced."""
    return {
        "name": f"KV_{name}",
        "subjects": [f"$KV.{name}.>"],
        "storage": "file",
        "num_replicas": 1,
        "retention": "limits",
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "duplicate_window": 120_000_000_000,
    }


class JetStreamSnapshots:
    """The port SnapshotStore. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.SNAPSHOTS_BUCKET)
        self._decoder = msgspec.msgpack.Decoder(RoomSnapshot)

    async def get(self, key: str) -> RoomSnapshot | None:
        """See SnapshotStore.get."""
        value = (await self._bucket.get(key)).value
        try:
            return self._decoder.decode(value) if value is not None else None
        except msgspec.MsgspecError:
            return None

    async def put(self, key: str, snapshot: RoomSnapshot) -> None:
        """See SnapshotStore.put."""
        await self._bucket.put(key, msgspec.msgpack.encode(snapshot))


class JetStreamReadMarkers:
    """The port ReadMarkers. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.MARKERS_BUCKET)

    async def get(self, user_id: str) -> Mapping[str, int]:
        """See ReadMarkers.get."""
        values = await self._bucket.get_all(_token(user_id))
        return {room_id: _number(value) for room_id, value in values.items() if value.isdigit()}

    async def advance(self, user_id: str, room_id: str, sequence: int) -> None:
        """See ReadMarkers.advance."""
        await self._bucket.advance(f"{_token(user_id)}.{room_id}", sequence)


class JetStreamRequestMemory:
    """The port RequestMemory. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.MEMORY_BUCKET)
        self._decoder = msgspec.msgpack.Decoder(Claim)

    async def find(self, request_id: str) -> Claim | None:
        """See RequestMemory.find."""
        value = (await self._bucket.get(_request_key(request_id))).value
        return None if value is None else self._decoder.decode(value)

    async def claim(self, request_id: str, digest: str) -> Claim:
        """See RequestMemory.claim."""
        key = _request_key(request_id)
        new = Claim(digest, finished=False)
        for _ in range(_TRIES_MAX):
            entry = await self._bucket.get(key)
            if entry.value is not None:
                return self._decoder.decode(entry.value)
            if await self._bucket.replace(key, msgspec.msgpack.encode(new), entry.revision):
                return new
        raise LogUnavailableError("too many ask under one key at once")

    async def finish(self, request_id: str, digest: str) -> None:
        """See RequestMemory.finish."""
        done = msgspec.msgpack.encode(Claim(digest, finished=True))
        await self._bucket.put(_request_key(request_id), done)


class JetStreamKeyMarks:
    """The port KeyMarks. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.MEMORY_BUCKET)

    async def get(self, user_id: str) -> int:
        """See KeyMarks.get."""
        return _number((await self._bucket.get(_mark_key(user_id))).value)

    async def advance(self, user_id: str, moment_ms: int) -> int:
        """See KeyMarks.advance."""
        return await self._bucket.advance(_mark_key(user_id), moment_ms)


class JetStreamNames:
    """The port NameStore. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.MEMORY_BUCKET)

    async def get(self, user_ids: Sequence[str]) -> Mapping[str, str]:
        """See NameStore.get."""
        keys = {_name_key(user): user for user in user_ids}
        found = await self._bucket.get_many(list(keys))
        return {keys[key]: value.decode() for key, value in found.items()}

    async def put(self, user_id: str, name: str) -> None:
        """See NameStore.put."""
        await self._bucket.put(_name_key(user_id), name.encode())


def _name_key(user_id: str) -> str:
    return f"names.{_token(user_id)}"


def _mark_key(user_id: str) -> str:
    return f"key-marks.{_token(user_id)}"


def _request_key(request_id: str) -> str:
    return f"requests.{request_id}"


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0


def _token(user_id: str) -> str:
    """A user's id in characters that a subject's token may hold."""
    return base64.urlsafe_b64encode(user_id.encode()).decode().rstrip("=")

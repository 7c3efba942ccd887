"""Key-value buckets (NATS ADR-8): room snapshots and read markers.

Both may lose their last seconds in a crash: a snapshot is made again from the log, a marker is
moved again by its user. So they are not fsynced one by one, which the log's appends would wait
for.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from roomlog.jetstream import subjects, wire
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.direct import DirectGet, TooManyResultsError
from roomlog.jetstream.stream import create_stream
from roomlog.ports import LogUnavailableError, RoomSnapshot

PUT_TIMEOUT_S: Final = 5.0


class _Bucket:
    """One bucket: the newest value of each key."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._direct = DirectGet(connection)

    async def put(self, key: str, value: bytes) -> None:
        """Set a value. Raises LogUnavailableError."""
        reply = await self._connection.request(self._subject(key), value, timeout_s=PUT_TIMEOUT_S)
        ack = wire.decode_ack(reply.headers, reply.data)
        if ack.error is not None:
            raise LogUnavailableError(f"bucket {self._name}: {ack.error.description}")

    async def get(self, key: str) -> bytes | None:
        """A value, or None. Raises LogUnavailableError."""
        reply = await self._direct.get(self._stream, {"last_by_subj": self._subject(key)})
        if reply is None or wire.header(reply.headers, wire.OPERATION) is not None:
            return None
        return reply.data

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
        await create_stream(connection, bucket_config(name))


def bucket_config(name: str) -> dict[str, Any]:
    """The configuration of a bucket's stream."""
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
        "persist_mode": "async",
    }


class JetStreamSnapshots:
    """The port SnapshotStore. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.SNAPSHOTS_BUCKET)
        self._decoder = msgspec.msgpack.Decoder(RoomSnapshot)

    async def get(self, room_id: str) -> RoomSnapshot | None:
        """See SnapshotStore.get."""
        value = await self._bucket.get(room_id)
        try:
            return self._decoder.decode(value) if value is not None else None
        except msgspec.MsgspecError:
            return None

    async def put(self, room_id: str, snapshot: RoomSnapshot) -> None:
        """See SnapshotStore.put."""
        await self._bucket.put(room_id, msgspec.msgpack.encode(snapshot))


class JetStreamReadMarkers:
    """The port ReadMarkers. Every method raises LogUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._bucket = _Bucket(connection, subjects.MARKERS_BUCKET)

    async def get(self, user_id: str) -> Mapping[str, int]:
        """See ReadMarkers.get."""
        values = await self._bucket.get_all(_token(user_id))
        return {room_id: int(value) for room_id, value in values.items() if value.isdigit()}

    async def put(self, user_id: str, room_id: str, sequence: int) -> None:
        """See ReadMarkers.put."""
        await self._bucket.put(f"{_token(user_id)}.{room_id}", b"%d" % sequence)


def _token(user_id: str) -> str:
    """A user's id in characters that a subject's token may hold."""
    return base64.urlsafe_b64encode(user_id.encode()).decode().rstrip("=")

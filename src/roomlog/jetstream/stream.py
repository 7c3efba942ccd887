"""The log's streams: made once, checked ever after, never silently made again.

Source: NATS ADR-8/ADR-10 (extended purge), ADR-28 (republish), ADR-31 (direct get), ADR-36
(subject transforms), ADR-50 (atomic batches).
"""

import uuid
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from roomlog.jetstream import subjects
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.wire import ApiError, status
from roomlog.ports import LogUnavailableError, PartitionState
from roomlog.trail_ports import TRAIL_PARTITION

DUPLICATE_WINDOW_S: Final = 120

_NOT_FOUND = 10059
_NAME_IN_USE = 10058
_NO_MESSAGE = 10037
_EPOCH = "roomlog_epoch"
_PARTITIONS = "roomlog_partitions"
_PARTITION = "roomlog_partition"


class LogMismatchError(Exception):
    """The streams are not those of this configuration. `problems`: one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Lost(msgspec.Struct, frozen=True):
    msgs: list[int] | None = None


class _State(msgspec.Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    num_deleted: int = 0
    deleted: list[int] | None = None
    lost: _Lost | None = None

    @property
    def written_end(self) -> int:
        """The last sequence, without those at the end that the server could not write. What is
        missing must have been asked for."""
        unwritten = set() if self.lost is None else set(self.lost.msgs or ())
        missing = set(self.deleted or ())
        end = self.last_seq
        while end in unwritten and (end in missing or end < self.first_seq):
            end -= 1
        return end


class StreamInfo(msgspec.Struct, frozen=True):
    """What the server says of a stream."""

    config: dict[str, Any] = {}
    created: datetime = datetime.min.replace(tzinfo=UTC)
    state: _State = _State()
    error: ApiError | None = None

    @property
    def epoch(self) -> str:
        """The epoch in its metadata; empty for a stream of somebody else's making."""
        metadata: dict[str, str] = self.config.get("metadata") or {}
        return metadata.get(_EPOCH, "")


class _Message(msgspec.Struct, frozen=True):
    error: ApiError | None = None


class _StreamNames(msgspec.Struct, frozen=True):
    streams: list[str] | None = None


_Answer = TypeVar("_Answer")

_info_decoder = msgspec.json.Decoder(StreamInfo)
_names_decoder = msgspec.json.Decoder(_StreamNames)
_message_decoder = msgspec.json.Decoder(_Message)


# Every event and record is kept, for good.
_KEPT: Final[dict[str, Any]] = {
    "storage": "file",
    "num_replicas": 1,
    "retention": "limits",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "discard": "new",
    "duplicate_window": DUPLICATE_WINDOW_S * 1_000_000_000,
    "allow_direct": True,
    "deny_purge": True,
}


def stream_config(partition: int, partitions: int, epoch: str) -> dict[str, Any]:
    """The exact configuration of a partition's stream."""
    config: dict[str, Any] = {
        "name": subjects.stream_name(partition, partitions),
        "subjects": [subjects.stream_subject(partition, partitions)],
        **_KEPT,
        "allow_atomic": True,
        # Redaction erases single messages; who else must not is kept off by its NATS permission.
        "deny_delete": False,
        "republish": {"src": subjects.all_events(), "dest": subjects.live_destination()},
        "metadata": {
            _EPOCH: epoch,
            _PARTITIONS: str(partitions),
            _PARTITION: str(partition),
        },
    }
    if partitions > 1:
        config["subject_transform"] = {
            "src": subjects.stream_subject(partition, partitions),
            "dest": "ev.{{wildcard(1)}}",
        }
    return config


def trail_config(epoch: str) -> dict[str, Any]:
    """The exact configuration of the audit trail's stream. What it denies cannot be allowed later:
    NATS refuses to."""
    return {
        "name": subjects.TRAIL_STREAM,
        "subjects": [subjects.all_records()],
        **_KEPT,
        "deny_delete": True,
        "metadata": {_EPOCH: epoch},
    }


def streams_of_truth(partitions: int) -> list[str]:
    """All streams that nothing else can be made from again: the log's and the audit trail's. This
    is what a backup must hold; everything else in NATS and PostgreSQL is a view, or a memory that
    may be lost."""
    return [*_names(partitions), subjects.TRAIL_STREAM]


async def find_partitions(connection: Connection) -> int | None:
    """How many partitions the log there has; None where there is none.

    Raises LogUnavailableError.
    """
    name: str | None = subjects.STREAM
    if await stream_info(connection, subjects.STREAM) is None:
        asked = msgspec.json.encode({"subject": subjects.all_appends()})
        reply = await connection.request("$JS.API.STREAM.NAMES", asked)
        names = _names_decoder.decode(reply.data).streams or []
        name = next((name for name in names if subjects.is_partition(name)), None)
    info = None if name is None else await stream_info(connection, name)
    if info is None:
        return None
    number = (info.config.get("metadata") or {}).get(_PARTITIONS, "1")
    return int(number) if number.isdigit() else 1


async def ensure_log(connection: Connection, partitions: int) -> str:
    """Make the streams where there are none, else check them; return the epoch.

    Raises LogMismatchError, which says what differs, and LogUnavailableError.
    """
    trail = await stream_info(connection, subjects.TRAIL_STREAM)
    infos = [await stream_info(connection, name) for name in _names(partitions)]
    existing = [info for info in infos if info is not None]
    if len(existing) < partitions and trail is not None:
        # The trail is made after the log. A log that is missing beside it was there, and its files
        # may be there still: a new one would be put in their place.
        raise LogMismatchError(await check_log(connection, partitions))
    if len(existing) < partitions and all(info.state.last_seq == 0 for info in existing):
        await _refuse_other_layouts(connection, partitions)
        await _create_missing(connection, partitions, infos)
    epoch = await _log_epoch(connection, partitions)
    if epoch and await stream_info(connection, subjects.TRAIL_STREAM) is None:
        # A log from before there was a trail. One that was removed comes back empty, with the
        # epoch of the trees that remember it: these say so.
        await create_stream(connection, trail_config(epoch))
    if problems := await check_log(connection, partitions):
        raise LogMismatchError(problems)
    return epoch


async def begin_epoch(connection: Connection, partitions: int) -> str:
    """Give the log a new epoch, because it is not the continuation of what was seen of it.

    The streams are told one after another: where that is broken off they are of different epochs,
    which check_log says, until this is done again. Raises LogUnavailableError.
    """
    epoch = str(uuid.uuid4())
    if await stream_info(connection, subjects.TRAIL_STREAM) is None:
        # Of a log from before there was a trail; where it was lost, the new epoch accepts that.
        await create_stream(connection, trail_config(epoch))
    for name in streams_of_truth(partitions):
        info = await stream_info(connection, name)
        if info is None:
            raise LogUnavailableError(f"stream {name} is missing")
        config = msgspec.json.encode(with_epoch(info.config, epoch))
        changed = await _call(connection, f"$JS.API.STREAM.UPDATE.{name}", config)
        if changed.error is not None:
            raise LogUnavailableError(f"stream {name}: {changed.error.description}")
    return epoch


def with_epoch(config: dict[str, Any], epoch: str) -> dict[str, Any]:
    """A partition's configuration in another epoch."""
    return {**config, "metadata": {**(config.get("metadata") or {}), _EPOCH: epoch}}


async def check_log(connection: Connection, partitions: int) -> list[str]:
    """Compare the streams with what they should be: one sentence for each difference.

    Raises LogUnavailableError.
    """
    problems = await _other_layouts(connection, partitions)
    epochs: set[str] = set()
    for partition, name in enumerate(_names(partitions)):
        info = await stream_info(connection, name)
        if info is None:
            problems.append(f"stream {name} is missing: restore it from a backup")
            continue
        epochs.add(info.epoch)
        expected = stream_config(partition, partitions, info.epoch)
        problems += _differences(name, expected, info.config)
        if not info.epoch:
            problems.append(f"stream {name} has no {_EPOCH} in its metadata: it is not roomlog's")
    trail = await stream_info(connection, subjects.TRAIL_STREAM)
    if trail is None:
        problems.append(f"stream {subjects.TRAIL_STREAM} is missing: restore it from a backup")
    else:
        epochs.add(trail.epoch)
        problems += _differences(subjects.TRAIL_STREAM, trail_config(trail.epoch), trail.config)
    if len(epochs) > 1:
        problems.append(
            f"the streams are of different epochs ({', '.join(sorted(epochs))}): run "
            "`roomlog projections rebuild --new-epoch`"
        )
    return problems


async def stream_info(connection: Connection, name: str) -> StreamInfo | None:
    """What the server says of a stream; None where there is none.

    It ends at what could be written. Where writing fails, the server may count what it could not
    write as the last message until it starts anew, and give that sequence away again then: so it
    is when the first message of a block meets a full disk.
    """
    info = await _call(connection, f"$JS.API.STREAM.INFO.{name}")
    if info.error is not None:
        if info.error.err_code == _NOT_FOUND:
            return None
        raise LogUnavailableError(f"stream {name}: {info.error.description}")
    state = info.state
    if state.messages < state.last_seq and not await _is_there(connection, name, state.last_seq):
        asked = b'{"deleted_details":true}'
        detailed = await _call(connection, f"$JS.API.STREAM.INFO.{name}", asked)
        state = msgspec.structs.replace(state, last_seq=detailed.state.written_end)
        return msgspec.structs.replace(info, state=state)
    return info


async def _is_there(connection: Connection, name: str, sequence: int) -> bool:
    asked = b'{"seq":%d}' % sequence
    found = await _answer(connection, f"$JS.API.STREAM.MSG.GET.{name}", asked, _message_decoder)
    if found.error is not None and found.error.err_code != _NO_MESSAGE:
        raise LogUnavailableError(f"stream {name}: {found.error.description}")
    return found.error is None


async def partition_state(
    connection: Connection, partition: int, partitions: int
) -> PartitionState:
    """The port's view of a partition. Raises LogUnavailableError, also where it is missing."""
    return await _state(connection, subjects.stream_name(partition, partitions), partition)


async def trail_state(connection: Connection) -> PartitionState:
    """The same of the audit trail, which stands beside the partitions as TRAIL_PARTITION."""
    return await _state(connection, subjects.TRAIL_STREAM, TRAIL_PARTITION)


async def _state(connection: Connection, name: str, partition: int) -> PartitionState:
    info = await stream_info(connection, name)
    if info is None:
        raise LogUnavailableError(f"stream {name} is missing")
    return PartitionState(
        partition=partition,
        stream=name,
        epoch=info.epoch,
        first_sequence=info.state.first_seq,
        last_sequence=info.state.last_seq,
        messages=info.state.messages,
        bytes=info.state.bytes,
        deleted=info.state.num_deleted,
        created=info.created,
    )


async def create_stream(connection: Connection, config: dict[str, Any]) -> None:
    """Create a stream; one that stands there already with the same configuration is fine.

    Raises LogUnavailableError.
    """
    name = config["name"]
    made = await _call(connection, f"$JS.API.STREAM.CREATE.{name}", msgspec.json.encode(config))
    if made.error is not None and made.error.err_code != _NAME_IN_USE:
        raise LogUnavailableError(f"stream {name} cannot be made: {made.error.description}")


async def _log_epoch(connection: Connection, partitions: int) -> str:
    first = await stream_info(connection, subjects.stream_name(0, partitions))
    return first.epoch if first is not None else ""


async def _create_missing(
    connection: Connection, partitions: int, infos: list[StreamInfo | None]
) -> None:
    # Others may start at the same time. The first partition's stream decides the epoch: NATS
    # makes it once, whoever comes second reads it.
    epoch = next((info.epoch for info in infos if info is not None), str(uuid.uuid4()))
    for partition in range(partitions):
        await create_stream(connection, stream_config(partition, partitions, epoch))
        if partition == 0:
            made = await stream_info(connection, subjects.stream_name(0, partitions))
            epoch = made.epoch if made is not None else epoch


async def _refuse_other_layouts(connection: Connection, partitions: int) -> None:
    if problems := await _other_layouts(connection, partitions):
        raise LogMismatchError(problems)


async def _other_layouts(connection: Connection, partitions: int) -> list[str]:
    """The number of partitions is fixed for an epoch: look for streams of another number."""
    foreign = [subjects.STREAM] if partitions > 1 else []
    foreign.append(f"{subjects.STREAM}_{partitions if partitions > 1 else 0}")
    found = [name for name in foreign if await stream_info(connection, name) is not None]
    return [
        f"stream {name} does not belong to a log of {partitions} partition(s): "
        "the number of partitions cannot change within an epoch"
        for name in found
    ]


def _names(partitions: int) -> list[str]:
    return [subjects.stream_name(partition, partitions) for partition in range(partitions)]


def _differences(name: str, expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    problems = [
        f"stream {name}: {field} is {found.get(field)!r} and should be {value!r}"
        for field, value in expected.items()
        # False is what the server leaves out.
        if field != "metadata" and (found.get(field) or False) != (value or False)
    ]
    metadata: dict[str, str] = found.get("metadata") or {}
    return problems + [
        f"stream {name}: metadata {key} is {metadata.get(key)!r} and should be {value!r}"
        for key, value in expected["metadata"].items()
        if key != _EPOCH and metadata.get(key) != value
    ]


async def _call(connection: Connection, subject: str, data: bytes = b"") -> StreamInfo:
    return await _answer(connection, subject, data, _info_decoder)


async def _answer(
    connection: Connection, subject: str, data: bytes, decoder: msgspec.json.Decoder[_Answer]
) -> _Answer:
    reply = await connection.request(subject, data)
    if code := status(reply.headers):
        raise LogUnavailableError(f"JetStream does not answer (status {code})")
    try:
        return decoder.decode(reply.data)
    except msgspec.MsgspecError as error:
        raise LogUnavailableError(f"unreadable answer from JetStream: {error}") from error

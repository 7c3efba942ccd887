"""The names of everything roomlog keeps or says in NATS; nobody else spells them out."""

from hashlib import sha256
from zlib import crc32

STREAM = "ROOMLOG"
TRAIL_STREAM = "ROOMLOG_AUDIT"
SNAPSHOTS_BUCKET = "ROOMLOG_SNAPSHOTS"
MARKERS_BUCKET = "ROOMLOG_MARKERS"
MEMORY_BUCKET = "ROOMLOG_MEMORY"

PRESENCE = "node.presence"
PERSONAL_NOTICES = "notices.personal"
PUBLIC_NOTICES = "notices.public"

_EVENTS = "ev."
_LIVE = "live."
_APPEND = "append."
_APPENDED = "signal.appended."
_PROJECTED = "signal.projected."
_WANTED = "signal.wanted."
_RECORDS = "audit."
USAGE = "signal.usage"
EPOCH = "signal.epoch"


def partition_of(room_id: str, partitions: int) -> int:
    """The partition of a room: crc32 of its id, modulo the number of partitions."""
    return 0 if partitions == 1 else crc32(room_id.encode()) % partitions


def stream_name(partition: int, partitions: int) -> str:
    """`ROOMLOG`, or `ROOMLOG_<p>` where there are several."""
    return STREAM if partitions == 1 else f"{STREAM}_{partition}"


def is_partition(stream: str) -> bool:
    """Whether that is the name of one of a log's several streams."""
    prefix, _, number = stream.rpartition("_")
    return prefix == STREAM and number.isdigit()


def is_log(stream: str) -> bool:
    """Whether that is the name of a stream that holds rooms' events."""
    return stream == STREAM or is_partition(stream)


def all_appends() -> str:
    """Matches what the streams of a log of several partitions take."""
    return f"{_APPEND}*.*"


def event_subject(room_id: str) -> str:
    """The subject under which a room's events are stored, in every stream."""
    return _EVENTS + room_id


def all_events() -> str:
    """Matches the stored subject of every room."""
    return _EVENTS + "*"


def room_of(subject: str) -> str:
    """The room id in a stored subject."""
    return subject[len(_EVENTS) :]


def append_subject(room_id: str, partitions: int) -> str:
    """Where to publish a room's events.

    Streams may not share subjects, so with several partitions each takes its own and its
    subject transform makes the stored subject of it.
    """
    if partitions == 1:
        return _EVENTS + room_id
    return f"{_APPEND}{partition_of(room_id, partitions)}.{room_id}"


def stream_subject(partition: int, partitions: int) -> str:
    """What a partition's stream takes."""
    return all_events() if partitions == 1 else f"{_APPEND}{partition}.*"


def live_subject(room_id: str) -> str:
    """Where a room's stored events are republished."""
    return _LIVE + room_id


def live_destination() -> str:
    """The republish destination in the stream's configuration (NATS ADR-28)."""
    return _LIVE + "{{wildcard(1)}}"


def appended_signal(partition: int) -> str:
    """Tells how far a partition reaches, after each commit."""
    return f"{_APPENDED}{partition}"


def projected_signal(partition: int) -> str:
    """Tells how far a partition's projection reaches."""
    return f"{_PROJECTED}{partition}"


def wanted_signal(partition: int) -> str:
    """Tells up to where somebody waits for a partition's projection."""
    return f"{_WANTED}{partition}"


def all_records() -> str:
    """Matches every record of the audit trail."""
    return _RECORDS + ">"


def record_subject(room_id: str | None, actor: str, kind: str) -> str:
    """The subject of a record. A kind is two tokens; the actor's id goes in by its digest, since
    it may be any text."""
    return f"{_RECORDS}{room_id or '-'}.{_digest(actor)}.{kind}"


def records_matching(room_id: str | None, actor: str | None, kind: str | None) -> str:
    """Matches the records of a room, of an actor, of a kind; None: of any."""
    by = "*" if actor is None else _digest(actor)
    return f"{_RECORDS}{room_id or '*'}.{by}.{kind or '*.*'}"


def _digest(actor: str) -> str:
    return sha256(actor.encode()).hexdigest()

"""Rooms whose bundles are the same each time: a log in memory, keys, and events of every kind."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from roomlog.audit.export import Exported, export_room
from roomlog.core.leaves import parts_of
from roomlog.core.signed_note import SigningKey
from roomlog.ports import LogEvent

ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001"
OTHER_ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940009"
EPOCH = "7f0c2a"
KEY = SigningKey("roomlog.example.org", bytes(range(32)))
OTHER_KEY = SigningKey("roomlog.example.org", bytes(range(1, 33)))
EXPORTED_AT = datetime(2026, 2, 1, 8, 0, tzinfo=UTC)
_APPENDED_NS = 1_769_850_900_123_456_789
_BATCH = 5


class RoomLog:
    """What exports and replays use of EventLog, over events in memory."""

    def __init__(self, epoch: str = EPOCH) -> None:
        self.epoch = epoch
        self.events: list[LogEvent] = []

    def put(self, data: bytes, *, room_id: str = ROOM, hole: int = 0) -> int:
        """Append bytes, `hole` sequences after the last; returns their sequence."""
        previous = self.events[-1].sequence if self.events else 0
        sequence = previous + 1 + hole
        appended_ns = _APPENDED_NS + sequence * 1_000_000_007
        self.events.append(LogEvent(sequence, previous, room_id, data, appended_ns))
        return sequence

    def erase(self, sequence: int) -> None:
        """Erase an event, as JetStream does: as if it had never been."""
        self.events = [one for one in self.events if one.sequence != sequence]

    def at(self, sequence: int) -> LogEvent:
        return next(one for one in self.events if one.sequence == sequence)

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        found = (e.sequence for e in self.events if up_to is None or e.sequence <= up_to)
        return max(found, default=0)

    async def sequence_at(self, room_id: str, moment: datetime) -> int:
        by_ns = int(moment.timestamp()) * 1_000_000_000
        return max((e.sequence for e in self.events if e.appended_ns <= by_ns), default=0)

    async def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        while True:
            batch = [
                one
                for one in self.events
                if one.sequence > after and (up_to is None or one.sequence <= up_to)
            ][:_BATCH]
            if not batch:
                return
            yield batch
            after = batch[-1].sequence


def stored(kind: str, number: int, body: Any, **fields: Any) -> bytes:
    """An event's stored bytes. `body`: fields, or text that stands there as it is."""
    id_ = event_id(number)
    if not isinstance(body, str):
        salted = body | {"salt": f"{number:032x}"}
        body = json.dumps(salted, ensure_ascii=False, separators=(",", ":"))
    envelope = {
        "v": 1,
        "type": kind,
        "id": id_,
        "room_id": ROOM,
        "actor": "ada@example.org",
        "at": f"2026-01-31T09:{number:02}:00.000Z",
        **({"message_id": id_} if kind == "message.sent" else {}),
        **fields,
        "commit": sha256(body.encode()).hexdigest(),
    }
    begin = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return f'{begin[:-1]},"body":{body}}}'.encode()


def event_id(number: int) -> str:
    return f"0192f0c1-2b3c-7d4e-8f50-{number:012}"


def sent(number: int, content: str, **fields: Any) -> bytes:
    return stored("message.sent", number, {"content": content, "message_type": "text"}, **fields)


def redaction_of(
    event: LogEvent, number: int, reason: str = "a secret", message_id: str | None = None
) -> bytes:
    """The redaction of an event, as of the message that it is about unless another is named."""
    body = {
        "redacted_sequence": event.sequence,
        "redacted_envelope": parts_of(event.data).envelope.decode(),
        "reason": reason,
    }
    about = message_id or json.loads(event.data).get("message_id", "")
    return stored("message.redacted", number, body, message_id=about, actor="adm@example.org")


_NASTY = (
    'a<b> & &lt;b&gt; </code></script><!-- "quoted" \\ \u202eback\u202c tab\there,\nnew line, '
    ',"body":{} ,"commit":"00","body": é 漢字 🚒'
)


def plain_log() -> RoomLog:
    """A room with one event of every kind, and an erased one."""
    log = RoomLog()
    log.put(stored("room.created", 1, {"name": "payments", "severity": "high"}), hole=2)
    member = {"user_id": "rob@example.org", "role": "responder"}
    log.put(stored("member.added", 2, member))
    log.put(sent(3, "checkout is slow", actor="rob@example.org"), hole=1)
    secret = log.put(sent(4, "the password is hunter2", actor="rob@example.org"))
    log.put(stored("reaction.added", 5, {"emoji": "👀"}, message_id=event_id(3)))
    edit = {"content": "checkout is very slow", "reason": "typo"}
    log.put(stored("message.edited", 6, edit, message_id=event_id(3), expected_version=6))
    log.put(redaction_of(log.at(secret), 7))
    log.erase(secret)
    log.put(stored("reaction.removed", 8, {"emoji": "👀"}, message_id=event_id(3)))
    log.put(stored("message.deleted", 9, {"reason": "no use"}, message_id=event_id(3)))
    log.put(stored("room.updated", 10, {"title": None, "status": "resolved"}))
    log.put(stored("member.role_changed", 11, member | {"role": "observer"}))
    log.put(stored("member.removed", 12, member))
    return log


def secret_log() -> RoomLog:
    """A room in which something was said that must not stay, with all that spoke of it."""
    log = RoomLog()
    log.put(stored("room.created", 1, {"name": "payments"}))
    log.put(stored("member.added", 2, {"user_id": "rob@example.org", "role": "responder"}))
    log.put(sent(3, "the password is hunter2", actor="rob@example.org"), hole=2)
    edit = {"content": "the password is hunter3", "reason": "hunter2 was old"}
    log.put(stored("message.edited", 4, edit, message_id=event_id(3)))
    log.put(stored("reaction.added", 5, {"emoji": "👀"}, message_id=event_id(3)))
    log.put(stored("message.deleted", 6, {"reason": "hunter3!"}, message_id=event_id(3)), hole=1)
    log.put(sent(7, "and on"))
    return log


def redact_secret(log: RoomLog) -> dict[int, int]:
    """Redact it all; each erased sequence with that of its redaction. One is told of twice."""
    said = [log.events[place] for place in (2, 3, 5)]
    told = {one.sequence: log.put(redaction_of(one, 10 + n)) for n, one in enumerate(said)}
    log.put(redaction_of(said[0], 15, "once more"))
    for one in said:
        log.erase(one.sequence)
    return told


def other_reason(event: LogEvent) -> LogEvent:
    """The event, or where it is a redaction one that gives another reason, made anew."""
    fields = json.loads(event.data)
    if fields["type"] != "message.redacted":
        return event
    about = {"message_id": fields["message_id"], "actor": fields["actor"], "id": fields["id"]}
    body = fields["body"] | {"reason": "nothing much"}
    data = stored("message.redacted", 0, body, **about, at=fields["at"])
    return LogEvent(event.sequence, event.prev_sequence, ROOM, data, event.appended_ns)


def nasty_log() -> RoomLog:
    """A room whose events try everything that a file, a page or a parser could stumble over."""
    log = RoomLog()
    log.put(stored("room.created", 1, {"name": "<script>alert(1)</script>"}))
    log.put(sent(2, _NASTY, actor='"><img src=x onerror=alert(1)>'))
    image = {"url": "https://example.org/?a=1&b=2", "alt": '"', "content_type": "image/png"}
    said = {"content": "", "message_type": "image_ref", "metadata": image, "reply_to": event_id(2)}
    log.put(stored("message.sent", 3, said))
    log.put(
        stored("message.sent", 4, r'{"content":"\ud800 \udc00\ud800 \ud83d\ude92 \u0000\u001b"}')
    )
    log.put(stored("message.sent", 5, '{"content":' + "[" * 200 + "]" * 200 + "}"))
    log.put(stored("message.sent", 6, '{"content":"[[[{{{' + "[{" * 200 + '","n":1e400}'))
    log.put(stored("message.sent", 7, '{"content":NaN}'))
    log.put(stored("message.sent", 8, '{"content":"a","content":"b","reason":12.0,"name":-0}'))
    log.put(stored("message.sent", 9, '{"reason":9007199254740993,"emoji":' + "9" * 5000 + "}"))
    log.put(stored("message.sent", 10, "no json"))
    log.put(stored("of.tomorrow", 11, {"content": "later", "metadata": [1]}, message_id='a"b'))
    log.put(b"\xff\xfe no event")
    log.put(b'{"a":"\n"}')
    log.put(b"")
    log.put(b'{"type":"message.sent","id":"x","at":"now","actor":"eve"}')
    log.put(stored("message.redacted", 12, {"redacted_sequence": "x", "redacted_envelope": 5}))
    log.put(sent(13, "\ufeffend \u2028 \u0085 \x7f"))
    return log


def other_log() -> RoomLog:
    """Another room."""
    log = RoomLog()
    log.put(stored("room.created", 1, {"name": "search"}, room_id=OTHER_ROOM))
    for number in range(2, 7):
        log.put(sent(number, f"index {number}", room_id=OTHER_ROOM), hole=1)
    return log


def bundle_of(
    log: RoomLog, *, room_id: str = ROOM, key: SigningKey = KEY, up_to: int | None = None
) -> tuple[bytes, Exported]:
    """The room's bundle, the same each time."""
    out = io.BytesIO()
    exported = asyncio.run(
        export_room(
            log,  # type: ignore[arg-type]
            room_id,
            key,
            out,
            exported_at=EXPORTED_AT,
            up_to=up_to,
        )
    )
    return out.getvalue(), exported

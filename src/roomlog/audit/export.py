"""Export a room as a bundle: one file that whoever has it can verify by itself.

The log is read twice. The first time only for redactions, because they come after the events that
they explain; the second time to write. Memory grows with redactions alone.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

import msgspec

from roomlog.audit import bundle_format as form
from roomlog.core.leaves import event_leaf_hash, parts_of
from roomlog.core.redaction import saying_by
from roomlog.core.room_tree import RoomTree, room_origin
from roomlog.core.signed_note import SigningKey, sign
from roomlog.core.times import rfc3339
from roomlog.core.tree_head import TreeHead
from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog.ports import EventLog, LogEvent
from roomlog_contract.stored import MessageRedactedBody

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS: Final = 1_000_000_000
_REDACTED = b'"type":"message.redacted"'
# An envelope that a line of the bundle can hold, and that has the place where its body was.
_ENVELOPE = re.compile(r'\{[^\x00-\x1f]*,"commit":"[0-9a-f]*"\}')

Progress = Callable[[int, str], None]
Confirm = Callable[[TreeHead, Collection[int]], Awaitable[None]]
"""Given the head, and the sequences of events that redactions tell of."""


class ExportError(Exception):
    """The room cannot be exported; the text says why and what to do."""


def no_events(room_id: str) -> ExportError:
    """What is wrong where the log has nothing of the room."""
    return ExportError(f"room {room_id} has no events: see whether the id is right")


class Exported(msgspec.Struct, frozen=True):
    """What a bundle holds: `events` with the `erased` ones among them, up to sequence `head`."""

    events: int
    erased: int
    head: int
    root: str
    checkpoint: str


class Redaction(NamedTuple):
    """`by` is the redaction's sequence, `envelope` what it kept of the event that was erased."""

    by: int
    envelope: bytes


class _Writer:
    """Writes a bundle record by record; what was written is hashed as it goes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._chain = b""
        self.tree = RoomTree()
        self.erased = 0

    @property
    def chain(self) -> str:
        """The hash of everything so far, in hex."""
        return self._chain.hex()

    def part(self, text: str) -> None:
        """Write what is hashed as one: the head, or what stands between events and signature."""
        data = text.encode()
        self._advance(data)
        self._out.write(data)

    def event(self, event: LogEvent) -> None:
        """Write an event as it is stored."""
        appended_at = time_text(event.appended_ns)
        self._record(form.event_record(event.sequence, appended_at, event.data))
        envelope = parts_of(event.data).envelope
        self.tree.append(event_leaf_hash(event.sequence, envelope))

    def hole(self, sequence: int, redaction: Redaction) -> None:
        """Write that what was said there was erased, and which redaction explains it."""
        self._record(form.erased_record(sequence, redaction.by, redaction.envelope))
        self.tree.append(event_leaf_hash(sequence, redaction.envelope))
        self.erased += 1

    def signature(self, note: str) -> None:
        """Write the end."""
        self._out.write((form.escaped(note) + form.END).encode())

    def _record(self, text: str) -> None:
        data = text.encode()
        self._advance(data)
        self._out.write(data + form.check_of(self._chain).encode())

    def _advance(self, data: bytes) -> None:
        self._chain = sha256(self._chain + data).digest()


def _unseen(sequence: int, what: str) -> None:
    del sequence, what


async def export_room(
    log: EventLog,
    room_id: str,
    key: SigningKey,
    out: BinaryIO,
    *,
    exported_at: datetime,
    up_to: int | None = None,
    confirm: Confirm | None = None,
    progress: Progress = _unseen,
) -> Exported:
    """Write the room's bundle to `out`, signed by `key`: every event up to sequence `up_to`, or to
    the room's head.

    `confirm` is asked whether the tree's head is what it is known to be, and raises where not.
    `progress` is told a sequence between 0 and twice the head, and what was done in words. Raises
    ExportError, LogUnavailableError and OSError; what was written by then is no bundle.
    """
    head = await log.last_sequence(room_id)
    last = await log.last_sequence(room_id, up_to=up_to) if up_to is not None else head
    if not last:
        raise no_events(room_id)
    redactions = await redactions_in(log, room_id, 0, head, progress)
    _require_explained(redactions, last)

    writer = _Writer(out)
    key_text = form.escaped(str(key.verifier))
    writer.part(
        form.HEAD.format(
            room_id=room_id,
            epoch=log.epoch,
            exported_at=rfc3339(exported_at),
            key=key_text,
        )
    )
    batches = log.read(room_id, after=0, up_to=last)
    await _write_events(batches, writer, redactions, last, progress)
    if any(one <= last for one in await redactions_in(log, room_id, head, None, _unseen)):
        raise ExportError("something was redacted while the room was exported: export it again")

    size, root = writer.tree.size, writer.tree.root()
    origin = room_origin(key.name, log.epoch, room_id)
    tree_head = TreeHead(origin, size, root)
    if confirm is not None:
        await confirm(tree_head, redactions)
    checkpoint = sign(tree_head.text(), [key])
    writer.part(form.CHECKPOINT_BEGIN + form.escaped(checkpoint) + form.SIGNATURE_BEGIN)
    signed = form.SIGNED_TEXT.format(
        origin=origin, events=size, erased=writer.erased, chain=writer.chain
    )
    writer.signature(sign(signed, [key]))
    return Exported(size, writer.erased, last, tree_head.text().split("\n")[2], checkpoint)


def time_text(ns: int) -> str:
    """Nanoseconds since the Unix epoch as RFC 3339 in UTC, none of them lost."""
    second = _UNIX_EPOCH + timedelta(seconds=ns // _NS)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{ns % _NS:09}Z"


async def redactions_in(
    log: EventLog, room_id: str, after: int, up_to: int | None, progress: Progress
) -> dict[int, Redaction]:
    """What redactions after that sequence tell of the events that they name, by sequence."""
    found: dict[int, Redaction] = {}
    async for batch in log.read(room_id, after=after, up_to=up_to):
        for event in batch:
            if _REDACTED in event.data:
                named = _redaction(event)
                if named is not None:
                    # Where a redaction was made twice, the first one explains.
                    found.setdefault(named[0], named[1])
        progress(batch[-1].sequence, "looking for redactions")
    return found


def _redaction(event: LogEvent) -> tuple[int, Redaction] | None:
    try:
        stored = decode_event(event.data)
        body = decode_body(stored)
    except UnreadableEventError:
        return None
    if not isinstance(body, MessageRedactedBody) or body.redacted_sequence >= event.sequence:
        return None
    envelope = body.redacted_envelope
    saying = saying_by(envelope.encode())
    if not _ENVELOPE.fullmatch(envelope) or saying is None:
        return None
    if (saying.room_id, saying.message_id) != (event.room_id, stored.message_id):
        return None
    return body.redacted_sequence, Redaction(event.sequence, envelope.encode())


def _require_explained(redactions: dict[int, Redaction], last: int) -> None:
    late = [one.by for erased, one in redactions.items() if erased <= last < one.by]
    if late:
        raise ExportError(
            f"what was said up to {last} was redacted later: the explanations reach up to "
            f"event {max(late)}, so export up to there or further"
        )


async def _write_events(
    batches: AsyncIterator[Sequence[LogEvent]],
    writer: _Writer,
    redactions: dict[int, Redaction],
    last: int,
    progress: Progress,
) -> None:
    holes = sorted((one for one in redactions if one <= last), reverse=True)
    async for batch in batches:
        for event in batch:
            while holes and holes[-1] < event.sequence:
                erased = holes.pop()
                writer.hole(erased, redactions[erased])
            if holes and holes[-1] == event.sequence:
                erased = holes.pop()
                redaction = redactions[erased]
                # Its bytes are there still: what was redacted is in no export all the same.
                if parts_of(event.data).envelope == redaction.envelope:
                    writer.hole(erased, redaction)
                    continue
            writer.event(event)
        progress(last + batch[-1].sequence, f"{writer.tree.size:,} events")

"""Verify a bundle: a room's events in one file, with proof that nothing of it was changed.

This file stands alone with `bundle_format.py` and `bundle_notes.py` beside it: Python, its standard
library, `cryptography` for Ed25519; no server, network or settings, nothing else of roomlog. The
format is specified in docs/protocol/bundles.md. The file is read once, line by line; what each line
has to be is worked out anew, and compared byte by byte. Begin to read at `Verification.run`.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO, Final

from roomlog.audit.bundle_format import (
    CHECKPOINT_BEGIN,
    END,
    HEAD,
    SIGNATURE_BEGIN,
    SIGNED_TEXT,
    check_of,
    decode_base64,
    erased_record,
    escaped,
    event_record,
    leaf_of,
    parsed,
    split_stored,
    text_of,
    unescaped,
)
from roomlog.audit.bundle_notes import (
    Checkpoint,
    Key,
    is_signed,
    parse_checkpoint,
    parse_key,
    parse_signature,
)

LINE_BYTES_MAX: Final = 8 * 1024 * 1024
HEAD_LINE_BYTES_MAX: Final = 2000
NOTE_LINES_MAX: Final = 100
_ROOM = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MANIFEST = re.compile(
    rf"\nroomlog-bundle/1\nroom ({_ROOM})\nepoch ([\w.-]{{1,64}})\n"
    r"exported (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\nkey ([^\n]{1,1000})\n",
    re.ASCII,
)
_ENVELOPE = re.compile(rb'\{.*,"commit":"[0-9a-f]*"\}', re.DOTALL)
_RECORD = re.compile(
    rb"<details><summary>stored</summary><code>"
    rb"(?:(event|bytes) ([1-9]\d{0,14}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)"
    rb"|(erased) ([1-9]\d{0,14}) ([1-9]\d{0,14})) ([^\n]*)</code>"
)
_NAMED = re.compile(rb"<code>[a-z]+ ([1-9]\d{0,14}) ")


class Bad(Exception):  # noqa: N818 - what was found, and no error of the program
    """What is wrong with a bundle. `sequence` is that of the first bad event, where one is."""

    def __init__(self, code: str, detail: str, sequence: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.sequence = sequence


def _require(holds: bool, code: str, detail: str) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise Bad(code, detail)


@dataclass
class Verdict:
    """What was found. `ok` only where everything held; else `code`, `detail` and, where one event
    can be named, `sequence`, and in `last_good` the last event before it that was as it should.
    """

    ok: bool = False
    code: str = "ok"
    detail: str = ""
    sequence: int | None = None
    last_good: int | None = None
    room_id: str | None = None
    epoch: str | None = None
    exported_at: str | None = None
    key: str | None = None
    events: int = 0
    erased: int = 0
    root: str | None = None
    checkpoint: str | None = None
    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)


class Tree:
    """The tree of RFC 9162 while it grows: the roots of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf."""
        root, rest = sha256(b"\x00" + leaf).digest(), self.size
        while rest & 1:
            root = sha256(b"\x01" + self._roots.pop() + root).digest()
            rest >>= 1
        self._roots.append(root)
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves so far."""
        if not self._roots:
            return sha256(b"").digest()
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = sha256(b"\x01" + left + root).digest()
        return root


class Verification:
    """One reading of one bundle. `keys` are those known from elsewhere, `against` a checkpoint."""

    def __init__(self, file: BinaryIO, keys: Sequence[Key], against: Checkpoint | None) -> None:
        self.verdict = Verdict()
        self._file = file
        self._keys = keys
        self._against = against
        self._against_root: bytes | None = None
        self._tree = Tree()
        self._chain = b""
        self._last = 0
        # Erased events whose redaction is yet to come: by sequence, with its place and envelope.
        self._unexplained: dict[int, tuple[int, bytes, str]] = {}

    def run(self, progress: Callable[[int], None]) -> None:
        """Read to the end. Raises Bad at the first thing that is wrong."""
        key = self._read_head()
        if self._against is not None and self._against.size == 0:
            self._against_root = self._tree.root()
        while (first := self._line()) != b"</ol>\n":
            self._read_record(first, self._line())
            self.verdict.last_good = self._last
            progress(self._tree.size)
        if self._unexplained:
            sequence = min(self._unexplained)
            raise Bad("hole", f"no redaction explains why event {sequence} is erased", sequence)
        origin = f"{key.name}/{self.verdict.epoch}/rooms/{self.verdict.room_id}"
        self._read_checkpoint(key, origin)
        self._read_signature(key, origin)
        self._compare_against(key, origin)

    def _line(self) -> bytes:
        line = self._file.readline(LINE_BYTES_MAX + 1)
        if len(line) > LINE_BYTES_MAX:
            raise Bad("malformed", f"a line has more than {LINE_BYTES_MAX} bytes")
        if not line.endswith(b"\n"):
            raise Bad("truncated", "the file ends before its end")
        return line

    def _expect(self, text: str, code: str) -> None:
        for line in text.encode().splitlines(keepends=True):
            if self._line() != line:
                raise Bad(code, "this is not what a bundle has here")

    @staticmethod
    def _decoded(data: bytes, code: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Bad(code, "this is not UTF-8") from error

    def _advance(self, data: bytes) -> None:
        self._chain = sha256(self._chain + data).digest()

    def _read_head(self) -> Key:
        written = b"".join(
            self._file.readline(HEAD_LINE_BYTES_MAX) for _ in range(HEAD.count("\n"))
        )
        if not written.startswith(b"<!DOCTYPE html>\n") or b"\nroomlog-bundle/" not in written:
            raise Bad("not_a_bundle", "this file is no bundle of roomlog")
        head = self._decoded(written, "head")
        manifest = _MANIFEST.search(head)
        if manifest is None:
            raise Bad("head", "the head is not that of a bundle of format roomlog-bundle/1")
        room_id, epoch, exported_at, key = manifest.groups()
        own = HEAD.format(room_id=room_id, epoch=epoch, exported_at=exported_at, key=key)
        if head != own:
            raise Bad("head", "the head was changed")
        self._advance(written)
        verdict = self.verdict
        verdict.room_id, verdict.epoch, verdict.exported_at = room_id, epoch, exported_at
        verdict.key = unescaped(key)
        try:
            found = parse_key(verdict.key)
        except ValueError as error:
            raise Bad("key", str(error)) from error
        if escaped(str(found)) != key:
            raise Bad("key", "the key is not in its canonical form")
        if self._keys and found not in self._keys:
            raise Bad("key", f"the key of this bundle is {found}, and not one that was given")
        return found

    def _read_record(self, first: bytes, second: bytes) -> None:
        record = _RECORD.match(second)
        if record is None:
            named = _NAMED.search(second)
            raise Bad("malformed", "this is no record", int(named[1]) if named else None)
        kind = (record[1] or record[4]).decode()
        sequence = int(record[2] or record[5])
        if sequence <= self._last:
            raise Bad("order", f"event {sequence} comes after event {self._last}", sequence)
        try:
            raw = record[7].decode()
            data = decode_base64(raw) if kind == "bytes" else unescaped(raw).encode()
            if kind == "erased":
                own = erased_record(sequence, int(record[6]), data)
            else:
                own = event_record(sequence, record[3].decode(), data)
        except ValueError as error:
            raise Bad("malformed", f"event {sequence}: {error}", sequence) from error
        shown_line, stored_line = own.encode().split(b"\n")
        if record[0] != stored_line:
            raise Bad("malformed", f"event {sequence} is not in its one form", sequence)
        envelope = data if kind == "erased" else self._check_event(sequence, data)
        if kind == "erased":
            self._check_erased(sequence, int(record[6]), data)
        if first != shown_line + b"\n":
            detail = f"what the page shows of event {sequence} is not what the event says"
            raise Bad("timeline", detail, sequence)
        self._advance(first + stored_line)
        if second[record.end() :] != check_of(self._chain).encode():
            detail = f"event {sequence} does not follow from what stands before it"
            raise Bad("chain", detail, sequence)
        self._tree.append(leaf_of(sequence, envelope))
        self._last = sequence
        self.verdict.events = self._tree.size
        if self._against is not None and self._against.size == self._tree.size:
            self._against_root = self._tree.root()

    def _check_event(self, sequence: int, data: bytes) -> bytes:
        """Returns its envelope."""
        envelope, body = split_stored(data)
        if body is None:
            if _ENVELOPE.fullmatch(data):
                raise Bad("body", f"event {sequence} is without its body", sequence)
            return envelope
        fields = parsed(envelope)
        self._check_room(sequence, fields)
        if not envelope.endswith(b'"%b"}' % sha256(body).hexdigest().encode()):
            detail = f"what event {sequence} says is not what was said: its hash is another"
            raise Bad("body", detail, sequence)
        if fields.get("type") == "message.redacted":
            self._explain(sequence, fields, parsed(body))
        return envelope

    def _explain(self, sequence: int, fields: dict[str, Any], said: dict[str, Any]) -> None:
        found: object = said.get("redacted_sequence")
        number = int(found) if isinstance(found, float) and text_of(found) else 0
        waiting = self._unexplained.get(number)
        if waiting is not None and waiting[0] == sequence:
            told = said.get("redacted_envelope"), fields.get("message_id")
            if told != (waiting[1].decode(), waiting[2]):
                detail = f"redaction {sequence} tells of event {number} otherwise"
                raise Bad("hole", detail, number)
            del self._unexplained[number]

    def _check_erased(self, sequence: int, erased_by: int, envelope: bytes) -> None:
        if erased_by <= sequence or not _ENVELOPE.fullmatch(envelope):
            raise Bad("hole", f"event {sequence} is erased without an explanation", sequence)
        fields = parsed(envelope)
        kind = str(fields.get("type"))
        message = fields.get("id" if kind == "message.sent" else "message_id")
        said_something = kind.startswith("message.") and kind != "message.redacted"
        if not said_something or not isinstance(message, str):
            raise Bad(
                "hole", f"event {sequence} is erased, and said nothing of a message", sequence
            )
        self._check_room(sequence, fields)
        self._unexplained[sequence] = (erased_by, envelope, message)
        self.verdict.erased += 1

    def _check_room(self, sequence: int, fields: dict[str, Any]) -> None:
        if fields.get("room_id") != self.verdict.room_id:
            raise Bad("room", f"event {sequence} is of another room", sequence)

    def _note(self, end: bytes) -> str:
        lines: list[bytes] = []
        while (line := self._line()) != end:
            lines.append(line)
            if len(lines) > NOTE_LINES_MAX:
                raise Bad("malformed", f"a note has more than {NOTE_LINES_MAX} lines")
        note = self._decoded(b"".join(lines), "malformed")
        # Else markup could stand there, and the page would show what no event says.
        _require(escaped(unescaped(note)) == note, "malformed", "the note is not escaped")
        return note

    def _read_checkpoint(self, key: Key, origin: str) -> None:
        self._expect(CHECKPOINT_BEGIN.removeprefix("</ol>\n"), "malformed")
        begin, _, rest = SIGNATURE_BEGIN.partition("\n")
        note = self._note(begin.encode() + b"\n")
        self._expect(rest, "malformed")
        self._advance((CHECKPOINT_BEGIN + note + SIGNATURE_BEGIN).encode())
        try:
            checkpoint = parse_checkpoint(unescaped(note))
        except ValueError as error:
            raise Bad("checkpoint_malformed", f"the checkpoint: {error}") from error
        signed = is_signed(checkpoint.text, checkpoint.signatures, [key])
        _require(signed, "checkpoint_signature", f"{key.name} did not sign the checkpoint")
        detail = f"the checkpoint is of another tree, {checkpoint.origin}"
        _require(checkpoint.origin == origin, "checkpoint_origin", detail)
        detail = f"the checkpoint is of {checkpoint.size} events, here are {self._tree.size}"
        _require(checkpoint.size == self._tree.size, "checkpoint_size", detail)
        detail = "the checkpoint is of other events than these"
        _require(checkpoint.root == self._tree.root(), "checkpoint_root", detail)
        self.verdict.root = base64.b64encode(checkpoint.root).decode()
        self.verdict.checkpoint = unescaped(note)

    def _read_signature(self, key: Key, origin: str) -> None:
        text = SIGNED_TEXT.format(
            origin=escaped(origin),
            events=self._tree.size,
            erased=self.verdict.erased,
            chain=self._chain.hex(),
        )
        self._expect(text, "hash")
        self._expect("\n", "malformed")
        line = self._decoded(self._line(), "signature").removesuffix("\n")
        try:
            signatures = [parse_signature(unescaped(line))]
        except ValueError:
            signatures = []
        if escaped(unescaped(line)) != line or not is_signed(unescaped(text), signatures, [key]):
            raise Bad("signature", f"{key.name} did not sign this file")
        self._expect(END, "malformed")
        if self._file.read(1):
            raise Bad("trailing", "something stands after the end")

    def _compare_against(self, key: Key, origin: str) -> None:
        held = self._against
        if held is None:
            return
        detail = "no known key signed the checkpoint to compare with"
        signed = is_signed(held.text, held.signatures, [key, *self._keys])
        _require(signed, "against_signature", detail)
        detail = f"the checkpoint to compare with is of another tree, {held.origin}"
        _require(held.origin == origin, "against_origin", detail)
        detail = f"the checkpoint saw {held.size} events, here are only {self._tree.size}"
        _require(held.size <= self._tree.size, "against_size", detail)
        detail = f"the first {held.size} events are not those that the checkpoint saw"
        _require(held.root == self._against_root, "against_root", detail)


def _conclude(verdict: Verdict, keys: Sequence[Key], against: Checkpoint | None) -> None:
    verdict.proved = [
        "nobody without the private key changed a byte of this file since it was signed",
        f"these {verdict.events} events, in this order, are all that the signed checkpoint counts",
        "what each event says is what its envelope vouches for, and what the page shows is that",
    ]
    verdict.not_proved = [
        "that the actors said it: the server vouches for who was signed in",
        "when events were appended: the times are the server's own",
        "what came after the checkpoint",
    ]
    if verdict.erased:
        verdict.proved.append(f"{verdict.erased} erased events are explained by redactions")
        verdict.not_proved.append("what the erased events said")
    if keys:
        verdict.proved.append("the key is one that you gave")
    else:
        verdict.not_proved.append("whose key it is: give the key that you know, with --key")
    if against:
        verdict.proved.append(f"the first {against.size} events are those of your checkpoint")
    else:
        verdict.not_proved.append(
            "that the owner of the key did not rewrite or shorten the room before this was signed: "
            "give a checkpoint that was held elsewhere, with --against"
        )


def verify(
    file: BinaryIO,
    keys: Sequence[Key] = (),
    against: Checkpoint | None = None,
    progress: Callable[[int], None] = lambda _events: None,
) -> Verdict:
    """Verify a bundle, in one reading and bounded memory. `keys`, where given, are those one of
    which must have signed. `progress` is told how many events were read. Raises OSError."""
    verification = Verification(file, keys, against)
    verdict = verification.verdict
    try:
        verification.run(progress)
    except Bad as bad:
        verdict.code, verdict.detail, verdict.sequence = bad.code, bad.detail, bad.sequence
        return verdict
    verdict.ok = True
    _conclude(verdict, keys, against)
    return verdict

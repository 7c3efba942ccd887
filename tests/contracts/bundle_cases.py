"""Bundles and what was done to them, with what every verifier must say of each.

`python -m tests.contracts.bundle_cases` writes the file anew; a test holds it fresh. A verifier in
another language takes the case's `bundle`, puts `insert` (base64) in place of `remove` bytes at
`at`, verifies with the case's `keys` and `against`, and must come to everything that follows.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from roomlog.audit import bundle_format as form
from roomlog.audit import export
from roomlog.audit.bundle_notes import Key, parse_checkpoint, parse_key
from roomlog.audit.export import Redaction
from roomlog.audit.verify_bundle import verify
from roomlog.core.leaves import parts_of
from roomlog.core.signed_note import SigningKey, sign
from roomlog.core.tree_head import TreeHead, parse_tree_head
from roomlog.ports import LogEvent
from tests.audit import rooms
from tests.contracts.bundle_owner import owner_files

BUNDLE_CASES = Path(__file__).parent / "bundle_cases.json"
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


class Case(msgspec.Struct, frozen=True):
    """One bundle, changed in one place or not at all, and the verdict."""

    name: str
    bundle: str
    at: int
    remove: int
    insert: str
    keys: list[str]
    against: str | None
    ok: bool
    code: str
    sequence: int | None
    last_good: int | None
    events: int
    erased: int
    root: str | None
    proved: list[str]
    not_proved: list[str]


class Cases(msgspec.Struct, frozen=True):
    """`bundles` by name, as text."""

    bundles: dict[str, str]
    cases: list[Case]


PLAIN, _EXPORTED = rooms.bundle_of(rooms.plain_log())
NASTY, _ = rooms.bundle_of(rooms.nasty_log())
OTHER, _OTHER_EXPORTED = rooms.bundle_of(rooms.other_log(), room_id=rooms.OTHER_ROOM)
FORGED, _ = rooms.bundle_of(rooms.plain_log(), key=rooms.OTHER_KEY)
_EARLIER, _EARLIER_EXPORTED = rooms.bundle_of(rooms.plain_log(), up_to=11)
_SECRET = rooms.secret_log()
rooms.redact_secret(_SECRET)
REDACTED, _ = rooms.bundle_of(_SECRET)
OWNED = {f"by the owner: {what}": data for what, data in owner_files()}
BUNDLES = {
    "plain": PLAIN,
    "nasty": NASTY,
    "other": OTHER,
    "forged": FORGED,
    "redacted": REDACTED,
    **OWNED,
}
_KEY = str(rooms.KEY.verifier)


def cut(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """A bundle as its head, its records and what follows them."""
    begin, end = data.index(b"<ol>\n") + 5, data.index(b"</ol>\n")
    lines = data[begin:end].splitlines(keepends=True)
    records = [b"".join(lines[n : n + 2]) for n in range(0, len(lines), 2)]
    return data[:begin], records, data[end:]


def rechained(data: bytes) -> bytes:
    """The bundle with every check and the hash made anew, as a forger without the key would."""
    head, records, rest = cut(data)
    chain, out = sha256(head).digest(), [head]
    for record in records:
        hashed = record[: record.rindex(b"<i>")]
        chain = sha256(chain + hashed).digest()
        out.append(hashed + form.check_of(chain).encode())
    begin = rest.index(form.SIGNATURE_BEGIN.encode()) + len(form.SIGNATURE_BEGIN.encode())
    chain = sha256(chain + rest[:begin]).digest()
    erased = sum(b"<code>erased " in record for record in records)
    told = re.sub(
        rb"events \d+\nerased \d+\n",
        b"events %d\nerased %d\n" % (len(records), erased),
        rest[begin:],
    )
    out += [rest[:begin], re.sub(rb"sha256 \w+", b"sha256 " + chain.hex().encode(), told)]
    return b"".join(out)


def _with_records(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    head, records, rest = cut(PLAIN)
    return head + b"".join(change(records)) + rest


def _record(
    sequence: int, data: bytes, appended_at: str = "2026-01-31T09:15:00.000000000Z"
) -> bytes:
    return (form.event_record(sequence, appended_at, data) + form.check_of(bytes(32))).encode()


def _flips() -> Iterator[tuple[str, bytes, bytes]]:
    """(what, before, after): the first `before` of the plain bundle becomes `after`."""
    yield "the document type", b"DOCTYPE html>", b"DOCTYPE htmm>"
    yield "the language", b'lang="en"', b'lang="em"'
    yield "the page's policy", b"default-src 'none'", b"default-src 'nonf'"
    yield "the style", b"max-width:60em", b"max-width:61em"
    yield "the title", b"<title>roomlog", b"<title>roomlof"
    yield "the room in the title", b"room 0192f0c1", b"room 0192f0c0"
    yield "the format", b"roomlog-bundle/1", b"roomlog-bundle/2"
    yield "the room in the manifest", b"\nroom 0192f0c1", b"\nroom 0192f0c0"
    yield "the epoch", b"epoch 7f0c2a", b"epoch 7f0c2b"
    yield "the time of the export", b"exported 2026-02-01", b"exported 2026-02-02"
    yield "the key's name", b"key roomlog.example", b"key roomlog.exbmple"
    yield "the key's id", b"+1fc79323+", b"+1fc79322+"
    yield "the key", b"AQOhB7/zzhC", b"AQOhB7/zzhD"
    yield "the list's beginning", b"<ol>", b"<om>"
    yield "a shown id", b'<li id="0192f0c1', b'<li id="0192f0c0'
    yield "a shown sequence", b'3">6 <time>', b'3">5 <time>'
    yield "a shown time", b"<time>2026-01-31T09:03", b"<time>2026-01-31T09:02"
    yield (
        "a shown actor",
        b"<bdi>rob@example.org</bdi></b> sent",
        b"<bdi>rod@example.org</bdi></b> sent",
    )
    yield "what is shown of a message", b"<bdi>checkout is slow", b"<bdi>checkout is slop"
    yield "markup between", b"<details><summary>", b"<details><summarz>"
    yield "a record's kind", b"<code>event 8 ", b"<code>eveot 8 "
    yield "a sequence", b"<code>event 8 ", b"<code>event 9 "
    yield "a sequence to one before", b"<code>event 8 ", b"<code>event 7 "
    yield "a sequence with a zero before it", b"<code>event 8 ", b"<code>event 08 "
    yield "a time of appending", b"event 8 2026-01-31", b"event 8 2026-01-30"
    yield "an actor", b'"actor":"rob@', b'"actor":"rod@'
    yield "a type", b'"type":"reaction.added"', b'"type":"reaction.bdded"'
    yield "a room", b'617283940001","actor":"rob@', b'617283940009","actor":"rob@'
    yield "a commit", b'"commit":"1d5af20b', b'"commit":"1d5af20c'
    yield "a commit's letter case", b'"commit":"1d5af20b', b'"commit":"1D5af20b'
    yield "what was said", b'{"content":"checkout is slow"', b'{"content":"checkout is slop"'
    yield (
        "a salt",
        b'"salt":"00000000000000000000000000000003',
        b'"salt":"00000000000000000000000000000004',
    )
    yield "the end of an event", b'000003"}}</code>', b'000003"} </code>'
    yield "an escape", b'example.org","at"', b'example&#46;org","at"'
    yield "which redaction explains", b"<code>erased 7 10 ", b"<code>erased 7 11 "
    yield "that a later event is erased by an earlier", b"<code>erased 7 10 ", b"<code>erased 7 6 "
    yield "an erased event's envelope", b'000004","room_id', b'000005","room_id'
    yield "a check", b"</code><i>", b"</code><j>"
    yield "a line's end", b"</details></li>\n", b"</details></li> "
    yield "the list's end", b"</ol>", b"</om>"
    yield "the heading of the checkpoint", b"Signed checkpoint", b"Signed chfckpoint"
    yield "the checkpoint's tree", b"example.org/7f0c2a/rooms", b"example.org/7f0c2a/roomt"
    yield "the checkpoint's size", b"\n12\n", b"\n13\n"
    yield "the checkpoint's size, longer", b"\n12\n", b"\n012\n"
    yield "the text that is signed", b"roomlog bundle 1", b"roomlog bundle 2"
    yield "the number of events", b"events 12", b"events 13"
    yield "the number of erased events", b"erased 1\n", b"erased 0\n"
    yield "the end", b"</body>", b"</bodz>"
    yield "line ends", b"\n", b"\r\n"


def _damages() -> Iterator[tuple[str, bytes]]:
    yield "nothing was changed", PLAIN
    for what, before, after in _flips():
        assert before in PLAIN, before
        yield f"changed: {what}", PLAIN.replace(before, after, 1)
    for n in (0, 4, 11):
        yield f"dropped: record {n}", _with_records(lambda all_, n=n: all_[:n] + all_[n + 1 :])
        dropped = _with_records(lambda all_, n=n: all_[:n] + all_[n + 1 :])
        yield f"dropped, and chained anew: record {n}", rechained(dropped)
    swapped = _with_records(lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]])
    yield "reordered", swapped
    yield "reordered, and chained anew", rechained(swapped)
    doubled = _with_records(lambda all_: [*all_[:5], all_[4], *all_[5:]])
    yield "duplicated", doubled
    yield "duplicated, and chained anew", rechained(doubled)
    again = rooms.plain_log().events[4].data
    yield (
        "duplicated at the end",
        rechained(_with_records(lambda all_: [*all_, _record(16, again)])),
    )
    yield from _truncated()
    yield "a line behind the end", PLAIN + b"\n"
    yield "a byte behind the end", PLAIN + b"x"
    yield "twice in one file", PLAIN + PLAIN
    yield from _forged_records()
    yield from _forged_notes()
    yield "no text", bytes([255]) + PLAIN
    yield "not a bundle", b"<!DOCTYPE html>\n<p>hello</p>\n"
    yield "not UTF-8 in the head", PLAIN.replace(b"<title>", b"<title>\xff", 1)
    yield "not UTF-8 in an event", PLAIN.replace(b'"checkout is slow"', b'"checkout is \xff"', 1)
    yield "not UTF-8 in the checkpoint", PLAIN.replace(b"\n12\n", b"\n\xff\n", 1)


def _truncated() -> Iterator[tuple[str, bytes]]:
    places = {
        "to nothing": 0,
        "in the first line": 8,
        "in the head": PLAIN.index(b"<h1>") + 2,
        "after the head": PLAIN.index(b"<ol>\n") + 5,
        "in a shown line": PLAIN.index(b"checkout is slow"),
        "between the lines of an event": PLAIN.index(b"<details>"),
        "in an event": PLAIN.index(b'{"content":"checkout is slow"'),
        "between events": PLAIN.index(b"<li id=", PLAIN.index(b"<li id=") + 1),
        "before the checkpoint": PLAIN.index(b"</ol>"),
        "before the signature": PLAIN.index(b"<h2>Signature"),
        "in the signature": PLAIN.rindex(b"org H8eT") + 10,
        "before the last line": PLAIN.rindex(b"</html>"),
        "by a byte": len(PLAIN) - 1,
    }
    yield from ((f"truncated {where}", PLAIN[:at]) for where, at in places.items())


def _forged_records() -> Iterator[tuple[str, bytes]]:
    """As by somebody who makes every check and hash anew, and lacks nothing but the key."""
    log = rooms.plain_log()

    def with_data(place: int, data: bytes) -> bytes:
        sequence = log.events[place].sequence
        sequence_of = [int(re.findall(rb"<code>\w+ (\d+)", one)[0]) for one in cut(PLAIN)[1]]
        n = sequence_of.index(sequence)
        changed = _record(sequence, data)
        return rechained(_with_records(lambda all_: [*all_[:n], changed, *all_[n + 1 :]]))

    said = log.events[2].data
    envelope = said[: said.index(b',"body"')] + b"}"
    yield "another actor, chained anew", with_data(2, said.replace(b"rob@", b"eve@"))
    other_words = rooms.sent(3, "checkout is fast", actor="rob@example.org")
    yield "another body with its commit, chained anew", with_data(2, other_words)
    yield "another body, chained anew", with_data(2, said.replace(b"slow", b"fast"))
    yield "without its body, chained anew", with_data(2, envelope)
    yield "an event of another room, chained anew", with_data(2, rooms.other_log().events[2].data)
    yield "bytes in place of an event, chained anew", with_data(2, b"\xff")
    other_time = _record(6, said)
    yield (
        "another time of appending, chained anew",
        rechained(_with_records(lambda all_: [*all_[:2], other_time, *all_[3:]])),
    )
    shown = cut(PLAIN)[1][2].replace(b"<bdi>checkout is slow", b"<bdi>checkout is fast")
    yield (
        "what is shown, chained anew",
        rechained(_with_records(lambda all_: [*all_[:2], shown, *all_[3:]])),
    )
    hole = form.erased_record(6, 10, envelope).encode() + form.check_of(bytes(32)).encode()
    yield (
        "erased without a redaction",
        rechained(_with_records(lambda all_: [*all_[:2], hole, *all_[3:]])),
    )
    yield (
        "the redaction that explains is gone",
        rechained(_with_records(lambda all_: all_[:6] + all_[7:])),
    )
    erased = rooms.redaction_of(rooms.plain_log().events[2], 7)
    yield "the redaction explains another event", with_data(5, erased)
    as_bytes = base64.b64encode(said)
    record = cut(PLAIN)[1][2]
    begin = record.index(b"Z {") + 2
    text = (
        record[: record.index(b"<code>event")]
        + b"<code>bytes"
        + record[record.index(b" 6 2026") : begin]
    )
    yield (
        "text as bytes",
        rechained(
            _with_records(lambda all_: [*all_[:2], text + as_bytes + b"</code><i>", *all_[3:]])
        ),
    )


def _export_of(
    entries: Sequence[LogEvent | tuple[int, Redaction]], key: SigningKey = rooms.KEY
) -> bytes:
    """A bundle of these events and holes, whatever they are, signed by whoever has the key: the
    operator's own."""
    out = io.BytesIO()
    writer = export._Writer(out)
    head = cut(PLAIN)[0]
    assert str(rooms.KEY.verifier).encode() in head
    writer.part(head.decode())
    for entry in entries:
        if isinstance(entry, LogEvent):
            writer.event(entry)
        else:
            writer.hole(*entry)
    origin = parse_tree_head(_EXPORTED.checkpoint.partition("\n\n")[0] + "\n").origin
    checkpoint = sign(TreeHead(origin, writer.tree.size, writer.tree.root()).text(), [key])
    writer.part(form.CHECKPOINT_BEGIN + form.escaped(checkpoint) + form.SIGNATURE_BEGIN)
    signed = form.SIGNED_TEXT.format(
        origin=origin, events=writer.tree.size, erased=writer.erased, chain=writer.chain
    )
    writer.signature(sign(signed, [key]))
    return out.getvalue()


def _hole(event: LogEvent, by: int) -> tuple[int, Redaction]:
    return event.sequence, Redaction(by, parts_of(event.data).envelope)


def _false_redactions() -> Iterator[tuple[str, bytes]]:
    """Holes in a room whose operator has the key, and signs whatever they like."""
    log = rooms.secret_log()
    created, member, sent, edited, reaction, deleted, later = log.events
    whole = [created, member, sent, edited, reaction, deleted, later]

    def without(
        erased: LogEvent, by: int, *redactions: LogEvent, envelope: bytes | None = None
    ) -> bytes:
        place, hole = _hole(erased, by)
        if envelope is not None:
            hole = Redaction(by, envelope)
        left = [one if one is not erased else (place, hole) for one in whole]
        return _export_of([*left, *redactions])

    def redaction(about: LogEvent, number: int = 20, sequence: int = 20, **kw: str) -> LogEvent:
        data = rooms.redaction_of(about, number, **kw)
        return LogEvent(sequence, 0, rooms.ROOM, data, later.appended_ns + sequence)

    assert verify(io.BytesIO(_export_of(whole))).ok
    assert verify(io.BytesIO(without(sent, 20, redaction(sent)))).ok
    yield "erased, and no redaction at all", without(sent, 20)
    yield "the redaction comes only after the end", without(sent, 21, redaction(edited, 20))
    yield "the redaction tells of another event", without(sent, 20, redaction(edited))
    yield (
        "the redaction names another message",
        (without(sent, 20, redaction(sent, message_id=rooms.event_id(99)))),
    )
    yield "the explanation is an event of another kind", without(sent, later.sequence)
    other = rooms.sent(3, "a rewritten past")
    assert parts_of(other).envelope != parts_of(sent.data).envelope
    yield (
        "the redaction keeps another envelope than the hole",
        (without(sent, 20, redaction(sent), envelope=parts_of(other).envelope)),
    )
    foreign = rooms.sent(3, "elsewhere", room_id=rooms.OTHER_ROOM)
    elsewhere = LogEvent(sent.sequence, 0, rooms.ROOM, foreign, sent.appended_ns)
    yield (
        "an event of another room is redacted here",
        (without(sent, 20, redaction(elsewhere), envelope=parts_of(foreign).envelope)),
    )
    for what, one in (("a member", member), ("a reaction", reaction), ("the room", created)):
        yield f"{what} is taken away as if redacted", without(one, 20, redaction(one))
    told = redaction(sent)
    again = rooms.redaction_of(told, 21)
    place, hole = _hole(told, 21)
    holes = [one if one is not sent else _hole(sent, 20) for one in whole]
    last = LogEvent(21, 0, rooms.ROOM, again, later.appended_ns + 21)
    yield "a redaction is redacted", _export_of([*holes, (place, hole), last])
    early = LogEvent(4, 0, rooms.ROOM, rooms.redaction_of(sent, 20), sent.appended_ns)
    left = [created, member, early, _hole(sent, 4), edited, reaction, deleted, later]
    yield "the redaction comes before", _export_of(left)


def _redaction_cases() -> Iterator[Case]:
    for name, data in _false_redactions():
        yield _case(f"signed by the operator: {name}", "redacted", data)
    log = rooms.secret_log()
    held = _export_of(log.events)
    before = parse_of(held)
    yield _case("several events of a message are redacted", "redacted", REDACTED, (_KEY,), before)
    # What only a checkpoint held elsewhere shows: the operator redacts what was never said.
    sent = log.events[2]
    forged = LogEvent(sent.sequence, 0, rooms.ROOM, rooms.sent(9, "never"), sent.appended_ns)
    told = LogEvent(20, 0, rooms.ROOM, rooms.redaction_of(forged, 20), sent.appended_ns)
    left = [*log.events[:2], _hole(forged, 20), *log.events[3:], told]
    name = "signed by the operator: another message than was said is redacted"
    yield _case(name, "redacted", _export_of(left))
    yield _case(f"{name}, against a checkpoint", "redacted", _export_of(left), (), before)
    # Nobody without the key changes why or by whom it was redacted.
    for what, old, new in (
        ("reason", b'"reason":"a secret"', b'"reason":"a mistake"'),
        ("admin", b'"actor":"adm@', b'"actor":"eve@'),
    ):
        changed = REDACTED.replace(old, new)
        assert changed != REDACTED
        yield _case(f"another {what} of a redaction", "redacted", rechained(changed))
    # And its owner cannot once somebody else has a checkpoint.
    rooms.redact_secret(log)
    after = parse_of(REDACTED)
    data = [rooms.other_reason(one) for one in log.events]
    events = sorted([*data, *_redacted_holes()], key=_sequence_of)
    name = "signed by the operator: another reason of a redaction"
    yield _case(name, "redacted", _export_of(events))
    yield _case(f"{name}, against a checkpoint", "redacted", _export_of(events), (), after)


def _redacted_holes() -> list[tuple[int, Redaction]]:
    log = rooms.secret_log()
    kept = {one.sequence: one for one in log.events}
    return [_hole(kept[sequence], by) for sequence, by in rooms.redact_secret(log).items()]


def _sequence_of(entry: LogEvent | tuple[int, Redaction]) -> int:
    return entry.sequence if isinstance(entry, LogEvent) else entry[0]


def _signature_lines(data: bytes) -> list[bytes]:
    return re.findall("\N{EM DASH} [^\n]+\n".encode(), data)


def _forged_notes() -> Iterator[tuple[str, bytes]]:
    def with_checkpoint(note: str) -> bytes:
        return rechained(PLAIN.replace(_EXPORTED.checkpoint.encode(), note.encode()))

    yield "an older checkpoint", with_checkpoint(_EARLIER_EXPORTED.checkpoint)
    yield "a checkpoint of another room", with_checkpoint(_OTHER_EXPORTED.checkpoint)
    text = _EXPORTED.checkpoint.partition("\n\n")[0] + "\n"
    yield "a checkpoint signed by another key", with_checkpoint(sign(text, [rooms.OTHER_KEY]))
    yield (
        "a checkpoint signed by two keys",
        with_checkpoint(sign(text, [rooms.OTHER_KEY, rooms.KEY])),
    )
    yield "a checkpoint without signatures", with_checkpoint(text + "\n")
    yield "a checkpoint of a hundred lines", with_checkpoint(text + "x\n" * 100 + "\n")
    extended = sign(text + "more\n", [rooms.KEY])
    yield "a checkpoint with an extension", with_checkpoint(extended)
    head = parse_tree_head(text)
    other_root = TreeHead(head.origin, head.size, bytes(32)).text()
    yield "a checkpoint of another root", with_checkpoint(sign(other_root, [rooms.KEY]))
    first, last = _signature_lines(PLAIN)
    yield "the signature of the checkpoint for that of the file", PLAIN.replace(last, first)
    yield "two signatures", PLAIN.replace(last, last + last)
    yield "no signature", PLAIN.replace(last, b"")
    name, _, encoded = last.decode().rstrip("\n").rpartition(" ")
    signed = base64.b64decode(encoded)
    s = int.from_bytes(signed[-32:], "little") + _ED25519_ORDER
    grown = base64.b64encode(signed[:-32] + s.to_bytes(32, "little")).decode()
    yield "a signature that was varied", PLAIN.replace(last, f"{name} {grown}\n".encode())
    loose = encoded[:-2] + chr(ord(encoded[-2]) + 1) + "="
    assert base64.b64decode(loose) == signed
    yield "a signature in loose base64", PLAIN.replace(last, f"{name} {loose}\n".encode())
    short = base64.b64encode(signed[:-1]).decode()
    yield "a signature too short", PLAIN.replace(last, f"{name} {short}\n".encode())
    foreign = _signature_lines(FORGED)[1]
    yield "a signature by another key", PLAIN.replace(last, foreign)
    keyed = PLAIN.replace(_KEY.encode(), str(rooms.OTHER_KEY.verifier).encode())
    yield "another key in the head, chained anew", rechained(keyed)
    small = Key("n", sha256(b"n\n\x01" + bytes(32)).digest()[:4], bytes(32))
    yield "a key that is no point", rechained(PLAIN.replace(_KEY.encode(), str(small).encode()))
    yield (
        "a key without a name",
        rechained(PLAIN.replace(_KEY.encode(), _KEY.removeprefix("roomlog.example.org").encode())),
    )


def _case(
    name: str, bundle: str, data: bytes, keys: tuple[str, ...] = (), against: str | None = None
) -> Case:
    held = None if against is None else parse_checkpoint(against)
    verdict = verify(io.BytesIO(data), [parse_key(key) for key in keys], held)
    at, remove, insert = _splice(BUNDLES[bundle], data)
    return Case(
        name,
        bundle,
        at,
        remove,
        base64.b64encode(insert).decode(),
        list(keys),
        against,
        verdict.ok,
        verdict.code,
        verdict.sequence,
        verdict.last_good,
        verdict.events,
        verdict.erased,
        verdict.root,
        verdict.proved,
        verdict.not_proved,
    )


def _splice(before: bytes, after: bytes) -> tuple[int, int, bytes]:
    """Where the two differ: the place, how many bytes go, and what comes in their place."""
    shorter = min(len(before), len(after))
    at = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    left = shorter - at
    end = next((n for n in range(left) if before[-1 - n] != after[-1 - n]), left)
    return at, len(before) - end - at, after[at : len(after) - end]


def bundle_cases() -> Cases:
    """All cases, the same each time."""
    cases = [_case(name, "plain", data) for name, data in _damages()]
    cases.append(_case("every nasty event", "nasty", NASTY))
    cases += _redaction_cases()
    cases += [
        _case("another room", "other", OTHER),
        _case("by another key", "forged", FORGED),
        _case("by another key, and the right one given", "forged", FORGED, (_KEY,)),
        _case("the right key given", "plain", PLAIN, (_KEY,)),
        _case("one of two keys", "plain", PLAIN, (str(rooms.OTHER_KEY.verifier), _KEY)),
    ]
    cases += [_case(what, what, data) for what, data in OWNED.items()]
    held = {
        "the checkpoint of itself": _EXPORTED.checkpoint,
        "an earlier checkpoint": _EARLIER_EXPORTED.checkpoint,
        "a checkpoint of another room": _OTHER_EXPORTED.checkpoint,
        "a checkpoint by another key": parse_of(FORGED),
        "a checkpoint of another history": _signed_head(8, bytes(32)),
        "a checkpoint of nothing": _signed_head(0, sha256(b"").digest()),
        "a checkpoint of nothing with another root": _signed_head(0, bytes(32)),
        "a later checkpoint": _signed_head(13, bytes(32)),
    }
    cases += [_case(f"against {what}", "plain", PLAIN, (), note) for what, note in held.items()]
    old = _case(
        "an earlier bundle against a later checkpoint", "plain", _EARLIER, (), _EXPORTED.checkpoint
    )
    two = (_KEY, str(rooms.OTHER_KEY.verifier))
    rotated = held["a checkpoint by another key"]
    cases += [old, _case("against a checkpoint by an older key", "plain", PLAIN, two, rotated)]
    return Cases({name: data.decode() for name, data in BUNDLES.items()}, cases)


def parse_of(data: bytes) -> str:
    """The checkpoint in a bundle."""
    begin = data.index(form.CHECKPOINT_BEGIN.encode()) + len(form.CHECKPOINT_BEGIN.encode())
    return data[begin : data.index(form.SIGNATURE_BEGIN.encode())].decode()


def _signed_head(size: int, root: bytes) -> str:
    origin = parse_tree_head(_EXPORTED.checkpoint.partition("\n\n")[0] + "\n").origin
    return sign(TreeHead(origin, size, root).text(), [rooms.KEY])


def encoded() -> bytes:
    """The file's bytes: one case a line, so that a change shows where it is."""
    all_ = bundle_cases()
    bundles = b",\n".join(
        msgspec.json.encode(name) + b":" + msgspec.json.encode(text)
        for name, text in all_.bundles.items()
    )
    lines = b",\n".join(msgspec.json.encode(case) for case in all_.cases)
    return b'{"bundles":{\n' + bundles + b'\n},"cases":[\n' + lines + b"\n]}\n"


if __name__ == "__main__":
    BUNDLE_CASES.write_bytes(encoded())

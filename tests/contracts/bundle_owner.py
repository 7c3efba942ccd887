"""Bundles as the owner of the key could make them: whatever is in the file, all checks, the
checkpoint and the signature fit it. What is wrong with such a file is wrong by the format alone."""

import re
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256

from roomlog.audit import bundle_format as form
from roomlog.core.merkle import leaf_hash
from roomlog.core.room_tree import RoomTree, room_origin
from roomlog.core.signed_note import SigningKey, sign
from roomlog.core.tree_head import TreeHead
from tests.audit import rooms

_STORED = re.compile(
    rb"<code>(event|bytes|erased) ([0-9]{1,15}) \S* (.*?)</code>(?=<i>|$)", re.DOTALL
)
_AT = "2026-01-31T09:15:00.000000000Z"
_SIGNED = b"<h2>Signature of this file</h2>\n<pre>\n"


def owned(
    head: bytes,
    records: list[bytes],
    *,
    key: SigningKey = rooms.KEY,
    more: str = "",
    note: str | None = None,
    erased: int | None = None,
) -> bytes:
    """The file of this head and these records (their checks are made anew), signed by `key`.

    `more`: extension lines of the checkpoint; `note`: what stands in place of the checkpoint, as it
    is; `erased`: another number of erased records than there are.
    """
    chain, tree, out = sha256(head).digest(), RoomTree(), [head]
    for record in records:
        hashed = record[: record.rindex(b"</code>") + 7] if b"</code>" in record else record
        chain = sha256(chain + hashed).digest()
        out.append(hashed + form.check_of(chain).encode())
        tree.append(_leaf(hashed))
    epoch = re.findall(rb"\nepoch (.*)\n", head)[0].decode()
    room = re.findall(rb"\nroom (.*)\n", head)[0].decode()
    origin = room_origin(key.name, epoch, room)
    text = TreeHead(origin, tree.size, tree.root()).text() + more
    checkpoint = form.escaped(sign(text, [key])) if note is None else note
    rest = (form.CHECKPOINT_BEGIN + checkpoint + form.SIGNATURE_BEGIN).encode()
    chain = sha256(chain + rest).digest()
    count = sum(b"<code>erased " in record for record in records) if erased is None else erased
    signed = form.SIGNED_TEXT.format(
        origin=origin, events=len(records), erased=count, chain=chain.hex()
    )
    return b"".join([*out, rest, form.escaped(sign(signed, [key])).encode(), form.END.encode()])


def _leaf(hashed: bytes) -> bytes:
    found = _STORED.search(hashed)
    if found is None:
        return leaf_hash(hashed)
    kind, sequence, text = found.groups()
    data = form.unescaped(text.decode("utf-8", "replace")).encode()
    if kind == b"bytes":
        try:
            data = b64decode(text)
        except ValueError:
            data = text
    envelope = data if kind == b"erased" else form.split_stored(data)[0]
    return leaf_hash(int(sequence).to_bytes(8, "big") + envelope)


def head(**values: str) -> bytes:
    """The head of a bundle of the plain room, with other values where they are given."""
    own = {
        "room_id": rooms.ROOM,
        "epoch": rooms.EPOCH,
        "exported_at": "2026-02-01T08:00:00.000Z",
        "key": form.escaped(str(rooms.KEY.verifier)),
    }
    return form.HEAD.format(**{**own, **values}).encode()


def record(sequence: int, data: bytes, appended_at: str = _AT) -> bytes:
    """An event's record, up to its check."""
    return form.event_record(sequence, appended_at, data).encode()


def erased(sequence: int, by: int, envelope: bytes) -> bytes:
    """The same of an erased one."""
    return form.erased_record(sequence, by, envelope).encode()


def owner_files() -> Iterator[tuple[str, bytes]]:
    """(what, file)."""
    first = record(1, rooms.stored("room.created", 1, {"name": "payments"}))
    yield "one event", owned(head(), [first])
    yield "no events at all", owned(head(), [])
    yield from _heads(first)
    yield from _bytes(first)
    yield from _erasures(first)
    yield "a checkpoint with lines of its own", owned(head(), [first], more="more\nand more\n")
    yield "a checkpoint with markup, escaped", owned(head(), [first], more="<h1>x</h1>\n")
    plain = owned(head(), [first], more="<h1>x</h1>\n")
    begin = plain.index(b"</ol>\n<h2>") + len(form.CHECKPOINT_BEGIN)
    note = form.unescaped(plain[begin : plain.index(b"</pre>\n" + _SIGNED)].decode())
    yield "a checkpoint with markup", owned(head(), [first], note=note)
    yield "another number of erased events", owned(head(), [first], erased=1)


def _heads(first: bytes) -> Iterator[tuple[str, bytes]]:
    for what, name in (
        ("a blank", "a b"),
        ("a no-break space", "a\u00a0b"),
        ("a byte order mark", "\ufeffa"),
        ("a carriage return", "a\rb"),
        ("a next line", "a\u0085b"),
        ("markup", "<b>&amp;"),
        ("a letter beyond 16 bits", "\U0001f692"),
        ("a dollar and an ampersand", "$&$1$`"),
        ("949 letters", "n" * 949),
    ):
        key = SigningKey(name, bytes(32))
        # What can't be signed under such a name is signed under none.
        text = form.escaped(str(key.verifier))
        made = owned(head(key=text), [first])
        if what in {"markup", "a letter beyond 16 bits", "a dollar and an ampersand"}:
            made = owned(head(key=text), [first], key=key)
        yield f"a key whose name has {what}", made
    yield "an export on no day", owned(head(exported_at="2026-19-39T29:69:69.000Z"), [first])
    yield "an epoch of one character", owned(head(epoch="-"), [first])
    yield "an epoch with a letter of another script", owned(head(epoch="é"), [first])


def _bytes(first: bytes) -> Iterator[tuple[str, bytes]]:
    said = rooms.sent(2, "hello")
    twice = '{"content":"one"},"body":{"content":"two"}'
    yield (
        "an append on no day",
        owned(head(), [first, record(2, said, "2026-19-39T29:69:69.000000000Z")]),
    )
    for what, data in (
        ("whose commit has no digits", said.replace(b'"commit":"', b'"commit":"","x":"')),
        ("whose body is empty", b'{"room_id":"","commit":"e3b0","body":}'),
        ("that is two commits and one body", said.replace(b',"body"', b',"commit":"00","body"')),
        ("of which a body is told twice", rooms.stored("message.sent", 2, twice)),
        ("in which a quote is never closed", b'{"a":"' + b"[" * 200 + b'\\"' * 200),
        ("with another key in between", said.replace(b',"body"', b' ,"body"')),
    ):
        yield f"an event {what}", owned(head(), [first, record(2, data)])


def _erasures(first: bytes) -> Iterator[tuple[str, bytes]]:
    log = rooms.RoomLog()
    told = [log.at(log.put(rooms.sent(n, f"secret {n}"))) for n in range(2, 5)]
    envelopes = [form.split_stored(one.data)[0] for one in told]
    one, two = (rooms.redaction_of(event, 10 + n) for n, event in enumerate(told[:2]))
    gone = [erased(n, 9, envelope) for n, envelope in zip((1, 2), envelopes, strict=False)]
    yield "erased, and explained", owned(head(), [gone[0], record(9, one)])
    yield "two erased by one redaction", owned(head(), [*gone, record(9, one)])
    yield "a redaction of what is there", owned(head(), [record(1, told[0].data), record(2, one)])
    yield "the same redaction twice", owned(head(), [gone[0], record(9, one), record(10, one)])
    for what, kind, body in (
        ("by text for a number", "message.redacted", _said(one, '"1"')),
        ("by 1.0", "message.redacted", _said(one, "1.0")),
        ("by 1e0", "message.redacted", _said(one, "1e0")),
        ("with another envelope", "message.redacted", _said(two, "1")),
        ("by an event that is none", "message.sent", _said(one, "1")),
    ):
        redaction = rooms.stored(kind, 20, body, message_id=rooms.event_id(2))
        yield f"erased, and explained {what}", owned(head(), [gone[0], record(9, redaction)])
    spoken = b'{"type":"message.sent","id":"x","room_id":"'
    bare = spoken + rooms.ROOM.encode() + b'","commit":""}'
    kept = {"redacted_sequence": 1, "redacted_envelope": bare.decode()}
    unreadable = rooms.stored("message.redacted", 20, kept, message_id="x")
    yield "erased, and no event", owned(head(), [erased(1, 9, bare), record(9, unreadable)])
    tabbed = bare.replace(b"{", b"{\t")
    kept = {"redacted_sequence": 1, "redacted_envelope": tabbed.decode()}
    explained = record(9, rooms.stored("message.redacted", 20, kept, message_id="x"))
    yield "erased, with a control character", owned(head(), [erased(1, 9, tabbed), explained])


def _said(redaction: bytes, number: str) -> str:
    """The body of a redaction with another number in it."""
    body = form.split_stored(redaction)[1]
    assert body is not None
    return re.sub(r'"redacted_sequence":\d+', f'"redacted_sequence":{number}', body.decode())

"""Bundles made by chance: rooms of events that nobody's parser likes, and files that were changed,
by anybody or by the owner of the key, who makes every check and signature fit again."""

import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO

import msgspec

from roomlog.audit.bundle_notes import parse_checkpoint, parse_key
from roomlog.audit.verify_bundle import verify
from roomlog.core.signed_note import SigningKey
from tests.audit import rooms
from tests.audit.rooms import RoomLog, bundle_of
from tests.contracts import bundle_owner as owner

_KINDS = (
    *("room.created", "room.updated", "member.added", "member.role_changed", "member.removed"),
    *("message.sent", "message.edited", "message.deleted", "message.redacted"),
    *("reaction.added", "reaction.removed", "of.tomorrow", "__proto__", "constructor", ""),
)
_FIELDS = (
    *("content", "name", "title", "severity", "status", "user_id", "role", "message_type"),
    *("reply_to", "emoji", "redacted_sequence", "redacted_envelope", "reason", "metadata"),
    *("event", "kind", "url", "filename", "alt", "__proto__", "constructor", "toString", ""),
)
_CHARACTERS = (
    *("a", "<", ">", "&", '\\"', "\\\\", "\\/", "'", " ", "\\n", "\\t", "\\b", "\\f", "\\r"),
    *("\\u0000", "\\u001f", "\\u007f", "\x7f", "\x80", "\x85", "\xa0", "\xad", "é", "e\u0301"),
    *("\\ud800", "\\udc00", "\\uD83D\\uDE92", "\\udc00\\ud800", "\\ud83d", "\\ude92", "🚒"),
    *("\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "漢"),
    *("&lt;", "&amp;lt;", "</code>", "</ol>", "<!--", "]]>", ',\\"commit\\":\\"', "{", "[", "]"),
)
_SCALARS = (
    *("null", "true", "false", "0", "-0", "-0.0", "1", "1.0", "12e0", "1E+2", "120e-1", "1.5"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740991"),
    *("9007199254740991.4", "1e400", "-1e400", "1e-400", "5e-324", "0.1e1", "1" * 400),
    *("123456789012345678901234567890", "1" + "0" * 5000, "1e21", "1e15", "0e999999999999"),
)
_NO_JSON = (
    *("NaN", "Infinity", "-Infinity", "01", "-", "+1", ".5", "1.", "1e", "0x1", "'a'", "nul"),
    *("undefined", '"\\x41"', '"\\u12"', '"\\ud8"', "[1,]", '{"a":1,}', "{a:1}", '"', "1 2", ""),
    *("[" * 101, "1_000", "\uff11", "True", "\ufeff1", "\u00a01", "/**/1", '"a\tb"'),
)
_SPACES = ("", "", "", "", " ", "  ")
_RARE = 0.02


class _Chance(random.Random):
    def often(self, share: float) -> bool:
        return self.random() < share

    def text(self) -> str:
        return '"' + "".join(self.choices(_CHARACTERS, k=self.randrange(6))) + '"'

    def value(self, depth: int = 0) -> str:
        if self.often(_RARE):
            return self.choice(_NO_JSON)
        match self.randrange(8):
            case 0 if depth < 3:
                return "[" + ",".join(self.value(depth + 1) for _ in range(self.randrange(3))) + "]"
            case 1 if depth < 3:
                return self.object_of(_FIELDS, depth + 1)
            case 2:
                levels = self.choice((3, 97, 98, 99, 100, 101, 150))
                return "[" * levels + "]" * levels
            case 3 | 4:
                return self.choice(_SCALARS)
            case _:
                return self.text()

    def object_of(self, names: tuple[str, ...], depth: int = 0) -> str:
        pairs = [
            f'{self.choice(_SPACES)}"{self.choice(names)}":{self.choice(_SPACES)}'
            f"{self.value(depth)}{self.choice(_SPACES)}"
            for _ in range(self.randrange(5))
        ]
        return "{" + ",".join(pairs) + "}"


def _event(chance: _Chance, number: int) -> bytes:
    """Stored bytes: mostly an event whose commit holds, with a body that may be anything."""
    if chance.often(_RARE):
        return bytes(chance.choices(range(256), k=chance.randrange(30)))
    body = chance.object_of(_FIELDS)
    commit = sha256(body.encode()).hexdigest()
    if chance.often(_RARE):
        commit = chance.choice((commit.upper(), commit[:-1], "", commit[:-1] + "0"))
    envelope = {
        "v": "1",
        "type": f'"{chance.choice(_KINDS)}"',
        "id": f'"{rooms.event_id(number)}"',
        "room_id": f'"{rooms.ROOM}"',
        "actor": '"ada@example.org"',
        "at": '"2026-01-31T09:15:00.000Z"',
        "message_id": f'"{rooms.event_id(chance.randrange(1, number + 1))}"',
    }
    pairs = list(envelope.items())
    if chance.often(0.3):
        name = chance.choice(("v", "type", "id", "actor", "at", "message_id", "body", "metadata"))
        pairs.insert(chance.randrange(len(pairs) + 1), (name, chance.value()))
    if chance.often(_RARE):
        pairs.insert(chance.randrange(len(pairs) + 1), ("room_id", chance.value()))
    if chance.often(_RARE):
        del pairs[chance.randrange(len(pairs))]
    space = chance.choice(_SPACES)
    begin = "{" + ",".join(f'{space}"{name}":{value}' for name, value in pairs)
    end = chance.choice(("}",) * 20 + ("", "}}", "} ", "}\ufeff", "\n}"))
    text = f'{begin},"commit":"{commit}","body":{body}{end}'
    if chance.often(0.01):
        text = f'{begin},"commit":"{commit}"}}'  # its body was taken away
    return text.encode()


def _room(chance: _Chance) -> RoomLog:
    log = RoomLog()
    log.put(rooms.stored("room.created", 1, {"name": "payments"}), hole=chance.randrange(3))
    for number in range(2, chance.randrange(3, 8)):
        log.put(_event(chance, number), hole=chance.choice((0, 0, 0, 1, 10**6)))
    if chance.often(0.5):
        told = log.put(rooms.sent(20, "a secret"))
        log.put(rooms.redaction_of(log.at(told), 21))
        log.erase(told)
    return log


@dataclass(frozen=True)
class Mutant:
    """A file, and the keys and the checkpoint that it is verified with. `changed`: it is not what
    was signed, so that nobody may say that it is proved."""

    data: bytes
    keys: tuple[str, ...]
    against: str | None
    changed: bool
    how: str


def _place(chance: _Chance, data: bytes) -> int:
    """Mostly behind the head, which is in one form and half of a small file."""
    begin = data.find(b"<ol>") if chance.often(0.8) else 0
    return chance.randrange(max(begin, 0), len(data) + 1)


def _flip(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    at = _place(chance, data[:-1])
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _drop(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    at = _place(chance, data)
    return data[:at] + data[at + chance.randrange(1, 4) :]


def _insert(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    at = _place(chance, data)
    put = chance.choice(
        (b" ", b"\n", b"\r", b"\0", b"0", b"\xff", b"\xef\xbb\xbf", b"&amp;", b"<p>")
    )
    return data[:at] + put + data[at:]


def _cut(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    return data[: _place(chance, data[:-1])]


def _append(chance: _Chance, data: bytes, other: bytes) -> bytes:
    return data + chance.choice((b" ", b"\n", b"\0", data, other, b"<script>1</script>\n"))


def _line(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    """A line that is gone, there twice, elsewhere, or another's end."""
    lines = data.split(b"\n")
    one = data.count(b"\n", 0, _place(chance, data))
    two = data.count(b"\n", 0, _place(chance, data))
    match chance.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(two, lines[one])
        case 2:
            lines[one], lines[two] = lines[two], lines[one]
        case _:
            lines[one] = lines[one][: len(lines[one]) // 2] + lines[two][len(lines[two]) // 2 :]
    return b"\n".join(lines)


def _splice(chance: _Chance, data: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another, at lines; or a piece of it in between."""
    mine, theirs = data.split(b"\n"), other.split(b"\n")
    at = data.count(b"\n", 0, _place(chance, data))
    there = other.count(b"\n", 0, _place(chance, other))
    if chance.often(0.5):
        return b"\n".join(mine[:at] + theirs[there:])
    piece = theirs[there : there + chance.randrange(1, 5)]
    return b"\n".join(mine[:at] + piece + mine[at + len(piece) * chance.randrange(2) :])


def _number(chance: _Chance, data: bytes, _other: bytes) -> bytes:
    """Another number where there is one."""
    place = _place(chance, data)
    at = next((n for n in range(place, len(data)) if data[n] in b"0123456789"), len(data))
    end = at
    while end < len(data) and data[end] in b"0123456789":
        end += 1
    put = chance.choice(
        (b"0", b"-1", b"1e3", b"9" * 15, b"9" * 16, b"9" * 5000, b"00", b"\xd9\xa3")
    )
    return data[:at] + put + data[end:]


def _owned_anew(data: bytes, key: SigningKey) -> bytes | None:
    """The same with all that the owner of the key can make fit; None where it has no such parts."""
    begin, end = data.find(b"<ol>\n") + 5, data.find(b"</ol>\n")
    head, lines = data[:begin], data[begin:end].split(b"\n")[:-1]
    if begin < 5 or end < begin or head.count(b"\nroom ") != 1 or head.count(b"\nepoch ") != 1:
        return None
    records = [b"\n".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]
    try:
        return owner.owned(head, records, key=key)
    except ValueError:
        return None  # what can't be signed is signed by nobody


_CHANGES: tuple[Callable[[_Chance, bytes, bytes], bytes], ...] = (
    *(_flip, _drop, _insert, _cut, _append, _line, _splice, _number),
)


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """That many files: some as they were signed, most of them changed once or twice."""
    chance = _Chance(seed)
    files: list[tuple[bytes, SigningKey, str]] = []
    for number in range(count):
        if number % 12 == 0:
            log, key = _room(chance), chance.choice((rooms.KEY, rooms.KEY, rooms.OTHER_KEY))
            data, exported = bundle_of(log, key=key)
            files.append((data, key, exported.checkpoint))
            # The same room at an earlier time.
            earlier, told = bundle_of(log, key=key, up_to=log.events[0].sequence)
            files.append((earlier, key, told.checkpoint))
        data, key, checkpoint = chance.choice(files[-8:])
        other, other_key, other_checkpoint = chance.choice(files)
        how, changed = [], data
        for _ in range(chance.choice((0, 1, 1, 1, 2)) if number % 12 else 0):
            change = chance.choice(_CHANGES)
            how.append(change.__name__)
            changed = change(chance, changed or other, other)
        known = any(changed == one for one, _, _ in files)
        if how and chance.often(0.4):
            made = _owned_anew(changed, key)
            changed, known = made or changed, known or made is not None
            how.append("owned anew" if made else "")
        texts = str(key.verifier), str(other_key.verifier)
        keys = chance.choice(((), (), texts[:1], texts[1:], texts))
        against = chance.choice((None, None, checkpoint, other_checkpoint))
        if against is not None and chance.often(0.1):
            against = _flip(chance, against.encode(), b"").decode("utf-8", "replace")
        yield Mutant(changed, keys, against, not known, " ".join(how))


def heavy() -> Iterator[Mutant]:
    """Files that take a careless reader a day: long numbers, open quotes, deep and many brackets."""
    length = 400_000
    for what, text in (
        ("quotes without end", '{"content":' + "[" * 101 + '"' + '\\"' * length),
        ("backslashes without end", '{"content":' + "[" * 101 + '"' + "\\" * length),
        ("a long number", '{"content":' + "9" * length + "}"),
        ("a long fraction", '{"content":1.' + "3" * length + "}"),
        ("a large exponent", '{"content":1' + "0" * length + f"e-{length}" + "}"),
        ("brackets within brackets", "[" * length),
        ("brackets in a text", '{"content":"' + "[]" * length + '"}'),
        ("one name again and again", "{" + '"content":1,' * (length // 10) + '"content":2}'),
        ("commits", '{"content":"' + ',\\"commit\\":\\"' * (length // 10) + '"}'),
        ("entities", '{"content":"' + "&amp;" * (length // 10) + '"}'),
    ):
        log = RoomLog()
        log.put(rooms.stored("room.created", 1, {"name": "payments"}))
        log.put(rooms.stored("message.sent", 2, text))
        yield Mutant(bundle_of(log)[0], (), None, changed=False, how=what)
    head, first = owner.head(), owner.record(1, rooms.stored("room.created", 1, {"name": "p"}))
    kept = b'{"room_id":"%b","commit":""}' % rooms.ROOM.encode()
    holes = [owner.erased(n, 10**9, kept) for n in range(2, 3002)]
    yield Mutant(owner.owned(head, [first, *holes]), (), None, changed=False, how="holes")


class Told(msgspec.Struct, frozen=True):
    """A mutant as it is handed to another verifier, and what this one said."""

    data: str
    keys: list[str]
    against: str | None
    changed: bool
    how: str
    code: str
    sequence: int | None


def judged(mutant: Mutant) -> Told:
    """What the Python verifier says. `against_malformed` where what is compared with is none."""
    encoded = b64encode(mutant.data).decode()
    told = (encoded, list(mutant.keys), mutant.against, mutant.changed, mutant.how)
    try:
        against = None if mutant.against is None else parse_checkpoint(mutant.against)
    except ValueError:
        return Told(*told, "against_malformed", None)
    verdict = verify(BytesIO(mutant.data), [parse_key(one) for one in mutant.keys], against)
    return Told(*told, verdict.code, verdict.sequence)

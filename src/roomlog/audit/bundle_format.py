"""How a bundle is written: the lines that an event becomes, and what stands before and after them.

Pure, and of the standard library alone: who writes a bundle and who verifies one make the same bytes
of the same event. docs/protocol/bundles.md specifies it.
"""

import base64
import binascii
import json
import re
from hashlib import sha256
from typing import Any, Final, cast

NESTED_MAX: Final = 100
SAFE_INTEGER_MAX: Final = 2**53 - 1

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color-scheme:light dark}ol{list-style:none;padding:0}li{border-top:1px solid #8886;"
    "padding:.5em 0;content-visibility:auto;contain-intrinsic-size:auto 6em}"
    "li:target{background:#ff04}p{margin:.25em 0}bdi,code,pre{white-space:pre-wrap;"
    "overflow-wrap:anywhere}time,i,summary{opacity:.7}details{font-size:.8em}"
)
_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'"
HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}; form-action \'none\'">\n'
    "<title>roomlog bundle of room {room_id}</title>\n"
    f"<style>{STYLE.replace('{', '{{').replace('}', '}}')}</style>\n</head>\n<body>\n"
    "<h1>Room {room_id}</h1>\n"
    "<p>Every event of the room in order. This page vouches for nothing by itself: the file does, "
    "when <code>roomlog audit verify</code> says so.</p>\n"
    "<pre>\nroomlog-bundle/1\nroom {room_id}\nepoch {epoch}\nexported {exported_at}\n"
    "key {key}\n</pre>\n<ol>\n"
)
CHECKPOINT_BEGIN = "</ol>\n<h2>Signed checkpoint of the room's tree</h2>\n<pre>\n"
SIGNATURE_BEGIN = "</pre>\n<h2>Signature of this file</h2>\n<pre>\n"
END = "</pre>\n</body>\n</html>\n"
SIGNED_TEXT = "roomlog bundle 1\n{origin}\nevents {events}\nerased {erased}\nsha256 {chain}\n"

_TO_BODY = re.compile(rb'\{.*?,"commit":"[0-9a-f]*"(,"body":)', re.DOTALL)
_NOT_TEXT = re.compile(rb"[\x00-\x1f]")
# One without an end goes to the end: else each quote in it would be a beginning to try again.
_STRINGS = re.compile(r'"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?\Z)')
_PICTURES = {n: chr(0x2400 + n) for n in range(0x20)} | {9: "\t", 10: "&#10;", 127: "\u2421"}
_SURROGATES = re.compile("[\ud800-\udfff]")

_WORDS = {
    "room.created": "created the room",
    "room.updated": "changed the room",
    "member.added": "added a member",
    "member.role_changed": "changed a member's role",
    "member.removed": "removed a member",
    "message.sent": "sent",
    "message.edited": "edited",
    "message.deleted": "deleted",
    "message.redacted": "redacted",
    "reaction.added": "reacted to",
    "reaction.removed": "took back a reaction to",
}
_BODY_FIELDS = (
    *("content", "name", "title", "severity", "status", "user_id", "role", "message_type"),
    *("reply_to", "emoji", "redacted_sequence", "reason"),
)
_METADATA_FIELDS = ("event", "kind", "url", "filename", "alt")


def escaped(text: str) -> str:
    """Text as it stands in the page, and can be read back from there."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")


def shown(text: str) -> str:
    """Text for readers: on one line of the file, with control characters that can be seen."""
    text = escaped(_SURROGATES.sub("\ufffd", text)).replace('"', "&quot;")
    return text.translate(_PICTURES)


def split_stored(data: bytes) -> tuple[bytes, bytes | None]:
    """Stored bytes as envelope and body; bytes that are no event are all envelope."""
    found = _TO_BODY.match(data)
    if found is None or not data.endswith(b"}"):
        return data, None
    return data[: found.start(1)] + b"}", data[found.end() : -1]


def leaf_of(sequence: int, envelope: bytes) -> bytes:
    """The leaf that stands for an event in the room's tree."""
    return sequence.to_bytes(8, "big") + envelope


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none, or nested too deep. Numbers are as in JavaScript."""
    try:
        text = data.decode()
        if text.count("[") + text.count("{") > NESTED_MAX:
            depth = deepest = 0
            for char in re.sub(r"[^][{}]", "", _STRINGS.sub("", text)):
                depth += 1 if char in "[{" else -1
                deepest = max(deepest, depth)
            if deepest > NESTED_MAX:
                return {}
        found: object = json.loads(text, parse_int=float, parse_constant=_no_constant)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def text_of(value: object) -> str | None:
    """A string, or an integer that every language has, as text; None of all else."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER_MAX:
        return str(int(value))
    return value if isinstance(value, str) else None


def timeline(sequence: int, data: bytes, erased_by: int | None = None) -> str:
    """What the page shows of an event: one line. Of an erased event `data` is its envelope."""
    event = parsed(data)
    kind, id_, at, actor = (text_of(event.get(name)) for name in ("type", "id", "at", "actor"))
    if kind is None or id_ is None or at is None or actor is None:
        return f"<li>{sequence} <i>bytes that are no event</i>\n"
    line = (
        f'<li id="{shown(id_)}">{sequence} <time>{shown(at)}</time> '
        f"<b><bdi>{shown(actor)}</bdi></b> {_WORDS.get(kind, shown(kind))}"
    )
    about = text_of(event.get("message_id"))
    if about is not None and about != id_:
        line += f' <a href="#{shown(about)}">{shown(about)}</a>'
    if erased_by is not None:
        return f"{line} <p><i>what was said here was erased: see event {erased_by}</i></p>\n"
    body: object = event.get("body")
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    metadata: object = fields.get("metadata")
    more = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    for names, values in ((_BODY_FIELDS, fields), (_METADATA_FIELDS, more)):
        for name in names:
            value = text_of(values.get(name))
            if value:
                label = "" if name == "content" else f"<i>{name}</i> "
                line += f"<p>{label}<bdi>{shown(value)}</bdi></p>"
            elif name in values and values[name] is None:
                line += f"<p><i>{name}</i> cleared</p>"
    return line + "\n"


def event_record(sequence: int, appended_at: str, data: bytes) -> str:
    """An event as it stands in a bundle, up to its check. `appended_at`: with nanoseconds."""
    kind, text = "event", ""
    try:
        text = escaped(data.decode())
    except UnicodeDecodeError:
        kind = "bytes"
    if kind == "bytes" or _NOT_TEXT.search(data):
        kind, text = "bytes", base64.b64encode(data).decode()
    return timeline(sequence, data) + _stored(f"{kind} {sequence} {appended_at} {text}")


def erased_record(sequence: int, erased_by: int, envelope: bytes) -> str:
    """An erased event, of which `erased_by` is the redaction that kept its envelope."""
    text = escaped(envelope.decode())
    return timeline(sequence, envelope, erased_by) + _stored(
        f"erased {sequence} {erased_by} {text}"
    )


def _stored(text: str) -> str:
    return f"<details><summary>stored</summary><code>{text}</code>"


def check_of(chain: bytes) -> str:
    """What ends a record: it names the first record that does not follow from those before."""
    return f"<i>{chain.hex()[:16]}</i></details></li>\n"


def decode_base64(text: str) -> bytes:
    """Base64 in its one canonical form. Raises ValueError."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("not base64 in its canonical form")
    return decoded

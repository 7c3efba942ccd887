"""Signed notes: text with lines that sign it (C2SP signed-note), with Ed25519 keys alone.

Keys are written as Go's `sumdb/note` writes them, which the tools of transparency logs read:
`name+keyid+base64` for verifying, with `PRIVATE+KEY+` before it for signing.
"""

import base64
import binascii
import unicodedata
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 64
NAME_CHARS_MAX = 200

_ED25519 = b"\x01"
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_ID_BYTES = 4
_PRIVATE = "PRIVATE+KEY+"
_BLANK = frozenset({"Zs", "Zl", "Zp", "Cc", "Cs"})
_DASH = "\N{EM DASH} "


class NoteError(ValueError):
    """A note, a key or a name that is not what it has to be; the text says what is wrong."""


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key under its name. `public_key` is the 32 bytes of RFC 8032."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand for name and key in a signature."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """As `parse_verifier_key` reads it."""
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


class SigningKey(msgspec.Struct, frozen=True):
    """A private key under its name. `seed` is the 32 bytes of RFC 8032, and secret."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifierKey(self.name, key.public_bytes_raw())

    def written(self) -> str:
        """As `parse_signing_key` reads it. Secret."""
        encoded = base64.b64encode(_ED25519 + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    def __repr__(self) -> str:
        """Without the secret, which would end in a log line otherwise."""
        return f"SigningKey({self.name!r})"


class Signature(msgspec.Struct, frozen=True):
    """One line below a note's text, by a key that may be unknown."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """A note taken apart. `text` ends with a newline; who signed it, is yet to be verified."""

    text: str
    signatures: tuple[Signature, ...]


def check_name(name: str) -> str:
    """The name of a key, as it is. Raises NoteError."""
    if not name or len(name) > NAME_CHARS_MAX:
        raise NoteError(f"a key's name has 1 to {NAME_CHARS_MAX} characters")
    if "+" in name or any(_is_blank(char) for char in name):
        raise NoteError(f"a key's name has no spaces, control characters or plus: {name!r}")
    return name


def parse_verifier_key(text: str) -> VerifierKey:
    """Read `name+keyid+base64`. Raises NoteError."""
    name, key = _parse_key(text.strip(), "a verifier key")
    verifier = VerifierKey(name, key)
    if str(verifier) != text.strip():
        raise NoteError("the key id in the verifier key is not that of its name and key")
    return verifier


def parse_signing_key(text: str) -> SigningKey:
    """Read `PRIVATE+KEY+name+keyid+base64`. Raises NoteError, which does not tell the key."""
    stripped = text.strip()
    if not stripped.startswith(_PRIVATE):
        raise NoteError(f"a signing key begins with {_PRIVATE}")
    name, seed = _parse_key(stripped.removeprefix(_PRIVATE), "a signing key")
    key = SigningKey(name, seed)
    if key.written() != stripped:
        raise NoteError("the key id in the signing key is not that of its name and key")
    return key


def sign(text: str, keys: Sequence[SigningKey]) -> str:
    """The note: `text`, which has to end with a newline, signed by each key."""
    _check_text(text)
    if not text.endswith("\n"):
        raise NoteError("a note's text ends with a newline")
    lines: list[str] = []
    for key in keys:
        signed = Ed25519PrivateKey.from_private_bytes(key.seed).sign(text.encode())
        encoded = base64.b64encode(key.verifier.key_id + signed).decode()
        lines.append(f"{_DASH}{check_name(key.name)} {encoded}\n")
    return f"{text}\n{''.join(lines)}"


def parse_note(data: bytes) -> Note:
    """Take a note apart. Raises NoteError. Nothing is verified: see `verify`."""
    if len(data) > NOTE_BYTES_MAX:
        raise NoteError(f"a note has at most {NOTE_BYTES_MAX} bytes")
    try:
        note = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("a note is UTF-8") from error
    _check_text(note)
    text, blank, below = note.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise NoteError("a note has a text, an empty line, and lines that sign it")
    lines = below[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteError(f"a note has at most {SIGNATURES_MAX} signatures")
    return Note(text + "\n", tuple(_signature(line) for line in lines))


def verify(note: Note, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """Those of `keys` that signed the note; signatures by others are passed over.

    Raises NoteError where a signature by one of `keys` is wrong, or none is there.
    """
    found: list[VerifierKey] = []
    for signature in note.signatures:
        for key in keys:
            if (key.name, key.key_id) == (signature.name, signature.key_id):
                if not is_signed(key.public_key, signature.signature, note.text.encode()):
                    raise NoteError(f"the signature by {key.name} is wrong")
                if key not in found:
                    found.append(key)
    if not found:
        raise NoteError("no known key signed this note")
    return found


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that key's Ed25519 signature of `message` (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signature(line: str) -> Signature:
    fields = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(fields) != 2:
        raise NoteError("a line below a note's text is: dash, space, name, space, signature")
    name, encoded = fields
    signed = decode_base64(encoded)
    if len(signed) <= _ID_BYTES:
        raise NoteError("a signature has a key id of 4 bytes, and more")
    return Signature(check_name(name), signed[:_ID_BYTES], signed[_ID_BYTES:])


def _parse_key(text: str, what: str) -> tuple[str, bytes]:
    # The name has no plus, base64 may have.
    fields = text.split("+", 2)
    if len(fields) != 3:
        raise NoteError(f"{what} is: name, plus, key id, plus, key")
    key = decode_base64(fields[2])
    if len(key) != 1 + _KEY_BYTES or not key.startswith(_ED25519):
        raise NoteError(f"{what} is an Ed25519 key: 0x01 and 32 bytes, in base64")
    return check_name(fields[0]), key[1:]


def decode_base64(text: str) -> bytes:
    """Standard base64 with padding, in its one canonical form (RFC 4648, 3.5 and 4). Raises
    NoteError."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("not base64 in its canonical form")
    return decoded


def _check_text(text: str) -> None:
    if any(char < " " and char != "\n" for char in text):
        raise NoteError("a note has no control characters but newlines")


def _is_blank(char: str) -> bool:
    # The byte order mark is a blank to some who read notes.
    return char.isspace() or char == "\ufeff" or unicodedata.category(char) in _BLANK

"""Signed notes as a bundle has them (C2SP signed-note and tlog-checkpoint, Ed25519 alone).

Part of the verifier, and so apart from `core.signed_note`: who verifies depends on nothing else.
"""

import base64
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roomlog.audit.bundle_format import decode_base64

# A key's name has no blanks (in Unicode's sense), no control characters, and no plus.
_NAME = re.compile("[^\x00-\x20+\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")
_SIGNATURE = re.compile("\N{EM DASH} ([^ +\n]+) ([A-Za-z0-9+/=]+)")


class Key(NamedTuple):
    """An Ed25519 public key under a name; `key_id` stands for both in a signature."""

    name: str
    key_id: bytes
    public_key: bytes

    def __str__(self) -> str:
        key = base64.b64encode(b"\x01" + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


class Checkpoint(NamedTuple):
    """What a signed checkpoint says: the tree called `origin` had `size` leaves and that root."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: list[tuple[str, bytes]]


def parse_key(text: str) -> Key:
    """Read `name+keyid+base64` (C2SP signed-note). Raises ValueError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    public_key = decode_base64(encoded)
    if not _NAME.fullmatch(name) or len(public_key) != 33 or public_key[0] != 1:
        raise ValueError("a key is: name, plus, key id, plus, an Ed25519 key in base64")
    named = sha256(name.encode() + b"\n" + public_key).digest()[:4]
    if key_id != named.hex():
        raise ValueError("the key's id is not that of its name and bytes")
    return Key(name, named, public_key[1:])


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a signed checkpoint (C2SP tlog-checkpoint). Raises ValueError. Verifies nothing."""
    text, blank, below = note.rpartition("\n\n")
    lines = text.split("\n")
    if not blank or not below.endswith("\n") or len(lines) < 3 or not all(lines):
        raise ValueError("a checkpoint has three lines or more, an empty one, and signatures")
    if not re.fullmatch(r"0|[1-9][0-9]{0,14}", lines[1]):
        raise ValueError("a checkpoint's second line is a number")
    root = decode_base64(lines[2])
    if len(root) != 32:
        raise ValueError("a checkpoint's root has 32 bytes")
    signatures = [parse_signature(line) for line in below.split("\n")[:-1]]
    return Checkpoint(lines[0], int(lines[1]), root, text + "\n", signatures)


def parse_signature(line: str) -> tuple[str, bytes]:
    """Read one line below a note: the name, and key id with signature. Raises ValueError."""
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise ValueError("a signature is: dash, name, base64")
    return found[1], decode_base64(found[2])


def is_signed(text: str, signatures: Sequence[tuple[str, bytes]], keys: Sequence[Key]) -> bool:
    """Whether one of `keys` signed, and no signature in the name of one of them is wrong."""
    good = False
    for name, signature in signatures:
        for key in keys:
            if (name, signature[:4]) == (key.name, key.key_id):
                try:
                    public = Ed25519PublicKey.from_public_bytes(key.public_key)
                    public.verify(signature[4:], text.encode())
                except (InvalidSignature, ValueError):
                    return False
                good = True
    return good

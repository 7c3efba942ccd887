"""What a signed checkpoint says of a tree: the text of C2SP tlog-checkpoint."""

import base64

import msgspec

from roomlog.core.merkle import HASH_BYTES, SIZE_MAX
from roomlog.core.signed_note import NoteError, decode_base64

_DIGITS_MAX = len(str(SIZE_MAX))


class TreeHead(msgspec.Struct, frozen=True):
    """The head of the tree called `origin`: how many leaves it has, and its root.

    `extensions` are lines that tell more; there are none in what roomlog signs.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text to sign."""
        root = base64.b64encode(self.root).decode()
        return "".join(
            f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions)
        )


def parse_tree_head(text: str) -> TreeHead:
    """Read a checkpoint's text, in its one form. Raises NoteError."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has lines for origin, size and root, each with its end")
    origin, size, root, *extensions = lines
    if not (size.isascii() and size.isdecimal()) or len(size) > _DIGITS_MAX:
        raise NoteError("a checkpoint's size is a decimal number")
    if int(size) > SIZE_MAX or str(int(size)) != size:
        raise NoteError("a checkpoint's size is a decimal number of 63 bits, without leading zeros")
    hashed = decode_base64(root)
    if len(hashed) != HASH_BYTES:
        raise NoteError(f"a checkpoint's root has {HASH_BYTES} bytes")
    return TreeHead(origin, int(size), hashed, tuple(extensions))

"""Files that outlast a crash of the machine, and files that only their owner reads."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, replacing an older one at once; it is on disk, under
    its name, when this returns. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(new, "xb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's bytes on disk, or which names are in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private(name: str, flags: int) -> int:
    """An opener of files that only their owner reads."""
    return os.open(name, flags, 0o600)

"""Files that outlast a crash of the machine, and files that only their owner reads."""

import errno
import os
from pathlib import Path

# What file systems without hard links say.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


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


def take_name(file: Path, path: Path) -> None:
    """Give a finished file its name, in the same folder: at once, and never in place of another.

    The caller has put the file's bytes on disk, and removes `file` where it is there still. Raises
    FileExistsError where the name is taken, and OSError.
    """
    try:
        os.link(file, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        file.rename(path)
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

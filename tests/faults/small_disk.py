"""A file system of a few megabytes, to be filled up."""

import errno
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK = b"\xff" * 65_536


class SmallDisk:
    """A tmpfs at `path`; it is full from `fill` until `empty`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Take all the room that there is, to the last byte that can be had."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (len(_BLOCK), 4096, 1):
                try:
                    while True:
                        ballast.write(_BLOCK[:size])
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def leave(self, size_bytes: int) -> None:
        """Take all the room but so much."""
        free = shutil.disk_usage(self.path).free
        with self._ballast.open("ab") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(1, free - size_bytes))

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, size_mb: int) -> Generator[SmallDisk]:
    """A small disk mounted at `path`, which is made; skips the test where mounting is not
    permitted."""
    path.mkdir(exist_ok=True)
    options = f"size={size_mb}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)

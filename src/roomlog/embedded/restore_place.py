"""Where a restored log is made, and how it comes into its data directory.

DIR/restoring/            while it is made: `roomlog up` refuses to start
DIR/nats                  the restored log, moved here when it is whole
DIR/nats.before-<time>    the log that was there before, kept
"""

import contextlib
import os
import shutil
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.files import sync

RESTORING = "restoring"
_LOG = "nats"
_TABLES = "postgres"


class RestorePlace:
    """A data directory that a log is restored into, locked. Made by `restore_place`."""

    def __init__(self, data: DataDirectory) -> None:
        """Not for callers: see `restore_place`."""
        self.data = data
        self.work = DataDirectory(data.path / RESTORING)

    def move_in(self, *, tables_too: bool) -> list[Path]:
        """Put what was made in place of what was there; return where that lies now.

        `tables_too`: the tables that were there are no longer of this log, and are set aside too.
        Raises OSError; until the last step the restore can be begun again.
        """
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside: list[Path] = []
        for name in (_LOG, *((_TABLES,) if tables_too else ())):
            there = self.data.path / name
            if there.exists() or there.is_symlink():
                aside.append(there.rename(self.data.path / f"{name}.before-{moment}"))
        _sync_tree(self.work.path / _LOG)
        (self.work.path / _LOG).rename(self.data.path / _LOG)
        sync(self.data.path)
        shutil.rmtree(self.work.path)
        sync(self.data.path)
        return aside


@contextlib.contextmanager
def restore_place(path: Path, *, replace: bool) -> Generator[RestorePlace]:
    """Prepare a data directory for a restore; nobody else uses it meanwhile.

    Raises EmbeddedError where something runs there, or where it holds anything and `replace` is
    not said. What a restore that was broken off has left is removed.
    """
    data = DataDirectory(path)
    with data.lock():
        there = sorted(entry.name for entry in data.path.iterdir() if entry.name != "lock")
        if there and not replace and there != [RESTORING]:
            raise EmbeddedError(
                f"{data.path} is not empty ({', '.join(there[:5])}): name another directory with "
                "--data, or say --force to put the restored log in place of the one there, which "
                "is kept beside it"
            )
        shutil.rmtree(data.path / RESTORING, ignore_errors=True)
        place = RestorePlace(data)
        place.work.path.chmod(0o700)
        yield place


def refuse_half_restored(data: DataDirectory) -> None:
    """Raise EmbeddedError where a restore has begun and not ended: there would be no log, and a
    new one would be begun."""
    if (data.path / RESTORING).exists():
        raise EmbeddedError(
            f"a restore into {data.path} was broken off: run `roomlog restore` again with --force, "
            f"or remove {data.path / RESTORING} to go on with what was there before"
        )


def _sync_tree(folder: Path) -> None:
    """Have all that lies in a folder on disk, however it was written."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                sync(path)
        sync(Path(parent))

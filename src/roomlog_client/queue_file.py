"""The persistent queue: a file of JSON lines, one for each command stored or struck off."""

import contextlib
import os
from pathlib import Path
from typing import IO

import msgspec

from roomlog_client.core.inputs import StoredItem
from roomlog_client.errors import QueueFileError

try:
    import fcntl
except ImportError:  # pragma: no cover - there is none on Windows
    fcntl = None

STALE_LINES_MAX = 1000

Name = tuple[str, str]


class _Line(msgspec.Struct, omit_defaults=True):
    """Either of both."""

    store: StoredItem | None = None
    forget: Name | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


class QueueFile:
    """Commands that survive this process. One client at a time holds the file.

    Blocking: `store` returns when the disk has it. Duty of the caller: `close`.
    """

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises QueueFileError and OSError."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path.with_name(path.name + ".lock"))
        try:
            self.items = _read(path)
            self._stale = 0
            self._file = self._rewrite()
        except BaseException:
            self._lock.close()
            raise

    def store(self, item: StoredItem) -> None:
        """Add a command, durably. Raises OSError."""
        self.items[item.room_id, item.key] = item
        self._append(_Line(store=item))
        os.fsync(self._file.fileno())

    def forget(self, name: Name) -> None:
        """Strike a command off. Where a crash undoes that, it is sent again under its key, which
        does no harm."""
        if self.items.pop(name, None) is None:
            return
        self._append(_Line(forget=name))
        self._stale += 2
        if self._stale > STALE_LINES_MAX:
            self._file.close()
            self._file = self._rewrite()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
        self._lock.close()

    def _append(self, line: _Line) -> None:
        self._file.write(_encoder.encode(line) + b"\n")
        self._file.flush()

    def _rewrite(self) -> IO[bytes]:
        """Begin the file anew with what is still in it, never leaving less behind."""
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for item in self.items.values():
                file.write(_encoder.encode(_Line(store=item)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _sync_folder(self._path.parent)
        self._stale = 0
        return self._path.open("ab")


def _read(path: Path) -> dict[Name, StoredItem]:
    items: dict[Name, StoredItem] = {}
    if not path.exists():
        return items
    *lines, torn = path.read_bytes().split(b"\n")
    for number, raw in enumerate(lines, 1):
        try:
            line = _decoder.decode(raw)
        except msgspec.DecodeError as error:
            detail = f"{path}, line {number}: {error}; move the file away to begin anew"
            raise QueueFileError("queue_damaged", detail) from error
        if line.store is not None:
            items[line.store.room_id, line.store.key] = line.store
        if line.forget is not None:
            items.pop(line.forget, None)
    # What follows the last line feed was being written when the machine went down: whoever
    # enqueued it was never told that it was stored.
    del torn
    return items


def _locked(path: Path) -> IO[bytes]:
    lock = path.open("ab")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise QueueFileError("queue_in_use", f"another client holds {path}") from error
    return lock


def _sync_folder(folder: Path) -> None:
    # Not every system lets a folder be opened; those that do need it for the rename to last.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

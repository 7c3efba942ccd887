"""Metric values that are counted in memory, and written to the shared files a little later.

prometheus_client writes each count to its process's file at once: some 3 µs for a counter and 7
for a histogram, several times for each message. Here a count is an addition, and a thread writes
what has changed every FLUSH_INTERVAL_S. The files are prometheus_client's own, so that its
collector reads them. A process that is killed takes its last counts with it.
"""

import atexit
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

FLUSH_INTERVAL_S: Final = 0.1


class _Files:
    """This process's files, one for each kind of metric, and the values that they lack."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, MmapedDict] = {}
        self._changed: list[_Value] = []
        self._due = threading.Event()
        self.lock = threading.Lock()
        atexit.register(self.flush)
        threading.Thread(target=self._write_changed, name="metric files", daemon=True).start()

    def file(self, kind: str) -> MmapedDict:
        """The file for a kind of metric. The caller holds the lock, as for all that follow."""
        if kind not in self._files:
            self._files[kind] = MmapedDict(str(self._directory / f"{kind}_{os.getpid()}.db"))
        return self._files[kind]

    def note(self, value: "_Value") -> None:
        """Write this value soon."""
        self._changed.append(value)
        if not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        """Write what has changed."""
        with self.lock:
            self._due.clear()
            changed, self._changed = self._changed, []
            for value in changed:
                value.write()

    def _write_changed(self) -> None:
        pause = threading.Event()
        while self._due.wait():
            pause.wait(FLUSH_INTERVAL_S)
            self.flush()


class _Value:
    """See prometheus_client.values.MultiProcessValue, in whose place it stands."""

    _multiprocess = True
    files: ClassVar[_Files]

    def __init__(  # noqa: PLR0917 - as prometheus_client calls it
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_others: object,
    ) -> None:
        kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        self._key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._changed = False
        with self.files.lock:
            self._file = self.files.file(kind)
            self._value, self._timestamp_s = self._file.read_value(self._key)

    def inc(self, amount: float) -> None:
        with self.files.lock:
            self._value += amount
            self._note()

    def set(self, value: float, timestamp: float | None = None) -> None:
        with self.files.lock:
            self._value = value
            self._timestamp_s = timestamp or 0.0
            self._note()

    def get(self) -> float:
        return self._value

    def set_exemplar(self, exemplar: object) -> None:
        """Files hold none."""

    def get_exemplar(self) -> None:
        """Files hold none."""

    def _note(self) -> None:
        if not self._changed:
            self._changed = True
            self.files.note(self)

    def write(self) -> None:
        self._changed = False
        self._file.write_value(self._key, self._value, self._timestamp_s)


def share(directory: Path) -> None:
    """Keep the values of all metrics made from now on in files of `directory`. Once a process,
    which must not fork afterwards."""
    _Value.files = _Files(directory)
    values.ValueClass = _Value


def flush() -> None:
    """Write what has changed at once, where values are shared."""
    if hasattr(_Value, "files"):
        _Value.files.flush()

"""What an import has met so far: too much for memory where a chat has millions of lines."""

import sqlite3
from types import TracebackType
from typing import Self

_CACHE_KIB = 64 * 1024


class ImportLedger:
    """Event ids with the digests of what they say, and how often each text came.

    Kept in a private temporary database, which stays in memory up to _CACHE_KIB and goes to a
    temporary file beyond. Use as a context manager.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE events (id TEXT PRIMARY KEY, digest BLOB) WITHOUT ROWID",
            "CREATE TABLE lines (digest BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def occurrence(self, digest: bytes) -> int:
        """How many equal lines have come with this one: 1 for the first."""
        row = self._db.execute(
            "INSERT INTO lines VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 "
            "RETURNING times",
            (digest,),
        ).fetchone()
        return int(row[0])

    def digest_of(self, event_id: str) -> bytes | None:
        """The digest noted for an event; None for an event that was never met."""
        row = self._db.execute("SELECT digest FROM events WHERE id = ?", (event_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def note(self, event_id: str, digest: bytes) -> None:
        """Remember an event; an id that is known keeps its digest."""
        self._db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (event_id, digest))

"""Posts of an export that come in any order, told in the order of time: too many for memory."""

import sqlite3
from collections.abc import Iterator

from roomlog.core.mattermost_export import NewPost

_CACHE_KIB = 64 * 1024
_POSTS = (
    "CREATE TABLE posts (n INTEGER PRIMARY KEY, at_ms INTEGER, place TEXT, team TEXT, "
    "channel TEXT, user TEXT, nth INTEGER, id TEXT, root TEXT, data BLOB)"
)


class PostStore:
    """Posts in a private temporary database, which goes to a temporary file when it grows."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            _POSTS,
            "CREATE INDEX by_time ON posts (at_ms, n)",
            "CREATE TABLE times (key TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(statement)

    def add(self, place: str, post: NewPost, root: str | None) -> str:
        """Keep a post, `root` being the id of what it replies to; gives the post's id.

        Posts have no id in an export: author and time make one, with a number from the second
        on of those that have both in common.
        """
        key = f"{post.at_ms}:{post.user}"
        counted = self._db.execute(
            "INSERT INTO times VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 "
            "RETURNING times",
            (f"{post.team}/{post.channel}:{key}",),
        ).fetchone()
        number = int(counted[0])
        source_id = f"mattermost:{key}" + (f":{number}" if number > 1 else "")
        self._db.execute(
            "INSERT INTO posts (at_ms, place, team, channel, user, nth, id, root, data) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(post.at_ms, place, post.team, post.channel, post.user, post.nth),
                *(source_id, root, post.data),
            ),
        )
        return source_id

    def in_order(self) -> Iterator[tuple[str, NewPost, str, str | None]]:
        """Place, post, id and the id of what it replies to, by time."""
        rows = self._db.execute(
            "SELECT place, team, channel, user, at_ms, data, nth, id, root "
            "FROM posts ORDER BY at_ms, n"
        )
        for place, team, channel, user, at_ms, data, nth, source_id, root in rows:
            yield place, NewPost(team, channel, user, at_ms, data, nth), source_id, root

    def close(self) -> None:
        """Let the database go."""
        self._db.close()

"""`python -m bench.unread`: a user's list of 50 rooms with 20,000 unread messages in each, timed where
the server asks its tables: exact counts, beside the same rooms without any count."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click

from bench.measured import Measured, json_option, tell
from roomlog.embedded.postgres import run_postgres
from roomlog.ports import RoomPosition
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.migrate import migrate

_READER = "reader@example.org"
_SENDERS = 20
_PART = 100_000
_READS = 40
_FIRST = RoomPosition(0, str(UUID(int=0)))
_BARE = """
SELECT r.*, me.role
FROM room_members AS me INNER JOIN incident_rooms AS r ON r.room_id = me.room_id
WHERE me.user_id = $1
ORDER BY r.created_sequence, r.room_id
LIMIT $2
"""
_MESSAGES = f"""
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % $3 + 1), 32, '0')::uuid, n,
    'user' || n / $3 % {_SENDERS}, 'text', 'the pool is exhausted ' || n, '', '{{}}', now(), n
FROM generate_series($1::int, $2::int) AS n
"""
_COUNTS = """
INSERT INTO message_counts
SELECT room_id, s.sender_id, sequence_number / 8192, count(*)
FROM messages AS m CROSS JOIN LATERAL (VALUES (''), (m.sender_id)) AS s (sender_id)
GROUP BY 1, 2, 3
"""


async def _fill(url: str, rooms: int, unread: int) -> None:
    connection = await asyncpg.connect(url, server_settings={"search_path": "roomlog, public"})
    # What is searched by is not needed here, and slow to fill.
    await connection.execute("DROP INDEX ix_messages_search, ix_messages_content_trigrams")
    await connection.execute(
        "INSERT INTO incident_rooms SELECT lpad(to_hex(n), 32, '0')::uuid, 'bench', NULL, NULL, "
        "'open', 'ana', now(), n, 0 FROM generate_series(1, $1::int) AS n",
        rooms,
    )
    await connection.execute(
        "INSERT INTO room_members SELECT room_id, $1, 'responder', now() FROM incident_rooms",
        _READER,
    )
    for start in range(0, rooms * unread, _PART):
        end = min(start + _PART, rooms * unread)
        await connection.execute(_MESSAGES, start + 1, end, rooms)
    await connection.execute(_COUNTS)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _times_ms(read: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    times = []
    for _ in range(_READS):
        began = time.perf_counter()
        await read()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return {"p50_ms": times[_READS // 2], "p95_ms": times[_READS * 95 // 100], "max_ms": times[-1]}


async def _measure(url: str, rooms: int, unread: int) -> dict[str, Any]:
    await migrate(url)
    await _fill(url, rooms, unread)
    # In the middle of a block of one of the rooms' own.
    midway = {str(UUID(int=n)): rooms * unread // 2 + 5 for n in range(1, rooms + 1)}
    results: dict[str, Any] = {"rooms": rooms, "unread": unread}
    async with open_pool(url, size=1) as pool:
        model = PostgresReadModel(pool)
        for name, markers in (("never read", {}), ("read half", midway)):
            told = await model.rooms(
                _READER, all_rooms=False, markers=markers, after=_FIRST, limit=rooms
            )
            times = await _times_ms(
                lambda markers=markers: model.rooms(
                    _READER, all_rooms=False, markers=markers, after=_FIRST, limit=rooms
                )
            )
            results[name] = {"counted": sum(room.unread for room in told), **times}
        results["bare"] = await _times_ms(lambda: pool.fetch(_BARE, _READER, rooms))
    return results


@click.command()
@click.option("--rooms", default=50, show_default=True)
@click.option("--unread", default=20_000, show_default=True, help="Messages in each room.")
@json_option
def main(*, rooms: int, unread: int, json_file: Path | None) -> None:
    """Measure the list of rooms of somebody who has read nothing."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with run_postgres(Path(folder)) as server:
            results = asyncio.run(_measure(server.url, rooms, unread))
    tell(_found(results), json_file)


def _found(results: dict[str, Any]) -> list[Measured]:
    return [
        Measured(
            f"list of {results['rooms']} rooms of {results['unread']:,}, {name}: p50",
            results[name]["p50_ms"],
            "ms",
            results["bare"]["p50_ms"],
            "the same without any count",
            more_is_better=False,
            details={"with counts": results[name], "without": results["bare"]},
        )
        for name in ("never read", "read half")
    ]


if __name__ == "__main__":
    main()

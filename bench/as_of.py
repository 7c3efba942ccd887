"""`python -m bench.as_of`: pages and searches of a room's past, timed where the server asks its
tables, beside plain pages of the same place and searches of the present over the same connection:
what the bare query takes. And members as they stood, by REST, in a room in which they changed
often; beside members as they are."""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click
import httpx

from bench.log_filling import fill_members
from bench.measured import Measured, json_option, tell
from bench.projection_probe import await_projected
from bench.rooms_under_load import SETTINGS
from roomlog.core.search_query import SearchQuery, parse_search
from roomlog.embedded.postgres import run_postgres
from roomlog.ports import MessageQuery
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.connection import server_settings
from roomlog.postgres.migrate import migrate
from roomlog_contract.types import SearchOrder
from tests.stack import running_stack

_LIMIT = 50
_USERS = 50
_SETTLE_READS = 20
_GIVEN = "WITH given AS (SELECT $1::uuid AS room, $2::int AS events, $3::text AS said)\n"
# Of ten events: six sendings, two edits, a reaction, and one that is taken back.
_MIXED = """
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
    SELECT lpad(to_hex(n), 32, '0')::uuid, room, n, 'user' || n % 97, 'text',
    said || CASE WHEN n % 500 = 0 THEN 'outage' ELSE '' END, said, '{}',
    now() + n * interval '1 second', n
    FROM given, generate_series(1, events) AS n WHERE n % 10 < 6;
INSERT INTO message_edit_history SELECT n * 1024, lpad(to_hex(n - 6), 32, '0')::uuid,
    room, n, 'edit', said, '{}', n - 6, NULL, 'user1', now(), NULL
    FROM given, generate_series(11, events) AS n WHERE n % 10 IN (6, 7);
INSERT INTO message_reactions SELECT n * 1024, lpad(to_hex(n - 8), 32, '0')::uuid,
    'user' || n % 97, '👍', n, now() FROM given, generate_series(11, events) AS n
    WHERE n % 10 = 8;
INSERT INTO message_reaction_spans SELECT n * 1024, lpad(to_hex(n - 8), 32, '0')::uuid,
    'user' || n % 97, '🎉', n - 1, now(), n, now() FROM given, generate_series(11, events) AS n
    WHERE n % 10 = 9;
"""
_FIFTY = """
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
    SELECT lpad(to_hex(n), 32, '0')::uuid, room, n, 'user' || n % 97, 'text', said, said, '{}',
    now(), n FROM given, generate_series(1, 50) AS n;
"""
_EDITED = """
INSERT INTO message_edit_history SELECT n * 1024, lpad(to_hex(50), 32, '0')::uuid, room, n, 'edit',
    said, '{}', n - 1, NULL, 'user1', now(), NULL FROM given, generate_series(51, events) AS n;
"""
_REACTED = """
INSERT INTO message_reaction_spans SELECT n * 1024, lpad(to_hex(50), 32, '0')::uuid,
    'user' || n % 97, '🎉', n - 97, now(), n, now()
    FROM given, generate_series(150, events) AS n;
"""
_SEARCHED = "everything mixed"
_SAID = "the *pool* of `checkout` is full, see https://a.example/b "
# Statements, what the messages say, and the share of the events: much text fills much disk.
_SHAPES: dict[str, tuple[str, str, float]] = {
    _SEARCHED: (_MIXED, _SAID, 1),
    "10 KiB messages": (_MIXED, _SAID * 180, 0.02),
    "one message edited throughout": (_FIFTY + _EDITED, "said again", 1),
    "one message reacted to throughout": (_FIFTY + _REACTED, "hm", 1),
}


async def _fill(url: str, room: str, shape: str, events: int) -> None:
    statements, text, _ = _SHAPES[shape]
    connection = await asyncpg.connect(url, server_settings=server_settings())
    await connection.execute(
        "INSERT INTO incident_rooms VALUES ($1, 'bench', NULL, NULL, 'open', 'ana', now(), 1, 0)",
        room,
    )
    for statement in filter(str.strip, statements.split(";\n")):
        await connection.execute(_GIVEN + statement, room, events, text)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _timed_ms(ask: Callable[[int], Awaitable[object]], places: Sequence[int]) -> list[float]:
    times = []
    for place in [*places[:_SETTLE_READS], *places]:
        began = time.perf_counter()
        await ask(place)
        times.append((time.perf_counter() - began) * 1000)
    return times[_SETTLE_READS:]


def _told(times: Sequence[float]) -> dict[str, float]:
    ranked = sorted(times)
    return {
        "p50_ms": ranked[len(ranked) // 2],
        "p95_ms": ranked[int(len(ranked) * 0.95) - 1],
        "max_ms": ranked[-1],
    }


async def _measure(url: str, *, events: int, reads: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    results: dict[str, Any] = {"events": events, "reads": reads, "seed": seed, "shapes": {}}
    for number, shape in enumerate(_SHAPES):
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE bench{number}")
        await connection.close()
        place = f"{url.rsplit('/', 1)[0]}/bench{number}"
        await migrate(place)
        room = str(UUID(int=number))
        filled = int(events * _SHAPES[shape][2])
        await _fill(place, room, shape, filled)
        depths = [chance.randrange(50, filled) for _ in range(reads)]
        async with open_pool(place, size=1) as pool:
            model = PostgresReadModel(pool)

            async def plain(depth: int, model: PostgresReadModel = model, room: str = room) -> int:
                return len(await model.messages(MessageQuery(room, _LIMIT, before=depth + 1)))

            async def past(depth: int, model: PostgresReadModel = model, room: str = room) -> int:
                return len(await model.messages(MessageQuery(room, _LIMIT, as_of=depth)))

            bare = _told(await _timed_ms(plain, depths))
            told = _told(await _timed_ms(past, depths))
            if shape == _SEARCHED:
                results["searches"] = await _searches(model, room, depths)
        results["shapes"][shape] = {"bare": bare, "as_of": told}
    return results


async def _searches(
    model: PostgresReadModel, room: str, depths: Sequence[int]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in ("pool", "outage"):
        sought = parse_search(text)

        async def present(
            _depth: int, sought: SearchQuery = sought
        ) -> int:  # as deep as it gets: it has to find as many
            query = MessageQuery(room, _LIMIT)
            return len((await model.search(query, sought, SearchOrder.NEWEST, None)).hits)

        async def past(depth: int, sought: SearchQuery = sought) -> int:
            query = MessageQuery(room, _LIMIT, as_of=depth)
            return len((await model.search(query, sought, SearchOrder.NEWEST, None)).hits)

        found[text] = {
            "bare": _told(await _timed_ms(present, depths)),
            "as_of": _told(await _timed_ms(past, depths)),
        }
    return found


def _members(*, changes: int, reads: int, seed: int) -> Measured:
    chance = random.Random(seed)
    with running_stack(**SETTINGS) as stack:
        filling = fill_members(stack.run["nats_url"], users=_USERS, changes=changes)
        room, head = asyncio.run(filling)
        asyncio.run(await_projected(stack))
        path = f"/api/rooms/{room}/members"
        who = stack.headers("bench@example.org")
        with httpx.Client(base_url=stack.base_url, headers=who, timeout=60) as client:

            def asked_ms(**asked: int) -> float:
                began = time.perf_counter()
                client.get(path, params={"limit": _LIMIT, **asked}).raise_for_status()
                return (time.perf_counter() - began) * 1000

            first = asked_ms(as_of=head - 1)
            past = [asked_ms(as_of=chance.randrange(_USERS, head)) for _ in range(reads)]
            plain = [asked_ms() for _ in range(reads)]
    times = {"bare": _told(plain), "as_of": _told(past), "first": first}
    return _beside(f"members after any of {changes:,} changes", times, "members as they are")


def _found(results: dict[str, Any]) -> list[Measured]:
    return [
        *(
            _beside(shape, times, "a plain page of the same place")
            for shape, times in results["shapes"].items()
        ),
        *(
            _beside(f"search for {text}", times, "the same search of the present")
            for text, times in results["searches"].items()
        ),
    ]


def _beside(what: str, times: dict[str, Any], bare_name: str) -> Measured:
    first = {"the first, ms": times["first"]} if "first" in times else {}
    return Measured(
        f"as_of, {what}: p95",
        times["as_of"]["p95_ms"],
        "ms",
        times["bare"]["p95_ms"],
        bare_name,
        more_is_better=False,
        details={"of the past": times["as_of"], bare_name: times["bare"], **first},
    )


@click.command()
@click.option("--events", default=200_000, show_default=True)
@click.option("--changes", default=10_000, show_default=True, help="Of members of a room.")
@click.option("--reads", default=300, show_default=True)
@click.option("--seed", default=1, show_default=True)
@json_option
def main(*, events: int, changes: int, reads: int, seed: int, json_file: Path | None) -> None:
    """Read the past at depths chosen by chance, in rooms of several shapes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with run_postgres(Path(folder)) as server:
            measured = _measure(server.url, events=events, reads=reads, seed=seed)
            results = asyncio.run(measured)
    members = _members(changes=changes, reads=reads, seed=seed)
    tell([*_found(results), members], json_file)


if __name__ == "__main__":
    main()

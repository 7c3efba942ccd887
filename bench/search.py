"""`python -m bench.search`: searches in 200,000 messages, timed where the server asks its tables, in
many rooms and in one, newest first and by relevance; beside a plain page of as many messages, read
by its index over the same connection."""

import asyncio
import gzip
import json
import random
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click

from bench.measured import Measured, json_option, tell
from roomlog.core.highlight import highlight
from roomlog.core.search_query import parse_search
from roomlog.embedded.postgres import run_postgres
from roomlog.ports import MessageQuery
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.migrate import migrate
from roomlog_contract.types import SearchOrder

_CHAT = Path("..") / "shared" / "data" / "irc-ubuntu.jsonl.gz"
_WORD = re.compile(r"[^\W\d_]{2,}")
_LIMIT = 50
_BATCH = 2_000
_BARE_READS = 500
_IDENTIFIERS = (
    *("inc-{n}", "db-{n}", "10.0.{n}.7", "/var/log/app-{n}", "err_{n}", "0x{n:x}"),
    "ECONNRESET{n}",
)


def _texts(chat: Path | None, count: int, chance: random.Random) -> list[str]:
    if chat is None:
        words = [f"{a}{b}" for a in ("pool", "node", "disk", "queue", "cache") for b in range(400)]
        said = [" ".join(chance.choices(words, k=9)) for _ in range(20_000)]
    else:
        with gzip.open(chat, "rt") as lines:
            said = [line["text"] for line in map(json.loads, lines) if line["kind"] != "rename"]
    # Every twentieth message names something that hardly any other does.
    return [
        f"{said[n % len(said)]} {chance.choice(_IDENTIFIERS).format(n=n)}"
        if n % 20 == 0
        else said[n % len(said)]
        for n in range(count)
    ]


def _searches(texts: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """What people look for: words of messages, pairs, phrases, parts, exclusions, identifiers."""
    found: list[str] = []
    while len(found) < count:
        words = [w for w in _WORD.findall(chance.choice(texts)) if w.lower() != "or"]
        if len(words) < 3:
            continue
        one, two, *_ = chance.sample(words, 2)
        place = chance.randrange(len(words) - 1)
        found.append(
            chance.choice(
                [
                    one,
                    one,
                    f"{one} {two}",
                    f'"{words[place]} {words[place + 1]}"',
                    max(words, key=len)[1:-1] + " " + one,
                    f"{one} -{two}x",
                    f"{one} or {two}",
                    chance.choice(_IDENTIFIERS).format(n=chance.randrange(len(texts)) // 20 * 20),
                    f"nobodysaid{chance.randrange(1000)}",
                ]
            )
        )
    return found


async def _fill(url: str, rooms: Sequence[str], texts: Sequence[str]) -> float:
    """Insert as the projector does, in batches with all indexes; give the rows per second."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "roomlog, public"})
    await connection.execute(
        "INSERT INTO incident_rooms SELECT unnest($1::uuid[]), 'bench', NULL, NULL, 'open', "
        "'ana', now(), generate_series(1, cardinality($1)), 0",
        rooms,
    )
    await connection.execute(
        "INSERT INTO projection_checkpoint VALUES (0, 'bench', $1, NULL, NULL, now(), 0, NULL)",
        len(texts),
    )
    began = time.perf_counter()
    for start in range(0, len(texts), _BATCH):
        numbers = list(range(start, min(start + _BATCH, len(texts))))
        await connection.execute(
            "INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, "
            "content, content_html, metadata, created_at, version) "
            "SELECT i, r, s, u, 'text', c, c, '{}', now(), s FROM "
            "unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[]) "
            "AS t (i, r, s, u, c)",
            [UUID(int=n) for n in numbers],
            [rooms[n % len(rooms)] for n in numbers],
            [n + 1 for n in numbers],
            [f"user{n % 97}@example.org" for n in numbers],
            [texts[n] for n in numbers],
        )
    rate = len(texts) / (time.perf_counter() - began)
    await connection.execute("VACUUM ANALYZE messages")
    await connection.close()
    return rate


async def _bare_ms(model: PostgresReadModel, rooms: Sequence[str], messages: int) -> list[float]:
    times = []
    for n in range(_BARE_READS):
        before = messages - n * 7919 % (messages // 2)
        began = time.perf_counter()
        await model.messages(MessageQuery(rooms[n % len(rooms)], _LIMIT, before=before))
        times.append((time.perf_counter() - began) * 1000)
    return times


async def _search_ms(
    model: PostgresReadModel, rooms: Sequence[str], searches: Sequence[str], order: SearchOrder
) -> list[tuple[float, str]]:
    times = []
    for n, text in enumerate(searches):
        began = time.perf_counter()
        sought = parse_search(text)
        asked = MessageQuery(room_id=rooms[n % len(rooms)], limit=_LIMIT)
        page = await model.search(asked, sought, order, None)
        for hit in page.hits:
            highlight(hit.message.content, sought, hit.marked)
        times.append(((time.perf_counter() - began) * 1000, text))
    return times


def _shares(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    places = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {name: ordered[int(len(times) * share) - 1] for name, share in places.items()} | {
        "max_ms": ordered[-1]
    }


async def _measure(
    url: str, *, chat: Path | None, messages: int, searches: int, seed: int, slowest: int
) -> dict[str, Any]:
    chance = random.Random(seed)
    texts = _texts(chat, messages, chance)
    results: dict[str, Any] = {"messages": messages, "searches": searches, "seed": seed}
    for name, count in (("twenty rooms", 20), ("one room", 1)):
        rooms = [str(UUID(int=n)) for n in range(count)]
        database = f"bench{count}"
        await _create(url, database)
        place = f"{url.rsplit('/', 1)[0]}/{database}"
        await migrate(place)
        inserted = await _fill(place, rooms, texts)
        sought = _searches(texts, searches, chance)
        async with open_pool(place, size=1) as pool:
            model = PostgresReadModel(pool)
            await _search_ms(model, rooms, sought[:20], SearchOrder.NEWEST)
            bare = _shares(await _bare_ms(model, rooms, messages))
            one: dict[str, Any] = {"inserted_per_second": inserted, "bare": bare}
            for order in SearchOrder:
                timed = await _search_ms(model, rooms, sought, order)
                times = [ms for ms, _ in timed]
                shares = _shares(times)
                one[order.value] = {
                    **shares,
                    "within_20_ms": sum(ms <= 20 for ms in times) / len(times),
                    "slowest": sorted(timed, reverse=True)[:slowest],
                }
        results[name] = one
    return results


async def _create(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


@click.command()
@click.option("--messages", default=200_000, show_default=True)
@click.option("--searches", default=400, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--chat", type=click.Path(exists=True, path_type=Path), help="Lines with `text`.")
@click.option("--slowest", default=0, help="How many of the slowest searches to name.")
@json_option
def main(
    *,
    messages: int,
    searches: int,
    seed: int,
    chat: Path | None,
    slowest: int,
    json_file: Path | None,
) -> None:
    """Search messages made of real chat where it is found, else of made-up words."""
    chat = chat or (_CHAT if _CHAT.exists() else None)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with run_postgres(Path(folder)) as server:
            results = asyncio.run(
                _measure(
                    server.url,
                    chat=chat,
                    messages=messages,
                    searches=searches,
                    seed=seed,
                    slowest=slowest,
                )
            )
    tell(_found(results), json_file)


def _found(results: dict[str, Any]) -> list[Measured]:
    found: list[Measured] = []
    for name in ("twenty rooms", "one room"):
        one = results[name]
        for order in SearchOrder:
            told = one[order.value]
            details = {
                "searches": _times(told),
                "plain pages": _times(one["bare"]),
                "within 20 ms": f"{told['within_20_ms']:.1%}",
                "inserted a second with all indexes": one["inserted_per_second"],
            }
            details |= {f"slow: {text}": f"{ms:.1f} ms" for ms, text in told["slowest"]}
            found.append(
                Measured(
                    f"search, {name}, {order.value}: p95",
                    told["p95_ms"],
                    "ms",
                    one["bare"]["p95_ms"],
                    f"a plain page of {_LIMIT}",
                    more_is_better=False,
                    details=details,
                )
            )
    return found


def _times(told: dict[str, float]) -> dict[str, float]:
    return {name: told[name] for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}


if __name__ == "__main__":
    main()

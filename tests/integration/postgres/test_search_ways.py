"""However a search goes through the tables (in order, by the planner's choice, by the indexes), it
finds the same; and so it does when the newest must be gone through, and more, and then the rest."""

import random
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from roomlog.core.search_query import parse_search
from roomlog.ports import MessageQuery, SearchPlace
from roomlog.postgres import PostgresReadModel, open_pool, search
from roomlog.postgres.connection import server_settings
from roomlog.postgres.search import Range, Statement
from roomlog_contract.types import SearchOrder

ROOM = str(UUID(int=1))
MESSAGES = 3_000
WORDS = (
    *("it", "is", "up", "the", "pool", "pools", "restart", "restarting", "with", "without", "db"),
    *(
        "数据库",
        "重启",
        "据库",
        "サーバー",
        "ข้อมูล",
        "INC-42",
        "10.0.3",
        "reset",
        "ECONNRESET",
        "naïve",
    ),
)
QUERIES = (
    *("it", "pool", "pools up", "restart is", "with up", "with up db", "without the", "naive"),
    *(
        '"it is"',
        '"is it"',
        '"the pool" up',
        '"up the" with',
        "pool -it",
        'with -"it is"',
        "-up the",
    ),
    *(
        "数据",
        "据库 is",
        "重启 pool",
        "ข้อ",
        "サー or it is",
        "INC-4 up",
        "10.0 is",
        "econn is",
        "set it",
    ),
    *('"数据库 重启"', 'up "数据库"', "is or with up", '"pool restart" or db it'),
)


def texts() -> list[str]:
    chance = random.Random(7)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in range(MESSAGES)]


@pytest.fixture
async def filled(database: str) -> str:
    connection = await asyncpg.connect(database, server_settings=server_settings())
    await connection.execute(
        "INSERT INTO incident_rooms VALUES ($1, 'r', NULL, NULL, 'open', 'ana', now(), 0, 0)", ROOM
    )
    await connection.execute(
        "INSERT INTO projection_checkpoint VALUES (0, 'e', $1, NULL, NULL, now(), 0, NULL)",
        MESSAGES,
    )
    await connection.execute(
        "INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, "
        "content, content_html, metadata, created_at, version) "
        "SELECT lpad(to_hex(n), 32, '0')::uuid, $1::uuid, n, 'ana', 'text', c, '', '{}', now(), n "
        "FROM unnest($2::text[]) WITH ORDINALITY AS t (c, n)",
        ROOM,
        texts(),
    )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return database


async def sequences(
    connection: "asyncpg.Connection[Any]", q: str, name: str, *, bitmaps: bool = True
) -> list[int]:
    await connection.execute(f"SET enable_bitmapscan = {bitmaps}")
    await connection.execute(f"SET enable_seqscan = {not bitmaps}")
    statement = Statement(parse_search(q))
    values = statement.parameters(MessageQuery(ROOM, 50), Range(2**62, -1), MESSAGES)
    rows = await connection.fetch(statement.text(name, ascending=False), *values)
    return [row["sequence_number"] for row in rows]


async def test_every_way_finds_the_same(filled: str):
    connection = await asyncpg.connect(filled, server_settings=server_settings())
    for q in QUERIES:
        found = await sequences(connection, q, "search_window")
        assert found, q
        for name in ("search_range", "search_rest"):
            for bitmaps in (True, False):
                assert await sequences(connection, q, name, bitmaps=bitmaps) == found, (q, name)
    await connection.close()


@pytest.fixture
async def reads(filled: str) -> AsyncGenerator[PostgresReadModel]:
    async with open_pool(filled, size=1) as pool:
        yield PostgresReadModel(pool)


@pytest.mark.parametrize("order", SearchOrder)
@pytest.mark.parametrize("after", [None, 0])
async def test_windows_and_the_rest_follow_each_other_without_a_seam(
    reads: PostgresReadModel, order: SearchOrder, after: int | None, monkeypatch: pytest.MonkeyPatch
):
    async def pages(q: str) -> list[str]:
        asked = MessageQuery(ROOM, 40, after=after)
        found: list[str] = []
        at: SearchPlace | None = None
        while True:
            page = await reads.search(asked, parse_search(q), order, at)
            found += [hit.message.message_id for hit in page.hits]
            at = page.following
            if at is None:
                return found

    monkeypatch.setattr(search, "WINDOW_MESSAGES", 10 * MESSAGES)
    whole = {q: await pages(q) for q in QUERIES}
    monkeypatch.setattr(search, "WINDOW_MESSAGES", 20)
    for windows_max, passed_max in ((50, 400), (30, 10 * MESSAGES), (20, 0)):
        monkeypatch.setattr(search, "WINDOW_MESSAGES_MAX", windows_max)
        monkeypatch.setattr(search, "PASSED_MESSAGES_MAX", passed_max)
        for q in QUERIES:
            assert await pages(q) == whole[q], (q, windows_max, passed_max)
            assert len(set(whole[q])) == len(whole[q])


EDITED_EVERY, MOMENTS = 3, (700, 2_999, 3_500, 4_050)


@pytest.fixture
async def changed(filled: str) -> str:
    """The same room after every third message was edited and every ninth of these deleted, and
    one room beside it for each moment, which says in the present what this one said then."""
    connection = await asyncpg.connect(filled, server_settings=server_settings())
    for statement in _CHANGE:
        await connection.execute(statement)
    for number, moment in enumerate(MOMENTS, 2):
        await connection.execute(
            "INSERT INTO incident_rooms VALUES ($1, 'r', NULL, NULL, 'open', 'a', now(), 0, 0)",
            str(UUID(int=number)),
        )
        await connection.execute(_AS_PRESENT, str(UUID(int=number)), moment)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return filled


_CHANGE = (
    # The edit of message n stands at 3000 + n / 3, and says what message n - 1 says.
    f"""INSERT INTO message_edit_history SELECT m.sequence_number, m.message_id, m.room_id,
        {MESSAGES} + m.sequence_number / {EDITED_EVERY}, 'edit', m.content, '{{}}', m.version, NULL,
        'ana', now(), NULL
        FROM messages AS m WHERE m.sequence_number % {EDITED_EVERY} = 0""",
    f"""UPDATE messages AS m SET version = {MESSAGES} + m.sequence_number / {EDITED_EVERY},
        content = before.content, edited_at = now() FROM messages AS before
        WHERE before.sequence_number = m.sequence_number - 1
        AND m.sequence_number % {EDITED_EVERY} = 0""",
    # Its deletion at 4000 + n / 27.
    f"""INSERT INTO message_edit_history SELECT 100000 + m.sequence_number, m.message_id, m.room_id,
        {MESSAGES} + 1000 + m.sequence_number / 27, 'delete', m.content, '{{}}', m.version, NULL,
        'ana', now(), NULL
        FROM messages AS m WHERE m.sequence_number % 27 = 0""",
    f"""UPDATE messages SET version = {MESSAGES} + 1000 + sequence_number / 27, content = '',
        deleted_at = now() WHERE sequence_number % 27 = 0""",
)
# Written as a fold would say it: what stood is the last that began at or before the moment.
_AS_PRESENT = """
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
SELECT gen_random_uuid(), $1::uuid, m.sequence_number, 'ana', 'text', v.content, '', '{}', now(),
    m.sequence_number
FROM messages AS m
CROSS JOIN LATERAL (
    SELECT content FROM (
        SELECT h.original_content AS content, h.original_version AS began
        FROM message_edit_history AS h WHERE h.message_id = m.message_id
        UNION ALL
        SELECT CASE WHEN m.deleted_at IS NULL THEN m.content END, m.version
    ) AS versions
    WHERE began <= $2 ORDER BY began DESC LIMIT 1
) AS v
WHERE m.room_id = '00000000-0000-0000-0000-000000000001' AND m.sequence_number <= $2
    AND v.content IS NOT NULL
"""


@pytest.mark.parametrize("order", SearchOrder)
@pytest.mark.parametrize("windows", [(10 * MESSAGES, 0), (20, 400), (20, 0)])
async def test_as_of_a_moment_is_found_what_was_found_then(
    changed: str, order: SearchOrder, windows: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search, "WINDOW_MESSAGES", windows[0])
    monkeypatch.setattr(search, "WINDOW_MESSAGES_MAX", windows[0])
    monkeypatch.setattr(search, "PASSED_MESSAGES_MAX", windows[1])
    async with open_pool(changed, size=1) as pool:
        reads = PostgresReadModel(pool)

        async def found(asked: MessageQuery, q: str) -> list[tuple[int, str, str | None]]:
            hits: list[tuple[int, str, str | None]] = []
            at: SearchPlace | None = None
            while True:
                page = await reads.search(asked, parse_search(q), order, at)
                hits += [
                    (hit.message.sequence_number, hit.message.content, hit.marked)
                    for hit in page.hits
                ]
                at = page.following
                if at is None:
                    return hits

        for number, moment in enumerate(MOMENTS, 2):
            for q in QUERIES[::5]:
                for after in (None, 0) if order is SearchOrder.NEWEST else (None,):
                    asked = MessageQuery(ROOM, 200, after=after, as_of=moment)
                    present = MessageQuery(str(UUID(int=number)), 200, after=after)
                    assert await found(asked, q) == await found(present, q), (moment, q)
        assert not await found(MessageQuery(ROOM, 200, as_of=0), "it")

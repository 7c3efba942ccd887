"""Every named read goes over an index, however large the tables."""

import asyncio
import json
import tempfile
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from roomlog.core.search_query import parse_search
from roomlog.embedded.postgres import run_postgres
from roomlog.ports import PAGE_BYTES_MAX, MessageQuery
from roomlog.postgres import search
from roomlog.postgres.connection import server_settings
from roomlog.postgres.migrate import migrate
from roomlog.postgres.queries import page_of_messages, query

SQL = Path(search.__file__).parent / "sql"
ROOMS, MESSAGES = 2_000, 60_000
ROOM, LARGE_ROOM = str(UUID(int=7)), str(UUID(int=8))
MESSAGE = str(UUID(int=2007))
NOW = datetime.now(UTC)

# Tables that stay small: one row a partition, or hardly any.
SMALL = {"projection_checkpoint", "tree_checkpoint", "redactions", "findings"}
READS = {
    "checkpoint": [0],
    "checkpoints": [],
    "count_explained": [0],
    "dead_events": [0],
    "find_event": [MESSAGE],
    "find_redactions": [0, 100, 200],
    "findings": [1],
    "leaf_run_by_sequence": [ROOM, 30_000],
    "leaf_runs_between": [ROOM, 3, 5],
    "live_positions": [],
    "load_messages": [[MESSAGE]],
    "load_rooms": [[ROOM]],
    "load_seen": [[MESSAGE]],
    "load_trees": [[ROOM]],
    "members": [ROOM, "", 50],
    "message": [MESSAGE],
    "message_as_of": [MESSAGE, 30_000],
    "message_state": [MESSAGE],
    "messages_after": [ROOM, 2**63 - 1, 10, NOW, "text", "user1", 50],
    "messages_after_as_of": [ROOM, 2**63 - 1, 10, NOW, "text", "user1", 50, 30_000],
    "messages_before": [ROOM, 30_000, -1, NOW, "text", "user1", 50],
    "messages_before_as_of": [ROOM, 30_000, -1, NOW, "text", "user1", 50, 30_000],
    "often_changed_rooms": [256],
    "position": [0],
    "room_changes": [ROOM, 30_000],
    "room_head": [ROOM, "e"],
    "room": ["user1", ROOM, 30_000, None],
    "room_stats": [ROOM, 100],
    "rooms": ["user1", False, [ROOM], [5], 0, str(UUID(int=0)), 50],
    "search_edge": [ROOM, 2**63 - 1, -1, 100],
    "search_head": [ROOM],
    "search_hits": [[MESSAGE], "pool or leak"],
    "tree_nodes_between": [ROOM, 8, 0, 5],
    "tree_position": [0],
    "tree_statuses": [],
    "versions": [MESSAGE, 0, 50],
}
WRITES = {
    *("forget_room", "end_projector"),
    *("add_dead", "count_dead", "first_position", "halt", "move_position"),
    *("add_finding", "add_leaf_runs", "add_redaction", "add_tree_nodes", "forget_positions"),
    *("forget_trees", "put_trees", "tree_first_position", "tree_forget", "tree_halt", "tree_move"),
}
# Of every room, and so of the whole table of their trees.
OF_ALL_ROOMS = {"heads": [], "heads_at": [[0], [30_000]]}
SEARCHES = {
    *("search_window", "search_range", "search_rest"),
    *("search_window_as_of", "search_rest_as_of", "search_hits_as_of"),
}

_FILL = f"""
INSERT INTO incident_rooms SELECT lpad(to_hex(n), 32, '0')::uuid, 'room', NULL, NULL, 'open',
    'user1', now(), n, 0 FROM generate_series(0, {ROOMS - 1}) AS n;
INSERT INTO room_members SELECT room_id, 'user' || n, 'responder', now(), NULL
    FROM incident_rooms, generate_series(1, 30) AS n
    WHERE n > 1 OR created_sequence < 5;
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % {ROOMS}), 32, '0')::uuid, n,
    'user' || n % 31, 'text', 'word' || md5(n::text) || ' pool' || n % 977, '', '{{}}',
    now() - n * interval '1 second', n FROM generate_series(1, {MESSAGES}) AS n;
INSERT INTO messages (message_id, room_id, sequence_number, sender_id, message_type, content,
    content_html, metadata, created_at, version)
    SELECT lpad(to_hex(n), 32, '0')::uuid, '{LARGE_ROOM}', n, 'user1', 'text',
    'word' || md5(n::text) || ' pool' || n % 977, '', '{{}}', now(), n
    FROM generate_series(100000, 140000) AS n;
INSERT INTO message_counts SELECT m.room_id, s, m.sequence_number / 100, count(*)
    FROM messages AS m, LATERAL (VALUES (''), (m.sender_id)) AS v (s) GROUP BY 1, 2, 3;
INSERT INTO message_reactions SELECT sequence_number, message_id, 'user1', 'x', sequence_number,
    now() FROM messages;
INSERT INTO message_reaction_spans SELECT sequence_number, message_id, 'user2', 'x',
    sequence_number, now(), sequence_number + 1, now() FROM messages;
INSERT INTO message_edit_history SELECT sequence_number, message_id, room_id, sequence_number,
    'edit', 'before', '{{}}', 1, NULL, 'user1', now(), NULL FROM messages;
INSERT INTO processed_events SELECT lpad(to_hex(n + 1000000), 32, '0')::uuid,
    lpad(to_hex(n % {ROOMS}), 32, '0')::uuid, n, 'applied', lpad(to_hex(n), 32, '0')::uuid
    FROM generate_series(1, {MESSAGES}) AS n;
INSERT INTO dead_events SELECT 0, n, 'room', lpad(to_hex(n), 32, '0')::uuid, 'e', '', now()
    FROM generate_series(1, 5000) AS n;
INSERT INTO roomlog_audit.tree_checkpoint VALUES (0, 'e', {MESSAGES}, NULL, now(), 0, NULL);
INSERT INTO roomlog_audit.trees SELECT room_id, 0, 40, '', '', {MESSAGES} FROM incident_rooms;
INSERT INTO roomlog_audit.leaf_runs SELECT room_id, n, n * 1500, '', '', ''
    FROM incident_rooms, generate_series(0, 39) AS n;
INSERT INTO roomlog_audit.tree_nodes SELECT room_id, 8, n, '' FROM incident_rooms,
    generate_series(0, 39) AS n;
INSERT INTO roomlog_audit.redactions SELECT 0, n, '{ROOM}', '', n + 1
    FROM generate_series(1, 5000) AS n;
INSERT INTO roomlog_audit.findings SELECT 0, n, 'erased', n, '', now()
    FROM generate_series(1, 5000) AS n;
INSERT INTO projection_checkpoint VALUES (0, 'e', {MESSAGES}, NULL, NULL, now(), 0, NULL);
"""


@pytest.fixture(scope="module")
def filled() -> Generator[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with run_postgres(Path(folder)) as server:
            asyncio.run(_fill(server.url))
            yield server.url


async def _fill(url: str) -> None:
    await migrate(url)
    connection = await asyncpg.connect(url, server_settings=server_settings())
    await connection.execute(_FILL)
    # So that ANALYZE reads the tables wholly: from a sample it would learn something else each time.
    await connection.execute("SET default_statistics_target = 10000")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def plan(url: str, statement: str, values: Sequence[object]) -> dict[str, Any]:
    connection = await asyncpg.connect(url, server_settings=server_settings())
    try:
        told = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *values)
    finally:
        await connection.close()
    return json.loads(told)[0]["Plan"]


def nodes(node: dict[str, Any]) -> Generator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def scanned(found: dict[str, Any]) -> list[str]:
    """Tables that are read from one end to the other."""
    return [
        node["Relation Name"]
        for node in nodes(found)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in SMALL
    ]


def test_every_named_query_is_tried() -> None:
    assert {
        path.stem for path in SQL.glob("*.sql")
    } == READS.keys() | WRITES | SEARCHES | OF_ALL_ROOMS.keys()


async def test_hits_of_the_past_are_read_by_indexes(filled: str) -> None:
    assert (
        scanned(await plan(filled, search.hits_as_of(), [[MESSAGE], "pool or leak", 30_000])) == []
    )


def text_of(name: str) -> str:
    """The query as it is asked."""
    if name.startswith(("messages_before", "messages_after")):
        direction = name.removesuffix("_as_of")
        return page_of_messages(direction, past=name != direction, bytes_max=PAGE_BYTES_MAX)
    return query(name)


@pytest.mark.parametrize("name", READS)
async def test_a_named_read_uses_indexes(filled: str, name: str) -> None:
    assert scanned(await plan(filled, text_of(name), READS[name])) == []


@pytest.mark.parametrize("name", OF_ALL_ROOMS)
async def test_what_is_of_all_rooms_reads_only_their_trees_as_a_whole(
    filled: str, name: str
) -> None:
    assert set(scanned(await plan(filled, query(name), OF_ALL_ROOMS[name]))) <= {"trees"}


async def test_rooms_of_a_user_are_reached_by_their_memberships(filled: str) -> None:
    found = await plan(filled, query("rooms"), READS["rooms"])
    assert {"ix_room_members_user_id", "incident_rooms_pkey"} <= indexes(found)


@pytest.mark.parametrize("name", ["messages_before_as_of", "messages_after_as_of"])
@pytest.mark.parametrize("depth", [0.01, 0.5, 0.99])
async def test_a_page_of_the_past_reads_no_more_than_itself_at_any_depth(
    filled: str, name: str, depth: float
) -> None:
    as_of = 100_000 + int(40_000 * depth)
    values = [LARGE_ROOM, 2**63 - 1, as_of - 60, None, None, None, 50, as_of]
    found = await plan(filled, text_of(name), values)
    assert scanned(found) == []
    assert {
        "ix_messages_room_id_sequence_number",
        "ix_message_edit_history_message_id",
        "ix_message_reactions_message_id",
        "ix_message_reaction_spans_message_id",
    } <= {
        index.replace(
            "uq_message_reactions_message_id_user_id_emoji", "ix_message_reactions_message_id"
        )
        for index in indexes(found)
    }
    assert not [
        node
        for node in nodes(found)
        if node["Node Type"] == "Bitmap Heap Scan" and node["Relation Name"] == "messages"
    ]


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("ranked_at", [None, 30_000])
async def test_the_newest_are_gone_through_by_their_index(
    filled: str, *, ascending: bool, ranked_at: int | None
) -> None:
    found = await explained(
        filled, "search_window", "pool", ascending=ascending, ranked_at=ranked_at
    )
    assert scanned(found) == []
    assert "ix_messages_room_id_sequence_number" in indexes(found)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("wordabcdef", "ix_messages_content_trigrams"),
        ("INC-4211", "ix_messages_content_trigrams"),
        ('"pool7 leak"', "ix_messages_search"),
        ("zz", "ix_messages_search"),
        ("nothing or zz", "ix_messages_search"),
    ],
)
async def test_rare_terms_are_found_by_their_indexes(filled: str, text: str, index: str) -> None:
    found = await explained(filled, "search_rest", text)
    assert scanned(found) == []
    assert index in indexes(found)


async def explained(
    url: str, name: str, text: str, *, ascending: bool = False, ranked_at: int | None = None
) -> dict[str, Any]:
    statement = search.Statement(parse_search(text), ranked_at=ranked_at)
    values = statement.parameters(
        MessageQuery(LARGE_ROOM, 50), search.Range(2**63 - 1, -1, ascending), 50
    )
    return await plan(url, statement.text(name, ascending=ascending), values)


def indexes(found: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(found) if "Index Name" in node}

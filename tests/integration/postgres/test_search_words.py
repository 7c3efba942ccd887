"""The short way to the words of plain text gives the words that the long way gives."""

import gzip
import json
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_CHAT = Path(__file__).parents[4] / "shared" / "data" / "irc-ubuntu.jsonl.gz"

# What is searched, said in one way for all text.
_LONG_WAY = """
SELECT content FROM (
    SELECT content, public.roomlog_search_text("left"(content, 65536)) AS words
    FROM unnest($1::text[]) AS u (content)
) AS n
WHERE public.roomlog_search_vector(content) IS DISTINCT FROM (
    setweight(to_tsvector('pg_catalog.simple', words), 'A')
    || to_tsvector('pg_catalog.english', words)
)
"""

# All that the parser knows how to take together is made of such pieces.
_PIECES = (
    *("a", "b", "E", "x", "ing", "running", "don", "t", "Cafe", "Z9", "q2w", "0x1F", "5th", "1e5"),
    *("1", "22", "007", "www", "com", "org", "html", "txt", "mailto", "http", "https", "ftp"),
    *("amp", "nbsp", "lt", "http://", "&amp;", "<b>", "</b>", "--", "../", "1.5", "-7", "a@b.com"),
)
_SIGNS = "".join(chr(code) for code in range(1, 128) if not chr(code).isalnum())
_ascii = st.lists(
    st.sampled_from(_PIECES) | st.text(_SIGNS, min_size=1, max_size=2) | st.sampled_from(_SIGNS),
    max_size=16,
).map("".join)


async def differing(database: str, texts: list[str]) -> list[str]:
    connection = await asyncpg.connect(database)
    try:
        return [row["content"] for row in await connection.fetch(_LONG_WAY, texts)]
    finally:
        await connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(_ascii | st.text(st.characters(exclude_characters="\0"))))
async def test_any_text_has_the_words_of_the_long_way(database: str, texts: list[str]):
    assert not await differing(database, [f.encode("utf-8", "replace").decode() for f in texts])


async def test_each_sign_between_words_and_numbers_parts_them_as_the_long_way_does(database: str):
    pieces = ("ab", "1", "a1", "http", "amp")
    texts = [
        f"{before}{signs}{after}"
        for one in _SIGNS
        for signs in (one, *(one + other for other in ".-/<&+~@_: "))
        for before in ("", *pieces)
        for after in ("", *pieces)
    ]
    assert not await differing(database, texts)


async def test_text_is_searched_in_its_first_characters_only(database: str):
    texts = [f"{'a' * 65_535}{end}" for end in ("bc", ".bc", "-bc", "é", "/b.c")]
    assert not await differing(database, [*texts, "x " * 40_000, "1.5 " * 20_000])


@pytest.mark.skipif(not _CHAT.exists(), reason=f"there is no {_CHAT.name} beside this checkout")
async def test_real_chat_has_the_words_of_the_long_way(database: str):
    with gzip.open(_CHAT) as file:
        texts = [json.loads(line)["text"].replace("\0", "") for line in file]
    assert texts
    assert not await differing(database, texts)

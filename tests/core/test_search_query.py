"""What somebody types to search, and where each term is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.search_query import (
    QUERY_BYTES_MAX,
    TERMS_MAX,
    Route,
    SearchQuery,
    Term,
    parse_search,
)
from roomlog_contract.errors import ErrorCode, RefusedError


def word(text: str) -> Term:
    return Term(text, Route.WORD)


def test_all_terms_of_an_alternative_are_asked_for() -> None:
    assert parse_search("  pool \n exhausted ") == SearchQuery(((word("pool"), word("exhausted")),))


@pytest.mark.parametrize("between", ["or", "OR", "Or"])
def test_or_begins_another_alternative(between: str) -> None:
    assert parse_search(f"pool leak {between} timeout") == SearchQuery(
        ((word("pool"), word("leak")), (word("timeout"),))
    )


@pytest.mark.parametrize("text", ["or pool", "pool or", "pool or or", "or or pool or"])
def test_an_or_with_nothing_on_one_side_means_nothing(text: str) -> None:
    assert parse_search(text) == SearchQuery(((word("pool"),),))


def test_quotes_make_phrases_and_one_that_is_not_closed_reaches_to_the_end() -> None:
    assert parse_search('"too  many\nclients" now') == SearchQuery(
        ((Term("too many clients", Route.PHRASE), word("now")),)
    )
    assert parse_search('now "too many or') == SearchQuery(
        ((word("now"), Term("too many or", Route.PHRASE)),)
    )


def test_a_minus_excludes_whole_words_and_phrases() -> None:
    assert parse_search('pool -leaks -"by design" -db-7 -->') == SearchQuery(
        (
            (
                word("pool"),
                Term("leaks", Route.WHOLE_WORD, excluded=True),
                Term("by design", Route.PHRASE, excluded=True),
                Term("db-7", Route.PHRASE, excluded=True),
                Term("->", Route.SUBSTRING, excluded=True),
            ),
        )
    )


@pytest.mark.parametrize(
    "identifier",
    ["INC-4211", "db-7", "/var/log", "10.0.3.7", "E2E", "503", "user_id", "List<String>", "🔥"],
)
def test_identifiers_are_looked_for_as_they_are(identifier: str) -> None:
    assert parse_search(identifier) == SearchQuery(((Term(identifier, Route.SUBSTRING),),))


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("ECONNRESET", Route.WORD),
        ("база", Route.WORD),
        ("数据库", Route.WORD),
        ("cafe\u0301", Route.WORD),
        ("up", Route.WHOLE_WORD),
        ("数据", Route.WHOLE_WORD),
        ("7", Route.WHOLE_WORD),
        ('"10.0.3.7"', Route.PHRASE),
        ('"***"', Route.SUBSTRING),
    ],
)
def test_each_term_goes_where_it_is_found(text: str, route: Route) -> None:
    ((term,),) = parse_search(text).alternatives
    assert term.route is route


def test_punctuation_that_ends_a_word_is_left_out() -> None:
    assert parse_search("down? timeout: 10.0.3.7.") == SearchQuery(
        ((word("down"), word("timeout"), Term("10.0.3.7", Route.SUBSTRING)),)
    )
    assert parse_search("...") == SearchQuery(((Term("...", Route.SUBSTRING),),))


def test_repeated_terms_count_once() -> None:
    assert parse_search("pool pool or pool").wanted == [word("pool")]
    assert parse_search("pool " * TERMS_MAX * 2) == SearchQuery(((word("pool"),),))


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "-", '""', '-""', "or", "or or", "- -"),
        *("-pool", "leak or -pool", '-"by design" -leak'),
        *("\x00", "po\x00ol", "\ud800"),
        "é" * (QUERY_BYTES_MAX // 2 + 1),
        " ".join(f"w{n}x" for n in range(TERMS_MAX + 1)),
    ],
)
def test_what_asks_for_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_search(text)
    assert refused.value.code is ErrorCode.INVALID
    assert [error.field for error in refused.value.errors] == ["q"]


@given(st.text(max_size=60) | st.text('ab-" or\n.é数7', max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        query = parse_search(text)
    except RefusedError:
        return
    assert query.wanted
    for terms in query.alternatives:
        assert any(not term.excluded for term in terms)
        assert all(term.text.strip() for term in terms)
    assert sum(map(len, query.alternatives)) <= TERMS_MAX

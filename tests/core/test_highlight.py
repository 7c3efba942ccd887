"""What is shown of a message that was found."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.highlight import (
    HIGHLIGHT_CHARS_MAX,
    HIGHLIGHT_MARKS_MAX,
    MARK_START,
    MARK_STOP,
    highlight,
)
from roomlog.core.search_query import parse_search
from roomlog_contract.errors import RefusedError

_MARKS = re.compile(r"</?mark>")


@pytest.mark.parametrize(
    ("content", "query", "expected"),
    [
        ("the Pool leaks", "pool", "the <mark>Pool</mark> leaks"),
        ("see INC-42117", "INC-4211", "see <mark>INC-4211</mark>7"),
        ("too many, clients", '"many clients"', "too <mark>many, clients</mark>"),
        ("<b>pool</b>", "pool", "&lt;b&gt;<mark>pool</mark>&lt;/b&gt;"),
        ("a<b", "a<b", "<mark>a&lt;b</mark>"),
        ("the café is shut", "cafe", "the <mark>café</mark> is shut"),
        ("主数据库坏了", "数据", "主<mark>数据</mark>库坏了"),
        ("upset, but up", "up", "upset, but <mark>up</mark>"),
        ("nothing of it", "pool", "nothing of it"),
        ("pool and leak", "pool -leak", "<mark>pool</mark> and leak"),
        ("", "pool", ""),
    ],
)
def test_what_was_found_is_marked(content: str, query: str, expected: str) -> None:
    assert highlight(content, parse_search(query)) == expected


def test_marks_by_stem_are_added_where_they_are_of_this_text() -> None:
    query = parse_search("restart node")
    content = "restarting <all> nodes"
    marked = f"{MARK_START}restarting{MARK_STOP} <all> {MARK_START}nodes{MARK_STOP}"
    assert highlight(content, query, marked) == (
        "<mark>restarting</mark> &lt;all&gt; <mark>nodes</mark>"
    )
    assert highlight(content, query, f"{MARK_START}other{MARK_STOP} text") == (
        "<mark>restart</mark>ing &lt;all&gt; <mark>node</mark>s"
    )


def test_a_long_text_is_cut_about_the_first_mark() -> None:
    content = "before " * 200 + "needle" + " after" * 200
    shown = highlight(content, parse_search("needle"))
    assert shown.startswith("…before ")
    assert shown.endswith("…")
    assert "<mark>needle</mark>" in shown
    assert len(_MARKS.sub("", shown).strip("…")) <= HIGHLIGHT_CHARS_MAX
    last = highlight("x " * 500 + "needle", parse_search("needle"))
    assert last.endswith("<mark>needle</mark>")


def test_marks_are_counted() -> None:
    shown = highlight("a. " * 70, parse_search("a"))
    assert shown.count("<mark>") == HIGHLIGHT_MARKS_MAX


@given(
    st.text(max_size=400) | st.text("<b>&\"' aé\u0301數k", max_size=400),
    st.text(min_size=1, max_size=20),
    st.text("<>/&mark \x02\x03a", max_size=60) | st.none(),
)
def test_nothing_but_mark_is_an_element_and_the_text_is_the_message_s(
    content: str, asked: str, marked: str | None
) -> None:
    try:
        query = parse_search(asked)
    except RefusedError:
        query = parse_search("mark")
    shown = highlight(content, query, marked)
    plain = _MARKS.sub("", shown)
    assert not set(plain) & set("<>\"'")
    assert shown.count("<mark>") == shown.count("</mark>")
    text = html.unescape(plain)
    assert text in content or text.strip("…") in content

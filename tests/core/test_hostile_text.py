"""No message costs much more than another of its length: to render, to look for mentions in, to
highlight, whatever it is made of. A library's worst case is an attacker's best message.

Every part is repeated to the length, alone and closed in reverse. Compared is CPU time with that of
half the text: twice is linear, four times quadratic.
"""

import time
from collections.abc import Callable

import pytest

from roomlog.core.content import prose, render_html
from roomlog.core.decide import Limits
from roomlog.core.highlight import highlight
from roomlog.core.mentions import find_mentions
from roomlog.core.search_query import parse_search

SIZE_BYTES = Limits().text_bytes_max
# Nothing is won with less than this, and a clock can't tell.
HARMLESS_S = 0.03
RATIO_MAX = 3.2
TRIES = 3
# A message as a page is at most so many times what was typed.
GROWTH_MAX = 60

# Each opens something of CommonMark or of its extensions, or almost does.
UNITS = (
    *(">", "> ", ">\n", "- ", "* ", "1. ", "1) ", "#", "    ", "\t", "- a\n  ", "> a\n"),
    *("*", "_", "**", "*a ", "a* ", "*a_ ", "**a *b ", "~", "~~a", "`", "``a", "`a``", "~~~\n"),
    *(
        "[",
        "]",
        "![",
        "[a](",
        "[a](<",
        "[a][",
        "[a]: b\n",
        "[](",
        "[a](b ",
        '[a](b "',
        "[[a]()",
        "\\[",
    ),
    *("<", "<a", "<!--", "<?", "<![CDATA[", "<a href='", "</", "&", "&#", "&amp", "&#x", "\\"),
    *(
        "http://",
        "www.",
        "_www.",
        "www._",
        "a@",
        "a@b.",
        "http://a.",
        "www.a.b/(",
        "http://a/)",
        "xmpp:a@",
        "mailto:a@b",
    ),
    *(
        "@",
        "@a",
        "@a@",
        "@room ",
        "a ",
        "é",
        "\u0301",
        "ﬁ",
        "İ",
        "|",
        "|a\n|-\n",
        "$",
        "\n",
        "\n\n",
        "\r",
    ),
)
MEMBERS = [f"a{n}@example.org" for n in range(500)]
_QUERY = parse_search('a "b a" http é fi "@a" -x')

_WAYS: dict[str, Callable[[str], object]] = {
    "rendered": render_html,
    "mentions": lambda text: find_mentions(text, MEMBERS),
    "prose": prose,
    "highlighted": lambda text: highlight(text, _QUERY),
}


def _cpu_s(way: Callable[[str], object], text: str, tries: int) -> float:
    best_s = float("inf")
    for _ in range(tries):
        begun_s = time.process_time()
        way(text)
        best_s = min(best_s, time.process_time() - begun_s)
    return best_s


def _texts(unit: str, size: int) -> list[str]:
    """The unit over and over, and with something after it that may close it."""
    count = size // len(unit.encode())
    half = count // 2
    return [
        unit * count,
        unit * half + unit[::-1] * half,
        unit * half + "a" + "])*_`~>" * (half // 7),
    ]


def slow(way: Callable[[str], object], unit: str) -> list[str]:
    """The texts of that unit which cost more than twice as much when they are twice as long."""
    found: list[str] = []
    for half, whole in zip(_texts(unit, SIZE_BYTES // 2), _texts(unit, SIZE_BYTES), strict=True):
        if _cpu_s(way, whole, 1) < HARMLESS_S:
            continue
        half_s, whole_s = _cpu_s(way, half, TRIES), _cpu_s(way, whole, TRIES)
        if whole_s >= HARMLESS_S and whole_s > RATIO_MAX * half_s:
            found.append(f"{whole[:20]!r}…: {half_s:.3f} s, {whole_s:.3f} s")
    return found


@pytest.mark.parametrize("way", _WAYS)
def test_no_text_costs_more_than_its_length(way: str):
    assert [told for unit in UNITS for told in slow(_WAYS[way], unit)] == []


def test_no_page_is_many_times_longer_than_what_was_typed():
    grown = {
        unit: len(render_html(text)) / SIZE_BYTES
        for unit in UNITS
        for text in _texts(unit, SIZE_BYTES)
    }

    assert {unit: times for unit, times in grown.items() if times > GROWTH_MAX} == {}


def test_what_is_worse_is_found_out():
    assert slow(lambda text: [sorted(text[:n]) for n in range(0, len(text), 16)], "a ")

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("checkout is slow", "checkout is slow"),
        ("é 漢字 🚒 👩‍🚒", "é 漢字 🚒 👩‍🚒"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("one\ntwo\r\x9b1m", r"one\x0atwo\x0d\x9b1m"),
        ("\u202egnp.exe\u2028\ufeff\u200b", r"\u202egnp.exe\u2028\ufeff\u200b"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_or_not_show_is_escaped(text: str, shown: str):
    assert printable(text) == shown


def test_lines_and_tabs_are_kept_where_asked_for():
    assert printable("one\ttwo\nthree\r\n", indent="  ") == "one\ttwo\n  three\\x0d\n  "


@given(s.text())
def test_no_text_leaves_a_control_character(text: str):
    categories = {unicodedata.category(char) for char in printable(text)} - {"Cf"}

    assert not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert set(printable(text)) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069") == set()

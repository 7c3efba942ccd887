"""No regular expression takes more than a little longer for each character of hostile input.

Every pattern of the source is tried, found by enumeration, so that a new one is as well. Time is
compared with the same pattern's on half of the input, in CPU seconds of the best of several tries:
twice is what linear costs, four times is quadratic.
"""

import importlib
import pkgutil
import re
import time
from types import ModuleType

import pytest

import projections
import roomlog
import roomlog_client
import roomlog_contract

SIZE_CHARS = 16_000
# Faster than this for all of it, nothing can be won by an attacker, and a clock can't tell.
HARMLESS_S = 0.05
RATIO_MAX = 3.2
TRIES = 3

# Used by match and fullmatch alone: nobody searches for them from every place of a text.
ANCHORED = {
    *("roomlog.audit.bundle_format._TO_BODY", "roomlog.core.leaves._TO_BODY"),
    *("roomlog.audit.export._ENVELOPE", "roomlog.audit.verify_bundle._ENVELOPE"),
    *("roomlog.http.proofs._SEQUENCES", "roomlog.tracing._TRACESTATE"),
    *("roomlog.http.requests._REQUEST_ID_GIVEN", "roomlog.http.requests._ENTITY_TAG"),
    "roomlog.core.room_tree._ORIGIN",
}
# Given only what the renderer wrote, which escapes what was typed and closes what it opens.
RENDERED = {"roomlog.core.content._CODE", "roomlog.core.content._TAG"}

# Each is repeated to the length; endings make a match fail at the last moment.
UNITS = (
    *("a", "0", " ", "\t", "\n", "-", ".", "@", "a@", "@a", "a.", "a-", "/", "\\", '"', "'", "`"),
    *("<", "<a", "<code", "<code>", "<>", "&", "&a", "{", "[", "{[", "(", ":", ";", ",", "=", "_"),
    *('\\"', '"a', 'a"', '-"', "-a", "a b", "0-", "1.", "www", "http", "http:", "https://", "A"),
    *('{"', ',"commit":"', ',"commit":"0"', '"0', "%", "%a", "\u00e9", "\u0301", "\u4e2d", "\\u"),
    *("roomlog.", "roomlog_contract.", "\u2014 ", "\u2014 a ", "Bearer ", "token=", "eyJ", "eyJ."),
    *("-- part: ", 'revision = "', "://", "://a:", "a:b@", "q=", "retry_after=", " DESC", ".a"),
)
ENDINGS = ("", "\x00")


def _modules() -> list[ModuleType]:
    found: list[ModuleType] = []
    for package in (roomlog, roomlog_client, roomlog_contract, projections):
        found.append(package)
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.endswith("__main__"):
                found.append(importlib.import_module(info.name))
    return found


def _patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    return {
        f"{module.__name__}.{name}": value
        for module in _modules()
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }


PATTERNS = _patterns()


def _cpu_s(
    pattern: re.Pattern[str] | re.Pattern[bytes], text: str, tries: int, *, search: bool
) -> float:
    """What it takes to match the whole, its beginning and, where asked, to find all."""
    given = text if isinstance(pattern.pattern, str) else text.encode()
    best_s = float("inf")
    for _ in range(tries):
        begun_s = time.process_time()
        for _ in pattern.finditer(given) if search else ():  # type: ignore[arg-type]
            pass
        pattern.match(given)  # type: ignore[arg-type]
        pattern.fullmatch(given)  # type: ignore[arg-type]
        best_s = min(best_s, time.process_time() - begun_s)
        if best_s < HARMLESS_S:
            break
    return best_s


def slow_inputs(pattern: re.Pattern[str] | re.Pattern[bytes], *, search: bool = True) -> list[str]:
    """The units and endings for which twice the text takes much more than twice the time."""
    found: list[str] = []
    for unit in UNITS:
        for ending in ENDINGS:
            texts = [unit * (size // len(unit)) + ending for size in (SIZE_CHARS // 2, SIZE_CHARS)]
            if _cpu_s(pattern, texts[1], 1, search=search) < HARMLESS_S:
                continue
            half_s, whole_s = (_cpu_s(pattern, text, TRIES, search=search) for text in texts)
            if whole_s >= HARMLESS_S and whole_s > RATIO_MAX * half_s:
                found.append(f"{unit!r} … {ending!r}: {half_s:.3f} s, {whole_s:.3f} s")
    return found


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - RENDERED))
def test_no_pattern_is_worse_than_linear(name: str):
    assert slow_inputs(PATTERNS[name], search=name not in ANCHORED) == []


def test_all_patterns_of_the_source_are_found():
    assert len(PATTERNS) >= 30
    assert PATTERNS.keys() >= ANCHORED | RENDERED


@pytest.mark.parametrize("pattern", [r"a*b", r"\s+\Z"])
def test_one_that_is_worse_is_found_out(pattern: str):
    assert slow_inputs(re.compile(pattern))

"""What somebody types to search, parsed, and each term sent the way that finds it.

The syntax is that of web searches, as PostgreSQL's websearch_to_tsquery has it: all terms must be
there, `"a phrase"` in this order, `-not` must not be there, and `or` between terms begins another
alternative. A quote that is not closed reaches to the end.
"""

import re
import unicodedata
from enum import Enum

import msgspec

from roomlog_contract.errors import ErrorCode, RefusedError

QUERY_BYTES_MAX = 1000
TERMS_MAX = 16

_SUBSTRING_CHARS_MIN = 3  # Shorter ones have no trigram that an index could know.
_TOKEN = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)(?:"|\Z)|(?P<word>[^\s"]+)')
_TRAILING = ".,;:!?"
_SURROGATE = re.compile("[\ud800-\udfff]")


class Route(Enum):
    """How a term is looked for."""

    WORD = "word"
    """A plain word: by its stem, or as part of longer words."""
    WHOLE_WORD = "whole_word"
    """Too short to be looked for within words, or excluded: by its stem only."""
    PHRASE = "phrase"
    """Whole words in this order, as they are written."""
    SUBSTRING = "substring"
    """An identifier, number, path: anywhere, punctuation and all."""


class Term(msgspec.Struct, frozen=True):
    """One term; `excluded` ones must not be there."""

    text: str
    route: Route
    excluded: bool = False


class SearchQuery(msgspec.Struct, frozen=True):
    """Alternatives, of which one must hold: in it every term. Each has one that is not excluded."""

    alternatives: tuple[tuple[Term, ...], ...]

    @property
    def wanted(self) -> list[Term]:
        """The terms that are not excluded, of all alternatives, each once."""
        return list(
            dict.fromkeys(t for terms in self.alternatives for t in terms if not t.excluded)
        )


def parse_search(text: str) -> SearchQuery:
    """Parse what was typed.

    Raises RefusedError `invalid` (field `q`) for text that is too long, has too many terms, can't
    be stored (so that nothing contains it), or asks for nothing.
    """
    if "\x00" in text or _SURROGATE.search(text):
        raise _refused("must contain neither NUL nor lone surrogates")
    if len(text.encode()) > QUERY_BYTES_MAX:
        raise _refused(f"is longer than {QUERY_BYTES_MAX} bytes")
    groups: list[list[Term]] = [[]]
    for match in _TOKEN.finditer(unicodedata.normalize("NFC", text)):
        if (match["word"] or "").lower() == "or":
            groups.append([])
            continue
        term = _term(match)
        if term is not None and term not in groups[-1]:
            groups[-1].append(term)
    alternatives = tuple(tuple(group) for group in groups if group)
    if sum(map(len, alternatives)) > TERMS_MAX:
        raise _refused(f"has more than {TERMS_MAX} terms")
    if not alternatives:
        raise _refused("says nothing to look for")
    if any(all(term.excluded for term in terms) for terms in alternatives):
        raise _refused("says only what must not be there")
    return SearchQuery(alternatives)


def _refused(detail: str) -> RefusedError:
    return RefusedError(ErrorCode.INVALID, detail, field="q")


def _term(match: re.Match[str]) -> Term | None:
    phrase: str | None = match["phrase"]
    if phrase is not None:
        phrase = " ".join(phrase.split())
        if not phrase:
            return None
        route = Route.PHRASE if _has_words(phrase) else Route.SUBSTRING
        return Term(phrase, route, excluded=bool(match["minus"]))
    word: str = match["word"]
    excluded = word.startswith("-") and len(word) > 1
    if excluded:
        word = word[1:]
    word = word.rstrip(_TRAILING) or word
    if word == "-":
        return None
    return Term(word, _route(word, excluded=excluded), excluded=excluded)


def _route(word: str, *, excluded: bool) -> Route:
    if not _has_words(word):
        return Route.SUBSTRING
    plain = all(ch.isalpha() or unicodedata.combining(ch) for ch in word)
    if excluded:
        return Route.WHOLE_WORD if plain else Route.PHRASE
    if len(word) < _SUBSTRING_CHARS_MIN and all(ch.isalnum() for ch in word):
        return Route.WHOLE_WORD
    return Route.WORD if plain else Route.SUBSTRING


def _has_words(text: str) -> bool:
    return any(ch.isalnum() for ch in text)

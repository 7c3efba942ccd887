"""What is shown of a message that was found: a part of its text, safe for a page, with marks."""

import html
import re
import unicodedata

from roomlog.core.search_query import Route, SearchQuery

MARK_START, MARK_STOP = "\x02", "\x03"
"""How marks come in: messages never contain these characters, because they are stripped."""

HIGHLIGHT_CHARS_MAX = 240
HIGHLIGHT_MARKS_MAX = 50

_BEFORE_CHARS = 60
_FOLDED_CHARS_MAX = 4096
_NOT_WORD = re.compile(r"[\W_]+")

_Span = tuple[int, int]


def highlight(content: str, query: SearchQuery, marked: str | None = None) -> str:
    """A part of `content` as HTML without any element but `mark`, about the first thing found.

    `marked` is `content`, or its beginning, with MARK_START and MARK_STOP round what matched by
    its stem; it is ignored where its text is another. A message that is found by its accents alone
    is marked too; one whose match lies far down may show its beginning without marks.
    """
    spans = _literal_spans(content, query)
    if marked is not None:
        spans += _given_spans(content, marked)
    if not spans:
        spans = _folded_spans(content, query)
    return _render(content, _merged(spans))


def _patterns(query: SearchQuery) -> list[str]:
    patterns: list[str] = []
    for term in query.wanted:
        escaped = re.escape(term.text)
        if term.route is Route.PHRASE:
            # Between the words of a phrase anything may stand that is no word itself.
            words = [re.escape(word) for word in _NOT_WORD.split(term.text) if word]
            escaped = r"\b" + r"[\W_]+".join(words) + r"\b" if words else escaped
        elif term.route is Route.WHOLE_WORD and term.text.isascii():
            escaped = rf"(?<![^\W_]){escaped}(?![^\W_])"
        patterns.append(escaped)
    return sorted(patterns, key=len, reverse=True)


def _literal_spans(content: str, query: SearchQuery) -> list[_Span]:
    found = re.compile("|".join(_patterns(query)), re.IGNORECASE).finditer(content)
    return [match.span() for match, _ in zip(found, range(HIGHLIGHT_MARKS_MAX), strict=False)]


def _given_spans(content: str, marked: str) -> list[_Span]:
    plain = marked.replace(MARK_START, "").replace(MARK_STOP, "")
    if not content.startswith(plain):
        return []
    spans: list[_Span] = []
    place = 0
    for part in marked.split(MARK_START)[: HIGHLIGHT_MARKS_MAX + 1]:
        inside, stop, outside = part.partition(MARK_STOP)
        if stop:
            spans.append((place, place + len(inside)))
        place += len(inside) + len(outside)
    return spans


def _folded_spans(content: str, query: SearchQuery) -> list[_Span]:
    """Spans that match without accents and case."""
    text = content[:_FOLDED_CHARS_MAX]
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        simple = _folded(character)
        folded.append(simple)
        places += [place] * len(simple)
    whole = "".join(folded)
    spans: list[_Span] = []
    for term in query.wanted:
        sought = _folded(term.text)
        at = whole.find(sought) if sought else -1
        if at >= 0:
            spans.append((places[at], places[at + len(sought) - 1] + 1))
    return spans


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(ch for ch in decomposed if not unicodedata.combining(ch)).casefold()


def _merged(spans: list[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _render(content: str, spans: list[_Span]) -> str:
    start = _beginning(content, spans[0][0]) if spans else 0
    end = min(len(content), start + HIGHLIGHT_CHARS_MAX)
    parts = ["…" if start else ""]
    place = start
    for span_start, span_stop in spans:
        if span_start >= end:
            break
        stop = min(span_stop, end)
        parts += [
            html.escape(content[place:span_start]),
            f"<mark>{html.escape(content[span_start:stop])}</mark>",
        ]
        place = stop
    parts += [html.escape(content[place:end]), "…" if end < len(content) else ""]
    return "".join(parts)


def _beginning(content: str, first: int) -> int:
    """Where to begin, so that the first mark has some text before it; between words if it may."""
    if len(content) <= HIGHLIGHT_CHARS_MAX or first <= _BEFORE_CHARS:
        return 0
    start = min(first - _BEFORE_CHARS, len(content) - HIGHLIGHT_CHARS_MAX)
    space = content.find(" ", start, first)
    return start if space < 0 else space + 1

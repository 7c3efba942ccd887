"""Search in the tables.

The newest messages of the room are gone through in order, which finds frequent words at once. How
many match among them tells how many more must be looked through: where these are few enough, they
are next; where it would take too many, the indexes are asked for all the rest, which find rare words
soon and would fetch half the room for frequent ones.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from roomlog.core.search_query import Route, SearchQuery, Term
from roomlog.ports import FoundMessage, FoundPage, MessageQuery, SearchPlace
from roomlog.postgres.pool import Pool
from roomlog.postgres.queries import bounded_page, query
from roomlog.postgres.rows import Row, message_response
from roomlog_contract.types import SearchOrder

WINDOW_MESSAGES = 3_000
WINDOW_MESSAGES_MAX = 40_000
PASSED_MESSAGES_MAX = 60_000
RANKED_MATCHES_MAX = 500

_MARGIN = 1.25

# Of D, C, B and A: words as they were said count as much as their English forms.
_WEIGHTS = "'{0.1, 0.1, 0.1, 0.1}'::real[]"
_SEQUENCE_MAX = 2**63 - 1
_DESCENDING = re.compile(r" DESC\b")
_FILTERS = 7  # The first parameters of each statement; terms come after them.


class Range(msgspec.Struct, frozen=True):
    """Sequences, both exclusive; read from the newest down, or the other way round."""

    below: int
    above: int
    ascending: bool = False

    def split(self, edge: int | None) -> "tuple[Range, Range | None]":
        """The part before the edge in reading order, and the part from it on."""
        if edge is None:
            return self, None
        if self.ascending:
            return (
                msgspec.structs.replace(self, below=edge),
                msgspec.structs.replace(self, above=edge - 1),
            )
        return (
            msgspec.structs.replace(self, above=edge),
            msgspec.structs.replace(self, below=edge + 1),
        )


class _Match(msgspec.Struct, frozen=True):
    message_id: str
    sequence: int
    rank: int


async def search(
    pool: Pool,
    asked: MessageQuery,
    sought: SearchQuery,
    order: SearchOrder,
    at: SearchPlace | None,
    *,
    bytes_max: int,
) -> FoundPage:
    """See ReadModel. A page that has come to `bytes_max` ends."""
    if order is SearchOrder.RELEVANCE:
        matches, more, place = await _ranked(pool, asked, sought, at)
    else:
        matches, more, place = await _in_order(pool, asked, sought, at)
    if not matches:
        return FoundPage([], None)
    rows = await _hits(pool, matches, sought, asked.as_of, bytes_max)
    hits = [FoundMessage(message_response(row), row["marked"]) for row in rows]
    last = matches[-1]
    if rows and rows[-1]["followed"]:
        more, last = True, matches[rows[-1]["place"] - 1]
    place = msgspec.structs.replace(place, sequence=last.sequence, rank=last.rank)
    return FoundPage(hits, place if more else None)


async def _in_order(
    pool: Pool, asked: MessageQuery, sought: SearchQuery, at: SearchPlace | None
) -> tuple[Sequence[_Match], bool, SearchPlace]:
    """A page, whether there are more, and where the next one begins but for its sequence."""
    span = _span(asked)
    if at is not None and span.ascending:
        span = msgspec.structs.replace(span, above=max(span.above, at.sequence))
    elif at is not None:
        span = msgspec.structs.replace(span, below=min(span.below, at.sequence))
    statement = Statement(sought, as_of=asked.as_of)
    matches = await _matches(pool, asked, statement, span, asked.limit + 1)
    return matches[: asked.limit], len(matches) > asked.limit, SearchPlace(0)


async def _ranked(
    pool: Pool, asked: MessageQuery, sought: SearchQuery, at: SearchPlace | None
) -> tuple[Sequence[_Match], bool, SearchPlace]:
    """As `_in_order`. Each page ranks the same messages by what they said at the same head: edits and new messages
    in between move nothing."""
    span = msgspec.structs.replace(_span(asked), ascending=False)
    if asked.as_of is not None:
        head = asked.as_of
    else:
        head = await _head(pool, asked.room_id) if at is None else at.head
    span = msgspec.structs.replace(span, below=min(span.below, head + 1))
    count = RANKED_MATCHES_MAX
    if at is not None:
        span = msgspec.structs.replace(span, above=max(span.above, at.lowest - 1))
        count *= 2  # Edits since may have added some that match now.
    statement = Statement(sought, ranked_at=head, as_of=asked.as_of)
    matches = await _matches(pool, asked, statement, span, count)
    if at is not None:
        lowest = at.lowest
    elif len(matches) == count:
        lowest = matches[-1].sequence
    else:
        lowest = max(span.above + 1, 0)
    matches = sorted(matches, key=_place)
    if at is not None:
        matches = [match for match in matches if _place(match) > (-at.rank, -at.sequence)]
    place = SearchPlace(0, head=head, lowest=lowest)
    return matches[: asked.limit], len(matches) > asked.limit, place


def _place(match: _Match) -> tuple[int, int]:
    return -match.rank, -match.sequence


async def _head(pool: Pool, room_id: str) -> int:
    row = await pool.fetch_one(query("search_head"), room_id)
    return 0 if row is None else row["sequence"]


def _span(asked: MessageQuery) -> Range:
    return Range(
        below=min(
            _SEQUENCE_MAX if asked.before is None else asked.before,
            _SEQUENCE_MAX if asked.as_of is None else asked.as_of + 1,
        ),
        above=-1 if asked.after is None else asked.after,
        ascending=asked.after is not None,
    )


async def _matches(
    pool: Pool, asked: MessageQuery, statement: "Statement", span: Range, count: int
) -> list[_Match]:
    async def search(name: str, part: Range) -> list[_Match]:
        rows = await pool.fetch(
            statement.text(name, ascending=span.ascending),
            *statement.parameters(asked, part, count - len(found)),
        )
        return [_Match(row["message_id"], row["sequence_number"], row["rank"]) for row in rows]

    found: list[_Match] = []
    rest, passed, size, name = span, 0, WINDOW_MESSAGES, "search_window"
    while size:
        edge = await pool.fetch_one(
            _directed("search_edge", ascending=span.ascending),
            asked.room_id,
            rest.below,
            rest.above,
            size,
        )
        window, following = rest.split(None if edge is None else edge["sequence_number"])
        found += await search(name, window)
        if following is None or len(found) == count:
            return found
        rest, passed, name = following, passed + size, "search_range"
        size = _worth_going_through(passed, len(found), count)
    return found + await search("search_rest", rest)


def _worth_going_through(passed: int, found: int, count: int) -> int:
    """How many more messages to go through for `count` matches, after `found` in `passed`; 0 where
    the indexes know the rest sooner."""
    if not found:
        return 0
    needed = int(passed * (count - found) * _MARGIN / found)
    if passed + needed > PASSED_MESSAGES_MAX:
        return 0
    return min(max(needed, WINDOW_MESSAGES), WINDOW_MESSAGES_MAX)


async def _hits(
    pool: Pool, matches: Sequence[_Match], sought: SearchQuery, as_of: int | None, bytes_max: int
) -> Sequence[Row]:
    """The messages, each with its `place` among the matches, as far as `bytes_max` lets them come.
    What was deleted since it was found is left out."""
    # Plain words only, so that they mean in this syntax what they say.
    words = " or ".join(
        term.text for term in sought.wanted if term.route in {Route.WORD, Route.WHOLE_WORD}
    )
    ids = [m.message_id for m in matches]
    then = [] if as_of is None else [as_of]
    hits = hits_as_of() if then else query("search_hits")
    return await pool.fetch(in_their_places(hits, bytes_max), ids, words, *then)


def in_their_places(hits: str, bytes_max: int) -> str:
    """The statement for hits, in the order in which their ids, $1, are given; the page ends where
    it has come to `bytes_max`."""
    placed = (
        "SELECT h.*, array_position($1::uuid[], h.message_id::uuid) AS place "  # noqa: S608
        f"FROM ({hits.rstrip().removesuffix(';')}) AS h"
    )
    return bounded_page(placed, bytes_max, "place")


def hits_as_of() -> str:
    """The statement for hits of the past: ids, words, sequence. The parts that it shares with pages
    of the past count their parameters as those do."""
    return query("search_hits_as_of").replace("$8", "$3::bigint")


def _is_unspaced(text: str) -> bool:
    """Whether letters may be of a script that puts no spaces between words, so that one word as
    typed is several to the index."""
    return any(unicodedata.category(ch) == "Lo" for ch in text)


def _unless(condition: str, *, excluded: bool) -> str:
    return f"NOT ({condition})" if excluded else condition


def _directed(name: str, *, ascending: bool) -> str:
    text = query(name)
    return _DESCENDING.sub(" ASC", text) if ascending else text


class Statement:
    """What a query becomes: conditions to put into the statements, and their parameters."""

    def __init__(
        self, sought: SearchQuery, *, ranked_at: int | None = None, as_of: int | None = None
    ) -> None:
        """`ranked_at`: by relevance, of what was said at that sequence. `as_of`: among messages as
        they stood right after that one, which then is `ranked_at` too."""
        self._values: list[object] = []
        self._as_of = None if as_of is None else self._parameter(as_of, "bigint")
        self._matches = self._alternatives(sought, for_indexes=False)
        self._indexed = self._alternatives(sought, for_indexes=True)
        if ranked_at is None:
            self._rank = "0"
        elif as_of is None:
            self._rank = self._rank_at(sought, ranked_at)
        else:
            self._rank = f"round(1000000 * {self._rank_of('m.search', sought)})::bigint"

    def text(self, name: str, *, ascending: bool) -> str:
        """The named statement with the conditions put in."""
        matches = self._indexed if name == "search_rest" else self._matches
        if self._as_of is not None:
            # A window of the past is gone through in one way, however large it is.
            name = "search_rest_as_of" if name == "search_rest" else "search_window_as_of"
        text = _directed(name, ascending=ascending).replace("{as_of}", self._as_of or "")
        return text.replace("{matches}", matches).replace("{rank}", self._rank)

    def parameters(self, asked: MessageQuery, span: Range, count: int) -> list[object]:
        """The values of its parameters: at most `count` matches within the range."""
        return [
            asked.room_id,
            span.below,
            span.above,
            asked.before_timestamp,
            asked.message_type and asked.message_type.value,
            asked.sender_id,
            count,
            *self._values,
        ]

    def _alternatives(self, sought: SearchQuery, *, for_indexes: bool) -> str:
        return " OR ".join(
            "(" + " AND ".join(self._conditions(terms, for_indexes=for_indexes)) + ")"
            for terms in sought.alternatives
        )

    def _conditions(self, terms: Sequence[Term], *, for_indexes: bool) -> Iterator[str]:
        # A word is found by either of two indexes, and the planner combines what another term is
        # found by only with the first: the second would give all messages with that part of a word.
        # So the other terms are said again beside it.
        whole = [
            self._in_words(term)
            for term in terms
            if not term.excluded and term.route in {Route.WHOLE_WORD, Route.PHRASE}
        ]
        for term in terms:
            if term.route is Route.WORD:
                parts = [self._contains(term), *(whole if for_indexes else ())]
                yield f"({self._in_words(term)} OR ({' AND '.join(parts)}))"
            elif term.route is Route.SUBSTRING:
                yield _unless(self._contains(term), excluded=term.excluded)
            else:
                yield _unless(self._in_words(term), excluded=term.excluded)

    def _parameter(self, value: object, kind: str) -> str:
        if value not in self._values:
            self._values.append(value)
        return f"${_FILTERS + 1 + self._values.index(value)}::{kind}"

    def _in_words(self, term: Term) -> str:
        """Found among the message's words. Several must follow each other as they were said."""
        if term.route is Route.PHRASE or _is_unspaced(term.text):
            return f"m.search @@ public.roomlog_phrase({self._parameter(term.text, 'text')})"
        return f"m.search @@ {self._stems(term)}"

    def _contains(self, term: Term) -> str:
        escaped = term.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"m.content ILIKE {self._parameter(f'%{escaped}%', 'text')}"

    def _words(self, term: Term, configuration: str) -> str:
        text = f"public.roomlog_search_text({self._parameter(term.text, 'text')})"
        return f"phraseto_tsquery('pg_catalog.{configuration}'::regconfig, {text})"

    def _stems(self, term: Term) -> str:
        return f"({self._words(term, 'simple')} || {self._words(term, 'english')})"

    def _rank_of(self, words: str, sought: SearchQuery) -> str:
        any_of_them = " || ".join(self._stems(term) for term in sought.wanted)
        return f"ts_rank({_WEIGHTS}, {words}, {any_of_them}, 1)"

    def _rank_at(self, sought: SearchQuery, head: int) -> str:
        """The rank of what a message said at `head`, whatever was edited since."""
        at = self._parameter(head, "bigint")
        # Places of parameters are all that is put in here.
        return (
            f"round(1000000 * CASE WHEN m.version <= {at} "  # noqa: S608
            f"THEN {self._rank_of('m.search', sought)} "
            f"ELSE coalesce((SELECT {self._rank_of('h.search', sought)} "
            "FROM message_edit_history AS h "
            f"WHERE h.message_id = m.message_id AND h.sequence > {at} "
            "ORDER BY h.sequence LIMIT 1), 0) END)::bigint"
        )

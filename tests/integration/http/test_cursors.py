"""Cursors, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.http.cursors import (
    CURSOR_CHARS_MAX,
    EventsCursor,
    MembersCursor,
    MessagesCursor,
    decode_cursor,
    encode_cursor,
    next_link,
)
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import MessageType

sequences = st.integers(0, 2**63 - 1)


@given(
    limit=st.integers(1, 500),
    before=st.none() | sequences,
    after=st.none() | sequences,
    message_type=st.none() | st.sampled_from(MessageType),
    sender=st.none() | st.text(min_size=1, max_size=254).filter(str.isprintable),
)
def test_a_cursor_comes_back_as_it_went(
    limit: int,
    before: int | None,
    after: int | None,
    message_type: MessageType | None,
    sender: str | None,
) -> None:
    cursor = MessagesCursor(limit, before, after, "2030-01-31T12:00:00Z", message_type, sender)
    text = encode_cursor(cursor)
    assert decode_cursor(text, MessagesCursor) == cursor
    assert len(text) <= CURSOR_CHARS_MAX
    assert next_link("/api/rooms", text) == f'</api/rooms?cursor={text}>; rel="next"'


@given(st.text(max_size=100) | st.binary(max_size=60).map(lambda b: b.hex()))
def test_whatever_else_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decode_cursor(text, EventsCursor)
    assert refused.value.code is ErrorCode.INVALID
    assert [e.field for e in refused.value.errors] == ["cursor"]


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor(MembersCursor(50, "ana@example.com")),
        encode_cursor(EventsCursor(50, 7))[:-2],
        encode_cursor(EventsCursor(50, 7)) + "A",
        encode_cursor(EventsCursor(501, 7)),
        encode_cursor(EventsCursor(50, -1)),
        "A" * (CURSOR_CHARS_MAX + 1),
        "",
    ],
    ids=["other listing", "cut", "longer", "limit", "position", "long", "empty"],
)
def test_a_cursor_of_another_listing_or_out_of_bounds_is_refused(cursor: str) -> None:
    with pytest.raises(RefusedError):
        decode_cursor(cursor, EventsCursor)

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.realtime.handshake import (
    chosen_subprotocol,
    first_subscription,
    offered_token,
    origin_allowed,
    split_query,
)
from roomlog_contract.errors import RefusedError


@pytest.mark.parametrize(
    ("query", "rest", "token"),
    [
        ("", "", None),
        ("after=5", "after=5", None),
        ("token=abc", "", "abc"),
        ("after=5&token=a.b.c&html=1", "after=5&html=1", "a.b.c"),
        ("%74oken=abc&after=1", "after=1", "abc"),
        ("token=a&token=b", "", "b"),
        ("&".join(["token=a"] * 100), "", None),
    ],
)
def test_the_token_leaves_the_query(query: str, rest: str, token: str | None):
    assert split_query(query) == (rest, token)


@given(
    s.lists(s.sampled_from(["token=SECRET", "%74oken=SECRET", "t%6Fken=SECRET", "after=1", "x"]))
)
def test_no_spelling_of_the_token_stays_in_the_query(parts: list[str]):
    assert "SECRET" not in split_query("&".join(parts))[0]


def test_the_header_comes_before_the_subprotocol_and_that_before_the_query():
    protocols = ["roomlog.v1", "roomlog.bearer.two"]
    assert offered_token("Bearer one", protocols, "three") == "one"
    assert offered_token("bearer  one ", protocols, "three") == "one"
    assert offered_token(None, protocols, "three") == "two"
    assert offered_token("Basic x", [], "three") == "three"
    assert offered_token(None, [], None) is None


def test_the_subprotocol_that_carries_the_token_is_never_answered():
    assert chosen_subprotocol(["roomlog.bearer.x", "roomlog.v1"]) == "roomlog.v1"
    assert chosen_subprotocol(["roomlog.bearer.x"]) is None


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "answer"),
    [
        (None, "a:1", (), True),
        ("http://a:1", "a:1", (), True),
        ("HTTP://A:1", "a:1", (), True),
        ("https://a", "a", (), True),
        ("https://a", "a:443", (), True),
        ("http://a:80", "a", (), True),
        ("http://a:2", "a:1", (), False),
        ("http://b", "a", (), False),
        ("http://a.b", "a", (), False),
        ("null", "a", (), False),
        ("", "a", (), False),
        ("file://", "", (), False),
        ("http://[", "a", (), False),
        ("http://a", None, (), False),
        ("http://a", "a", ("https://ops.example",), False),
        ("https://ops.example", "a", ("https://ops.example/",), True),
        ("https://OPS.example", "a", ("https://ops.example",), True),
    ],
)
def test_only_the_servers_own_origin_or_a_listed_one_may_connect(
    origin: str | None, host: str | None, allowed: tuple[str, ...], *, answer: bool
):
    assert origin_allowed(origin, host, allowed) is answer


def test_the_query_says_what_subscribe_would():
    asked = first_subscription("after=7&epoch=e&html=true&x=y", "room")
    assert (asked.after, asked.epoch, asked.html, asked.room_id) == (7, "e", True, "room")
    asked = first_subscription("", "room")
    assert (asked.after, asked.epoch, asked.html) == (None, None, False)


@pytest.mark.parametrize(
    "after", ["", "-1", "1.0", "x", "9223372036854775808", "1" * 5000, "%D9%A3"]
)
def test_an_after_that_is_no_sequence_is_refused(after: str):
    with pytest.raises(RefusedError):
        first_subscription(f"after={after}", "room")

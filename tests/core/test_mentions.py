"""Whom a text mentions."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import decide
from roomlog.core.decide import Limits
from roomlog.core.mentions import (
    EVERYONE,
    MENTIONS_MAX,
    TooManyMentionsError,
    find_mentions,
    mentioned_users,
)
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MemberState
from roomlog_contract.types import RoomRole
from tests.core.examples import COMMANDER, NOW, OBSERVER, RESPONDER, a_message, a_room

ANN, BOB, LEE = "ann@example.org", "bob+ops@example.org", "lee.m@example.com"
OBRIEN, NICK, TWIN = "o'brien@example.org", "[away]zoe", "ann@example.com"
MEMBERS = (ANN, BOB, LEE, OBRIEN, NICK)


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        ("@ann look", [ANN]),
        ("look, @ann.", [ANN]),
        ("(@ann), @ann's pager!", [ANN]),
        ("@ANN@Example.ORG?", [ANN]),
        ("@bob+ops and @lee.m: who has it?", [BOB, LEE]),
        ("@bob+ops@example.org", [BOB]),
        ("@o'brien please", [OBRIEN]),
        ("*@ann* **@lee.m** ~~@bob+ops~~", [ANN, LEE, BOB]),
        ("> @ann\n\n- @lee.m\n", [ANN, LEE]),
        ("cc:@lee.m @ann @lee.m", [LEE, ANN]),
        ("@lee.m first, then @room, @ann too", [LEE, ANN, BOB, OBRIEN, NICK]),
        ("@Room", [*MEMBERS]),
        ("@annie @ann.lee @example.org @bob", []),
        ("@ann@elsewhere.org", []),
        ("me@ann.org write to x.@ann or https://h.org/@ann?a=@ann", []),
        ("[see](https://h.org/?q= '@ann')", []),
        ("`@ann` ``a ` @ann`` and `@room`", []),
        ("```\n@ann\n```\n~~~ @ann\n@lee.m\n~~~\n", []),
        ("    @ann\n", []),
        ("`@ann` but @lee.m", [LEE]),
        ("an unclosed `@ann", [ANN]),
        ("@", []),
        ("@@ann", []),
    ],
)
def test_members_are_mentioned_by_address_or_local_part_and_unknown_ones_stay_text(
    content: str, mentioned: list[str]
):
    assert find_mentions(content, MEMBERS) == mentioned


def test_a_local_part_that_two_members_share_mentions_both():
    assert find_mentions("@ann", (ANN, TWIN)) == [ANN, TWIN]
    assert find_mentions("@ann@example.com", (ANN, TWIN)) == [TWIN]


def test_no_member_can_take_the_name_of_the_whole_room():
    assert find_mentions("@room", ("room@example.org", "room", ANN)) == [
        "room@example.org",
        "room",
        ANN,
    ]
    assert find_mentions("@room@example.org", ("room@example.org",)) == ["room@example.org"]


def test_of_many_members_the_room_is_mentioned_as_one():
    members = [f"u{n}@example.org" for n in range(MENTIONS_MAX)]
    assert find_mentions("@u7, @room", members)[:2] == [members[7], members[0]]
    assert len(find_mentions("@u7, @room", members)) == MENTIONS_MAX
    assert find_mentions("@u7, @room", [*members, ANN]) == [members[7], EVERYONE]


def test_only_so_many_are_mentioned_one_by_one():
    members = [f"u{n}@example.org" for n in range(MENTIONS_MAX + 1)]
    text = " ".join(f"@u{n}" for n in range(MENTIONS_MAX))
    assert len(find_mentions(text, members)) == MENTIONS_MAX
    with pytest.raises(TooManyMentionsError):
        find_mentions(f"{text} @u{MENTIONS_MAX}", members)


def test_mentions_concern_members_but_never_the_author():
    assert mentioned_users([ANN, BOB], MEMBERS, ANN) == [BOB]
    assert mentioned_users([EVERYONE], (ANN, BOB), BOB) == [ANN]
    assert mentioned_users(["gone@example.org"], MEMBERS, ANN) == []


_texts = s.text() | s.lists(
    s.sampled_from(["@ann", "@room", " ", "`", "``", "```\n", "\n", "@", "x", ANN, "@lee.m", "."]),
    max_size=12,
).map("".join)


@given(_texts)
def test_whatever_is_said_only_members_are_mentioned_each_once(content: str):
    found = find_mentions(content, MEMBERS)
    assert set(found) <= set(MEMBERS)
    assert len(found) == len(set(found))
    assert not found or "@" in content


@given(_texts)
def test_a_text_mentions_nobody_in_a_room_without_members(content: str):
    assert find_mentions(content, ()) == []


@given(_texts)
def test_what_stands_in_a_fence_mentions_nobody(content: str):
    fence = "`" * (content.count("`") + 3)
    assert find_mentions(f"{fence}\n{content}\n{fence}\n", MEMBERS) == []


@given(_texts, _texts)
def test_a_paragraph_after_any_closed_one_still_mentions(before: str, after: str):
    text = "".join(c for c in before + after if c.isalnum() or c in " @")
    assert ANN in find_mentions(f"{text}\n\n@ann\n", MEMBERS)


def test_the_server_says_who_is_mentioned_whatever_the_client_says():
    room = a_room()
    forged = {"mentions": [OBSERVER.user_id], "x": 1}
    asked = rs.MessageCreate(f"@{RESPONDER.user_id} look", metadata=forged)
    fact = decide.send(room, COMMANDER, asked, Limits())
    assert fact.fields["metadata"] == {"x": 1, "mentions": [RESPONDER.user_id]}
    asked = rs.MessageCreate("look", metadata=forged)
    assert decide.send(room, COMMANDER, asked, Limits()).fields["metadata"] == {"x": 1}


def _edited(metadata_before: dict[str, object], **asked: object) -> dict[str, object]:
    message = msgspec.structs.replace(
        a_message(sender_id=COMMANDER.user_id), metadata=metadata_before
    )
    command = rs.MessageEdit(**asked)  # type: ignore[arg-type]
    fact = decide.edit(
        a_room(), message, COMMANDER, command, expected_version=None, now=NOW, limits=Limits()
    )
    return fact.fields


def test_an_edit_changes_the_mentions_with_the_text_and_leaves_other_metadata_alone():
    here = f"@{RESPONDER.user_id}"
    told = {"x": 1, "mentions": [RESPONDER.user_id]}
    assert _edited({"x": 1}, content=here)["metadata"] == told
    assert "metadata" not in _edited(told, content=f"{here} again")
    assert _edited(told, content="nobody")["metadata"] == {"x": 1}
    assert _edited(told, content="x", metadata={"y": 2, "mentions": ["z"]})["metadata"] == {"y": 2}


def test_too_many_mentions_are_refused_at_the_content():
    members = {
        f"u{n}@example.org": MemberState(RoomRole.RESPONDER, "2026-01-01T00:00:00.000Z")
        for n in range(MENTIONS_MAX + 1)
    }
    room = msgspec.structs.replace(a_room(), members={**a_room().members, **members})
    text = " ".join(f"@{user}" for user in members)
    with pytest.raises(RefusedError) as refused:
        decide.send(room, COMMANDER, rs.MessageCreate(text), Limits())
    assert refused.value.code is ErrorCode.INVALID
    assert refused.value.errors[0].field == "content"

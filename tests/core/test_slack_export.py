"""What a Slack export says, as items of chat."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.chat_items import (
    BadEntryError,
    ChatDeletion,
    ChatEdit,
    ChatItem,
    ChatMessage,
    ChatPassage,
    ChatReaction,
    ExportedMessage,
)
from roomlog.core.decide import Limits
from roomlog.core.slack_export import (
    EDIT_REASON,
    SlackExport,
    SlackPeople,
    SlackUser,
    time_of,
)
from roomlog.core.slack_text import as_typed
from roomlog_contract.types import MessageType

USERS = [
    {"id": "U1", "name": "ana", "profile": {"email": "ana@example.org", "real_name": "Ana A"}},
    {"id": "U2", "name": "ben", "profile": {"display_name": "Benny"}},
    {"id": "U3", "name": "ben", "profile": {}},
]


def people() -> SlackPeople:
    return SlackPeople(msgspec.convert(USERS, list[SlackUser]))


def items(*, limits: Limits | None = None, **fields: Any) -> list[ChatItem]:
    given = {"type": "message", "user": "U1", "text": "hi", "ts": "1512085950.000216"} | fields
    export = SlackExport(people(), {"C1": "general"}, limits or Limits())
    return list(export.items("ops", json.dumps(given).encode()))


def message(**fields: Any) -> ChatMessage:
    (one,) = items(**fields)
    assert isinstance(one, ExportedMessage)
    return one


def refusal(**fields: Any) -> str:
    with pytest.raises(BadEntryError) as caught:
        items(**fields)
    return str(caught.value)


def test_a_message_is_said_by_its_authors_address_at_its_time() -> None:
    one = message()
    assert (one.sender, one.at) == ("ana@example.org", "2017-11-30T23:52:30.000Z")
    assert (one.content, one.message_type, one.metadata) == ("hi", MessageType.TEXT, {})
    assert one.source_id == "slack:1512085950.000216"


def test_people_without_an_address_go_by_name_and_no_two_by_the_same() -> None:
    assert [people().id_of(u) for u in ("U1", "U2", "U3", "U9")] == [
        *("ana@example.org", "ben", "ben (U3)", "U9")
    ]
    assert people().names == {"ana@example.org": "Ana A", "ben": "Benny", "ben (U3)": "ben"}


def test_a_stranger_goes_by_the_profile_that_the_message_brings() -> None:
    assert message(user="U9", user_profile={"name": "guest"}).sender == "guest"
    assert message(user="U9").sender == "U9"


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt;", "&lt;"),
        ("<@U1> look", "@ana@example.org look"),
        ("<@U1|ana> look", "@ana@example.org look"),
        ("<@U9>", "@U9"),
        ("in <#C1> and <#C2|random>", "in #general and #random"),
        ("<!here> <!channel|channel>", "@here @channel"),
        ("<!subteam^S1|@dba>", "@dba"),
        ("<!subteam^S1>", "@S1"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://example.org/a?b=1&amp;c=2>", "https://example.org/a?b=1&c=2"),
        ("<http://example.org|example.org>", "example.org"),
        ("<https://example.org/x|the page>", "the page <https://example.org/x>"),
        ("<mailto:ana@example.org|ana@example.org>", "ana@example.org"),
        ("*bold* _i_ ~s~ `x<y`", "*bold* _i_ ~s~ `x<y`"),
    ],
)
def test_text_is_what_its_author_typed(stored: str, typed: str) -> None:
    assert as_typed(stored, people().id_of, {"C1": "general"}) == typed


def test_what_the_export_held_is_kept_where_the_text_differs_from_it() -> None:
    assert message(text="<@U1>: a &lt; b").metadata == {"source_text": "<@U1>: a &lt; b"}


def test_an_edit_comes_at_its_own_time() -> None:
    said, edit = items(edited={"user": "U2", "ts": "1512085999.000000"})
    assert isinstance(said, ExportedMessage)
    assert edit == ChatEdit(
        "ops", "2017-11-30T23:53:19.000Z", "ben", str(said.source_id), "hi", EDIT_REASON
    )


def test_a_kept_history_of_changes_and_deletions_is_followed() -> None:
    inner = {"user": "U1", "text": "now", "ts": "1512085950.000216"}
    (edit,) = items(subtype="message_changed", ts="1512085960.000100", message=inner)
    assert isinstance(edit, ChatEdit)
    assert (edit.content, edit.target, edit.reason) == ("now", "slack:1512085950.000216", None)
    (gone,) = items(subtype="message_deleted", deleted_ts="1512085950.000216")
    assert isinstance(gone, ChatDeletion)
    assert gone.target == "slack:1512085950.000216"


def test_reactions_name_each_person() -> None:
    _, *reactions = items(reactions=[{"name": "+1", "users": ["U1", "U2"], "count": 2}])
    assert [(r.emoji, r.actor) for r in reactions if isinstance(r, ChatReaction)] == [
        (":+1:", "ana@example.org"),
        (":+1:", "ben"),
    ]


def test_an_answer_in_a_thread_names_what_it_answers_and_its_root_does_not() -> None:
    assert message(thread_ts="1512085900.000001").reply_to == "slack:1512085900.000001"
    assert message(thread_ts="1512085950.000216").reply_to is None


def test_coming_and_going_are_passages() -> None:
    (joined,) = items(subtype="channel_join", text="<@U1> has joined the channel")
    assert isinstance(joined, ChatPassage)
    assert (joined.joined, joined.user) == (True, "ana@example.org")
    assert joined.text == "@ana@example.org has joined the channel"
    (left,) = items(subtype="group_leave")
    assert isinstance(left, ChatPassage)
    assert not left.joined


def test_other_subtypes_are_system_messages_that_name_theirs() -> None:
    one = message(subtype="channel_topic", text="topic: db")
    assert one.message_type is MessageType.SYSTEM
    assert one.metadata == {"event": "imported", "kind": "channel_topic"}


def test_an_applications_alert_says_what_stands_in_its_attachments() -> None:
    one = message(
        subtype="bot_message",
        user=None,
        username="pager",
        text="",
        attachments=[
            {
                "title": "INC-7",
                "title_link": "https://p.example/7",
                "text": "db-7 down",
                "fields": [{"title": "Severity", "value": "high"}],
            },
            {"fallback": "plain"},
        ],
    )
    assert one.sender == "pager"
    assert one.content == "INC-7 <https://p.example/7>\ndb-7 down\nSeverity: high\nplain"
    assert one.message_type is MessageType.TEXT


def test_blocks_speak_where_nothing_else_does() -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "from *blocks*"}}]
    assert message(text="", blocks=blocks).content == "from *blocks*"


def test_files_are_references_without_the_exports_token() -> None:
    files = [
        {
            "id": "F1",
            "name": "a.png",
            "mimetype": "image/png",
            "size": 5,
            "url_private": "https://files.slack.com/a.png?t=xoxe-1&x=1",
        },
        {"id": "F2", "name": "b.log", "mimetype": "text/plain", "url_private": "https://s.c/b"},
        {"id": "F3", "name": "c", "mode": "hidden_by_limit"},
        None,
    ]
    first, second = items(files=files, text="see")
    assert isinstance(first, ChatMessage)
    assert isinstance(second, ChatMessage)
    assert (first.content, first.message_type) == ("see", MessageType.IMAGE_REF)
    assert first.metadata == {
        "url": "https://files.slack.com/a.png?x=1",
        "content_type": "image/png",
        "size": 5,
        "filename": "a.png",
        "files": [{"name": "c", "mode": "hidden_by_limit"}],
    }
    assert (second.message_type, second.content) == (MessageType.FILE_REF, "")
    assert second.source_id == "slack:1512085950.000216:file:1"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ts": "soon"}, "ts: 'soon' is not a time"),
        ({"ts": None}, "ts: Expected str, got null"),
        ({"text": "x" * 10_241}, "text: at most 10240 bytes"),
        ({"text": "a\x00"}, "text: must not contain a NUL"),
        ({"reactions": [{"name": "a b", "users": ["U1"]}]}, "reaction: 'a b' is no emoji's name"),
        ({"reactions": [{"name": "a", "users": ["U1"] * 1001}]}, "at most 1000 reactions"),
        ({"files": [{"id": "F"}] * 101}, "files: at most 100"),
        ({"user": "U\x01"}, "user: must be 1 to 254 bytes"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(fields: dict[str, Any], expected: str) -> None:
    assert expected in refusal(**fields)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists), st.text())
def test_no_value_anywhere_makes_more_than_a_refusal(value: Any, name: str) -> None:
    fields = ("text", "user", "ts", "files", "reactions", "blocks", "attachments", "subtype", name)
    for field in fields:
        with contextlib.suppress(BadEntryError):
            items(**{field: value})


def test_entries_are_sorted_by_their_time() -> None:
    given = [b'{"ts":"10.2"}', b'{"ts":"9.9"}', b'{"ts":"10.10"}', b"5"]
    assert sorted(given, key=time_of) == [
        b"5",
        b'{"ts":"9.9"}',
        b'{"ts":"10.10"}',
        b'{"ts":"10.2"}',
    ]

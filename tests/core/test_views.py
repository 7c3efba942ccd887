from roomlog.core import views
from roomlog_contract.fold import ReactionState
from roomlog_contract.resources import MessageResponse, ReactionCount
from roomlog_contract.types import MessageType
from tests.core.examples import AT, MESSAGE, RESPONDER, ROOM, a_deleted_message, a_message


def test_a_message_is_shown_with_its_text_as_typed_and_as_html():
    state = a_message(
        content="a<b *c*",
        metadata={"n": 1},
        reply_to="other",
        edited_at=AT,
        version=9,
        reactions={("👍", "ada"): ReactionState(6, AT)},
    )

    assert views.message_response(state) == MessageResponse(
        message_id=MESSAGE,
        room_id=ROOM,
        sequence_number=5,
        sender_id=RESPONDER.user_id,
        message_type=MessageType.TEXT,
        content="a<b *c*",
        content_html="<p>a&lt;b <em>c</em></p>",
        metadata={"n": 1},
        reply_to="other",
        created_at=AT,
        edited_at=AT,
        deleted_at=None,
        version=9,
        reactions=[ReactionCount("👍", 1, ["ada"])],
    )


def test_a_deleted_message_is_shown_as_a_tombstone():
    shown = views.message_response(a_deleted_message())

    assert (shown.content, shown.content_html, shown.metadata) == ("", "", {})
    assert shown.deleted_at == AT


def test_reactions_are_counted_by_emoji_in_the_order_of_their_coming():
    reactions = {
        ("👀", "c"): ReactionState(9, AT),
        ("👍", "b"): ReactionState(8, AT),
        ("👍", "a"): ReactionState(7, AT),
        ("🎉", "a"): ReactionState(10, AT),
        ("👍", "c"): ReactionState(11, AT),
    }

    assert views.reaction_counts(reactions) == [
        ReactionCount("👍", 3, ["a", "b", "c"]),
        ReactionCount("👀", 1, ["c"]),
        ReactionCount("🎉", 1, ["a"]),
    ]


def test_of_very_many_users_the_first_are_named_and_all_are_counted():
    many = views.USERS_PER_REACTION_MAX + 1
    reactions = {("👍", f"u{n}"): ReactionState(n, AT) for n in range(many)}

    (count,) = views.reaction_counts(reactions)

    assert count.count == many
    assert count.users == [f"u{n}" for n in range(views.USERS_PER_REACTION_MAX)]


def test_no_reactions_are_an_empty_list():
    assert views.reaction_counts({}) == []

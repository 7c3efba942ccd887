"""Pages of messages: order, filters, cursors, and reads that reflect a sequence."""

import pytest

from tests.integration.http.api import ANA, BEN, Api, all_pages, ids, problem


def test_newest_first_and_oldest_first_after_a_sequence(api: Api) -> None:
    room = api.room()
    sent = [room.send(ANA, f"message {n}") for n in range(6)]
    assert ids(room.messages(ANA, limit=6)) == ids(sent)[::-1]
    middle = sent[3]["sequence_number"]
    assert ids(room.messages(ANA, before=middle, type="text")) == ids(sent[:3])[::-1]
    assert ids(room.messages(ANA, after=middle)) == ids(sent[4:])
    between = room.messages(
        ANA, after=sent[0]["sequence_number"], before=sent[4]["sequence_number"]
    )
    assert ids(between) == ids(sent[1:4])
    page = api.get(ANA, f"{room.path}/messages", limit=2)
    assert page["head"] == sent[-1]["sequence_number"]
    assert page["epoch"] == api.get(ANA, room.path)["epoch"]


def test_filters_by_type_sender_and_time(api: Api) -> None:
    room = api.room((BEN, "responder"))
    first = room.send(ANA, "from ana")
    second = room.send(BEN, "from ben")
    data = room.send(
        BEN, "data", message_type="incident_data", metadata={"kind": "metric", "data": {}}
    )
    assert ids(room.messages(ANA, sender=BEN)) == ids([data, second])
    assert ids(room.messages(ANA, type="incident_data")) == ids([data])
    assert ids(room.messages(ANA, sender=ANA, type="text")) == ids([first])
    assert room.messages(ANA, sender="nobody@example.com") == []
    assert room.messages(ANA, before_timestamp="2001-01-01T00:00:00Z") == []
    assert len(room.messages(ANA, before_timestamp="2101-01-01T01:00:00+01:00")) == 4


@pytest.mark.parametrize("direction", [{}, {"after": 0}], ids=["newest", "oldest"])
def test_cursors_neither_skip_nor_repeat_while_messages_arrive(
    api: Api, direction: dict[str, int]
) -> None:
    room = api.room((BEN, "responder"))
    sent = [room.send(BEN, f"message {n}") for n in range(10)]
    params = {"limit": 3, "sender": BEN, "type": "text", **direction}
    page = api.get(ANA, f"{room.path}/messages", **params)
    found = page["items"]
    while page["next"]:
        room.send(ANA, "meanwhile, by somebody else")
        sent.append(room.send(BEN, "meanwhile"))
        page = api.get(ANA, f"{room.path}/messages", cursor=page["next"])
        found += page["items"]
        assert len(sent) < 100
        if direction:
            break
    if direction:
        found += api.get(ANA, f"{room.path}/messages", cursor=page["next"])["items"]
        assert ids(found) == ids(sent[:9])
    else:
        assert ids(found) == ids(sent[:10])[::-1]


@pytest.mark.parametrize("count", [0, 3, 4])
def test_the_last_page_says_so(api: Api, count: int) -> None:
    room = api.room(by="paging@example.com")
    sent = [room.send("paging@example.com", f"message {n}") for n in range(count)]
    pages = all_pages(api, "paging@example.com", f"{room.path}/messages", limit=3)
    assert ids([m for page in pages for m in page]) == ids(sent)[::-1]
    assert len(pages) == (2 if count > 3 else 1)


def test_the_link_header_leads_to_the_next_page(api: Api) -> None:
    room = api.room()
    sent = [room.send(ANA, f"message {n}") for n in range(3)]
    answer = api.call(ANA, "GET", f"{room.path}/messages", params={"limit": 2})
    target, _, relation = answer.headers["link"].partition(";")
    assert relation.strip() == 'rel="next"'
    following = api.get(ANA, target.strip("<>"))
    assert ids(following["items"]) == ids(sent[:1])
    assert "link" not in api.call(ANA, "GET", target.strip("<>")).headers


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"limit": 0}, ["limit"]),
        ({"limit": 501}, ["limit"]),
        ({"limit": "many"}, ["limit"]),
        ({"before": -1, "after": "x"}, ["before", "after"]),
        ({"before": 2**63}, ["before"]),
        ({"type": "video"}, ["type"]),
        ({"before_timestamp": "yesterday"}, ["before_timestamp"]),
        ({"before_timestamp": "2030-01-31T12:00:00"}, ["before_timestamp"]),
        ({"sender": "\x00"}, ["sender"]),
        ({"cursor": "nonsense"}, ["cursor"]),
        ({"min_sequence": "x"}, ["min_sequence"]),
    ],
)
def test_a_bad_parameter_is_told_by_its_name(
    api: Api, params: dict[str, object], fields: list[str]
) -> None:
    room = api.room()
    answer = api.call(ANA, "GET", f"{room.path}/messages", params=params)
    problem(answer, 422, "invalid", *fields)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red&limit=5", "colour"),
        ("limit=5&Limit=5", "Limit"),
        ("colour", "colour"),
        ("=", "query"),
        ("limit=5&limit=6", "limit"),
        ("limit=5&limit=5", "limit"),
        ("limit=null", "limit"),
        ("type=NULL", "type"),
        ("after=null&limit=5", "after"),
    ],
)
def test_a_query_that_would_not_be_heeded_is_refused(api: Api, query: str, field: str) -> None:
    room = api.room()
    answer = api.call(ANA, "GET", f"{room.path}/messages?{query}")
    problem(answer, 422, "invalid", field)


def test_separators_without_anything_between_them_are_nothing(api: Api) -> None:
    room = api.room()
    for query in ("?", "?limit=5&", "?&&limit=5"):
        assert api.call(ANA, "GET", f"{room.path}/messages{query}").status_code == 200


def test_the_query_of_a_write_is_heeded_too(api: Api) -> None:
    room = api.room()
    answer = api.call(ANA, "POST", f"{room.path}/messages?reply_to=x", json={"content": "a"})
    problem(answer, 422, "invalid", "reply_to")
    assert room.messages(ANA) == []


def test_null_is_a_word_like_any_other_where_words_are_asked_for(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "a null pointer")
    found = api.get(ANA, f"{room.path}/messages/search?q=null")["items"]
    assert [hit["message"]["message_id"] for hit in found] == [message["message_id"]]
    assert api.get(ANA, f"{room.path}/messages?sender=null")["items"] == []


def test_what_machines_ask_may_have_any_query(api: Api) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert api.client.get(f"{path}?probe=1&probe=2").status_code == 200


def test_reads_reflect_min_sequence_and_refuse_what_lies_above_the_head(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "seen")
    edited = api.call(
        ANA, "PATCH", f"/api/messages/{message['message_id']}", json={"content": "changed"}
    ).json()
    head = edited["version"]
    paths = [
        room.path,
        f"{room.path}/members",
        f"{room.path}/messages",
        f"{room.path}/events",
        f"{room.path}/stats",
        f"{room.path}/online",
        f"{room.path}/typing",
        f"{room.path}/messages/{message['message_id']}",
        f"{room.path}/messages/{message['message_id']}/history",
        f"/api/messages/{message['message_id']}/reactions",
    ]
    for path in paths:
        assert api.call(ANA, "GET", path, params={"min_sequence": head}).status_code == 200
        beyond = api.call(ANA, "GET", path, params={"min_sequence": head + 1_000_000})
        problem(beyond, 422, "invalid", "min_sequence")
    newest = room.messages(ANA, min_sequence=head)[0]
    assert newest["content"] == "changed"

"""Search: what is found, what is shown of it, and pages that neither skip nor repeat."""

import html
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http.api import ANA, AUDITOR, BEN, CEM, Api, Room, all_pages, problem


def hits(room: Room, q: str, **params: Any) -> list[dict[str, Any]]:
    return room.api.get(ANA, f"{room.path}/messages/search", q=q, **params)["items"]


def found(room: Room, q: str, **params: Any) -> list[str]:
    return [hit["message"]["content"] for hit in hits(room, q, **params)]


@pytest.fixture(scope="module")
def room(api: Api) -> Room:
    room = api.room((BEN, "responder"))
    for content in SAID:
        room.send(ANA, content)
    return room


SAID = [
    "The connection pool is exhausted on db-7, see INC-4211",
    "restarting the checkout nodes; ECONNRESET from 10.0.3.7:5432",
    "logs are in /var/log/checkout/app_server.log",
    "Rollback done. 100% of the traffic is back",
    "Naïve Müller im Café sagt: déjà vu",
    "база данных упала, перезапускаем",
    "主数据库坏了正在重启",
    "サーバーが落ちた",
    "서버가 죽었다",
    "ฐานข้อมูลล่ม",
    "List<String> xs = a<b ? c : d; // <script>alert('x')</script>",
    "🔥 everything is on fire 🔥",
]
POOL, RESET, LOGS, BACK, CAFE, RUSSIAN, CHINESE, JAPANESE, KOREAN, THAI, CODE, FIRE = SAID


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("pool", [POOL]),
        ("POOL exhausted", [POOL]),
        ("pool nodes", []),
        ("pool or nodes", [RESET, POOL]),
        ('"pool is exhausted"', [POOL]),
        ('"pool exhausted"', []),
        ("checkout -restarting", [LOGS]),
        ('checkout -"checkout nodes"', [LOGS]),
        ("restart node", [RESET]),
        ("exhaust", [POOL]),
        ("haust", [POOL]),
        ("INC-4211", [POOL]),
        ("inc-42", [POOL]),
        ("4211", [POOL]),
        ("db-7", [POOL]),
        ("db", [POOL]),
        ("/var/log", [LOGS]),
        ("app_server", [LOGS]),
        ("app%server", []),
        ("appxserver", []),
        ("econnreset", [RESET]),
        ("CONNRES", [RESET]),
        ("10.0.3.7", [RESET]),
        ("10.0.3", [RESET]),
        ("100%", [BACK]),
        ("rollback?", [BACK]),
        ("café", [CAFE]),
        ("cafe", [CAFE]),
        ("cafe\u0301", [CAFE]),
        ("MÜLLER", [CAFE]),
        ("deja", [CAFE]),
        ("БАЗА", [RUSSIAN]),
        ("запуск", [RUSSIAN]),
        ("数据库", [CHINESE]),
        ("重启", [CHINESE]),
        ("据数", []),
        ("サーバー", [JAPANESE]),
        ("서버", [KOREAN]),
        ("ข้อมูล", [THAI]),
        ("List<String>", [CODE]),
        ("🔥", [FIRE]),
        ("\\", []),
        ("on", [FIRE, POOL]),
    ],
)
def test_what_is_looked_for_is_found(room: Room, q: str, expected: list[str]) -> None:
    assert found(room, q) == expected


def test_the_end_of_a_text_does_not_meet_its_beginning(api: Api) -> None:
    room = api.room((BEN, "responder"))
    told = ["fox, so quick", "启动数据库 已经严重", "据库在哪里 有多少数"]
    for content in told:
        room.send(BEN, content)
    for q in ('"quick fox"', '"quick fox so"', "重启", "数据库在"):
        assert found(room, q) == [], q
    assert found(room, '"so quick"') == [told[0]]
    assert found(room, 'fox -"quick fox"') == [told[0]]
    assert found(room, "启动") == [told[1]]
    assert found(room, "数据库") == [told[1]]


@pytest.mark.parametrize(
    ("q", "marked"),
    [
        ("pool", ["pool"]),
        ("restart node", ["nodes", "restarting"]),
        ("INC-42", ["INC-42"]),
        ("cafe", ["Café"]),
        ("数据", ["数据"]),
        ("exhaust or ECONNRESET", ["ECONNRESET", "exhausted"]),
        ("List<String>", ["List&lt;String&gt;"]),
    ],
)
def test_what_was_found_is_marked(room: Room, q: str, marked: list[str]) -> None:
    marks = [m for hit in hits(room, q) for m in re.findall("<mark>(.*?)</mark>", hit["highlight"])]
    assert sorted(set(marks)) == sorted(marked)


def test_a_highlight_is_the_text_made_safe(room: Room) -> None:
    (hit,) = hits(room, "alert")
    assert "<script" not in hit["highlight"]
    assert html.unescape(re.sub("</?mark>", "", hit["highlight"])) == CODE
    assert hit["message"] == room.messages(ANA, limit=2)[1]


def test_edits_and_deletions_take_effect_at_once(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "the pool leaks")
    path = f"/api/messages/{message['message_id']}"
    edited = api.call(ANA, "PATCH", path, json={"content": "the cache leaks"}).json()
    assert found(room, "pool", min_sequence=edited["version"]) == []
    assert found(room, "cache leak") == ["the cache leaks"]
    beyond = {"q": "pool", "min_sequence": edited["version"] + 1_000_000}
    search = f"{room.path}/messages/search"
    problem(api.call(ANA, "GET", search, params=beyond), 422, "invalid", "min_sequence")
    assert api.call(ANA, "DELETE", path).status_code == 200
    assert found(room, "cache or pool or leak") == []
    assert found(room, "cache", order="relevance") == []


def test_filters_are_those_of_history(api: Api) -> None:
    room = api.room((BEN, "responder"))
    first = room.send(ANA, "pool one")
    second = room.send(BEN, "pool two")
    third = room.send(
        BEN, "pool three", message_type="incident_data", metadata={"kind": "metric", "data": {}}
    )
    assert found(room, "pool", sender=BEN) == ["pool three", "pool two"]
    assert found(room, "pool", type="text", order="relevance") == ["pool two", "pool one"]
    assert found(room, "pool", before=third["sequence_number"]) == ["pool two", "pool one"]
    assert found(room, "pool", after=first["sequence_number"]) == ["pool two", "pool three"]
    assert found(room, "pool", before_timestamp=first["created_at"]) == []
    assert found(room, "pool", after=0, limit=1) == ["pool one"]
    ranked = found(room, "pool", after=second["sequence_number"], order="relevance")
    assert ranked == ["pool three"]


def test_other_rooms_are_not_searched_and_only_members_and_auditors_search(api: Api) -> None:
    mine, other = api.room(), api.room(by=CEM)
    mine.send(ANA, "pool of mine")
    other.send(CEM, "pool of others")
    assert found(mine, "pool") == ["pool of mine"]
    path = f"{other.path}/messages/search"
    problem(api.call(ANA, "GET", path, params={"q": "pool"}), 403, "forbidden")
    assert len(api.get(AUDITOR, path, q="pool")["items"]) == 1


def test_the_most_relevant_comes_first_where_that_is_asked_for(api: Api) -> None:
    room = api.room()
    best = room.send(ANA, "pool pool pool")["content"]
    long = room.send(ANA, "the pool " + "and so much more that says little of it " * 20)["content"]
    both = room.send(ANA, "some spool is here")["content"]
    assert found(room, "pool", order="relevance") == [best, long, both]
    assert found(room, "pool", order="newest") == [both, long, best]


@pytest.mark.parametrize("order", ["newest", "relevance"])
def test_cursors_neither_skip_nor_repeat_while_things_change(api: Api, order: str) -> None:
    room = api.room()
    sent = [room.send(ANA, "pool " * (n % 4 + 1) + f"number{n}") for n in range(12)]
    path = f"{room.path}/messages/search"
    page = api.get(ANA, path, q="pool", limit=3, order=order)
    seen = page["items"]
    while page["next"]:
        room.send(ANA, "pool pool pool pool meanwhile")
        # Edited in ways that would change their ranks.
        for message, content in ((seen[0]["message"], "a pool"), (sent[5], "pool " * 9)):
            edit = api.call(
                ANA, "PATCH", f"/api/messages/{message['message_id']}", json={"content": content}
            )
            assert edit.status_code == 200
        page = api.get(ANA, path, cursor=page["next"])
        seen += page["items"]
        assert len(seen) <= 12
    assert sorted(hit["message"]["message_id"] for hit in seen) == sorted(
        message["message_id"] for message in sent
    )


@pytest.mark.parametrize("direction", [{}, {"after": 0}, {"order": "relevance"}])
def test_pages_follow_each_other(api: Api, direction: dict[str, Any]) -> None:
    room = api.room()
    sent = [room.send(ANA, f"pool number {n}")["content"] for n in range(7)]
    pages = all_pages(
        api, ANA, f"{room.path}/messages/search", q="pool", sender=ANA, limit=3, **direction
    )
    assert [len(page) for page in pages] == [3, 3, 1]
    told = [hit["message"]["content"] for page in pages for hit in page]
    assert told == (sent if "after" in direction else sent[::-1])


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "  "}, "q"),
        ({"q": "-pool"}, "q"),
        ({"q": "x" * 1001}, "q"),
        ({"q": " ".join(f"word{n}" for n in range(17))}, "q"),
        ({"q": "po\x00ol"}, "q"),
        ({"q": "pool", "order": "oldest"}, "order"),
        ({"q": "pool", "limit": 501}, "limit"),
        ({"q": "pool", "sender": "\x00"}, "sender"),
        ({"cursor": "nonsense"}, "cursor"),
    ],
)
def test_a_bad_search_is_told_by_its_field(room: Room, params: dict[str, Any], field: str) -> None:
    answer = room.api.call(ANA, "GET", f"{room.path}/messages/search", params=params)
    problem(answer, 422, "invalid", field)


@given(
    st.text(max_size=40) | st.text("ab -\"or%_\\'<>&.7數é🔥\x00", max_size=40),
    st.sampled_from(["newest", "relevance"]),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_searched_or_refused(room: Room, q: str, order: str) -> None:
    answer = room.api.call(
        ANA, "GET", f"{room.path}/messages/search", params={"q": q, "order": order}
    )
    if answer.status_code != 200:
        problem(answer, 422, "invalid", "q")
        return
    for hit in answer.json()["items"]:
        text = re.sub("</?mark>", "", hit["highlight"])
        assert not set(text) & set("<>\"'")
        assert html.unescape(text) in hit["message"]["content"]


def test_stats_count_what_stands_and_what_was_done(api: Api) -> None:
    room = api.room((BEN, "responder"))
    edited = room.send(ANA, "one")
    deleted = room.send(BEN, "two")
    room.send(BEN, "three", message_type="incident_data", metadata={"kind": "metric", "data": {}})
    api.call(ANA, "PATCH", f"/api/messages/{edited['message_id']}", json={"content": "uno"})
    api.call(BEN, "POST", f"/api/messages/{edited['message_id']}/reactions", json={"emoji": "👍"})
    last = api.call(BEN, "DELETE", f"/api/messages/{deleted['message_id']}").json()
    stats = api.get(ANA, f"{room.path}/stats", min_sequence=last["version"])
    system = stats["by_type"].pop("system", 0)
    assert stats["by_type"] == {"text": 1, "incident_data": 1}
    assert stats["messages"] == 2 + system
    assert {"user_id": BEN, "messages": 1} in stats["by_user"]
    assert sum(one["messages"] for one in stats["by_user"]) == stats["messages"]
    assert (stats["edits"], stats["deletions"], stats["reactions"]) == (1, 1, 1)
    assert stats["users"] == len(stats["by_user"]) == 2
    assert (stats["room_id"], stats["head"]) == (room.room_id, last["version"])
    problem(api.call(CEM, "GET", f"{room.path}/stats"), 403, "forbidden")

"""Reactions over REST."""

from urllib.parse import quote

import pytest

from tests.integration.http.api import ANA, BEN, CEM, DOT, Api, problem

THUMB, FIRE = "\U0001f44d", "\U0001f525"


def test_reactions_are_counted_in_the_order_of_their_coming(api: Api) -> None:
    room = api.room((BEN, "responder"), (CEM, "observer"))
    message = room.send(ANA, "fixed")
    path = f"/api/messages/{message['message_id']}/reactions"
    assert api.get(ANA, path) == {"reactions": []}
    first = api.call(BEN, "POST", path, json={"emoji": FIRE})
    assert first.status_code == 200
    api.call(ANA, "POST", path, json={"emoji": THUMB})
    told = api.call(ANA, "POST", path, json={"emoji": FIRE}).json()
    expected = [
        {"emoji": FIRE, "count": 2, "users": [BEN, ANA]},
        {"emoji": THUMB, "count": 1, "users": [ANA]},
    ]
    assert told == {"reactions": expected}
    assert api.get(CEM, path) == told
    read = api.call(CEM, "GET", f"{room.path}/messages/{message['message_id']}")
    assert read.json()["reactions"] == expected
    assert read.json()["version"] == message["version"]
    assert room.messages(CEM)[0]["reactions"] == expected


def test_reacting_again_and_taking_back_what_is_not_there_change_nothing(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "fixed")
    path = f"/api/messages/{message['message_id']}/reactions"
    once = api.call(ANA, "POST", path, json={"emoji": THUMB}).json()
    again = api.call(ANA, "POST", path, json={"emoji": THUMB})
    assert (again.status_code, again.json()) == (200, once)
    gone = api.call(ANA, "DELETE", f"{path}/{quote(THUMB)}")
    assert (gone.status_code, gone.json()) == (200, {"reactions": []})
    still_gone = api.call(ANA, "DELETE", f"{path}/{quote(THUMB)}")
    assert (still_gone.status_code, still_gone.json()) == (200, {"reactions": []})


def test_a_slash_in_the_path_is_part_of_the_emoji_only_when_encoded(api: Api) -> None:
    room = api.room()
    message = room.send(ANA, "fixed")
    path = f"/api/messages/{message['message_id']}/reactions"
    problem(api.call(ANA, "DELETE", f"{path}/n%2Fa"), 422, "invalid", "emoji")
    problem(api.call(ANA, "DELETE", f"{path}/{THUMB}/{THUMB}"), 404, "not_found")
    assert api.call(ANA, "DELETE", f"{path}/{THUMB}/").status_code == 200
    problem(api.call(ANA, "DELETE", f"{path}/n/a"), 404, "not_found")


def test_observers_and_strangers_do_not_react(api: Api) -> None:
    room = api.room((CEM, "observer"))
    message = room.send(ANA, "fixed")
    path = f"/api/messages/{message['message_id']}/reactions"
    for user in (CEM, DOT):
        problem(api.call(user, "POST", path, json={"emoji": THUMB}), 403, "forbidden")
    problem(api.call(DOT, "GET", path), 403, "forbidden")


@pytest.mark.parametrize("emoji", ["", "+1", ":+1:", "a b", "x" * 65, "\x00", "\u202f", 5, None])
def test_what_is_no_emoji_is_refused(api: Api, emoji: object) -> None:
    room = api.room()
    message = room.send(ANA, "fixed")
    path = f"/api/messages/{message['message_id']}/reactions"
    problem(api.call(ANA, "POST", path, json={"emoji": emoji}), 422, "invalid", "emoji")

"""The tables are away or behind: sends go on, and the rest is told truly and in time."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from uuid_utils import uuid7

from tests.integration.http.api import ANA, BEN, Api, Room, new_key, problem
from tests.stack import Stack, running_stack

# What is promised, 5 s and 2 s, and a second for a loaded machine's own.
REFUSAL_TIME_MAX_S = 6
SEND_TIME_MAX_S = 3
# 1 s, and two for a loaded machine's own: readiness and metrics wait for no database.
OBSERVED_TIME_MAX_S = 3
RECOVERY_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def own_stack() -> Generator[Stack]:
    with running_stack() as running:
        yield running


@contextmanager
def frozen(stack: Stack, part: str) -> Generator[None]:
    """Every process of a part stands still: connections stay open, nothing is answered."""
    leader = psutil.Process(stack.run["pids"][part])
    stopped = [leader, *leader.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


def timed(
    time_max_s: float,
    api: Api,
    method: str,
    path: str,
    body: dict[str, str] | None,
    key: str | None,
) -> httpx.Response:
    started = time.monotonic()
    answer = api.call(BEN, method, path, json=body, key=key)
    assert time.monotonic() - started < time_max_s, (method, path)
    return answer


def messages_at(api: Api, room: Room, sequence: int) -> list[dict[str, Any]]:
    """The newest messages, as soon as the tables reach the sequence."""
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while True:
        path = f"{room.path}/messages"
        answer = api.call(BEN, "GET", path, params={"min_sequence": sequence})
        if answer.status_code == 200:
            return answer.json()["items"]
        assert answer.status_code == 503
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def test_sends_go_on_and_the_rest_says_so_until_it_is_back(own_stack: Stack) -> None:
    api = Api(own_stack)
    room = api.room((BEN, "responder"))
    before = room.send(ANA, "all is well")
    assert room.messages(BEN)
    message = f"/api/messages/{before['message_id']}"
    with frozen(own_stack, "postgres"):
        path = f"{room.path}/messages"
        for n, key in enumerate([None, str(uuid7()), new_key()]):
            body = {"content": str(n)}
            answer = timed(SEND_TIME_MAX_S, api, "POST", path, body, key)
            assert answer.status_code == 201, answer.text
            assert answer.headers["roomlog-projected"] == "false"
        again = timed(SEND_TIME_MAX_S, api, "POST", path, body, key)
        assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")
        misused = timed(SEND_TIME_MAX_S, api, "POST", path, {"content": "other"}, key)
        problem(misused, 422, "idempotency_mismatch")
        refused = [
            ("GET", "/api/rooms", None, None),
            ("GET", room.path, None, None),
            ("GET", f"{room.path}/members", None, None),
            ("GET", f"{room.path}/messages", None, None),
            ("GET", f"{room.path}/messages/{before['message_id']}", None, None),
            ("GET", f"{message}/reactions", None, None),
            ("PATCH", message, {"content": "edited"}, None),
            ("DELETE", message, None, None),
            ("POST", f"{message}/reactions", {"emoji": "\U0001f44d"}, None),
        ]
        # All at once, and more than there are connections to PostgreSQL.
        with ThreadPoolExecutor(len(refused) * 3) as threads:
            for answer in threads.map(
                lambda asked: timed(REFUSAL_TIME_MAX_S, api, *asked), refused * 3
            ):
                problem(answer, 503, "database_unavailable")
        # The log itself answers as ever.
        events = room.events(BEN)
        assert [e["event"].get("content") for e in events[-3:]] == ["0", "1", "2"]
        ready = timed(OBSERVED_TIME_MAX_S, api, "GET", "/readyz", None, None)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        metrics = timed(OBSERVED_TIME_MAX_S, api, "GET", "/metrics", None, None)
        assert 'roomlog_up{part="database"} 0.0' in metrics.text
        assert not ready.json()["parts"]["database"]["ok"]
    head = events[-1]["sequence"]
    messages = messages_at(api, room, head)
    assert [m["content"] for m in messages[:3]] == ["2", "1", "0"]
    assert api.call(ANA, "PATCH", message, json={"content": "edited"}).status_code == 200
    api.client.close()


def test_while_the_tables_are_behind_effects_are_told_from_the_log(own_stack: Stack) -> None:
    api = Api(own_stack)
    room = api.room((BEN, "responder"))
    first = room.send(ANA, "first")
    path = f"/api/messages/{first['message_id']}"
    version = f'"{first["version"]}"'
    with frozen(own_stack, "projector"):
        edited = api.call(ANA, "PATCH", path, json={"content": "second"}, if_match=version)
        assert edited.status_code == 200, edited.text
        assert edited.headers["roomlog-projected"] == "false"
        assert edited.json()["content"] == "second"
        assert edited.headers["etag"] == f'"{edited.json()["version"]}"'
        stale = api.call(ANA, "PATCH", path, json={"content": "third"}, if_match=version)
        problem(stale, 412, "version_mismatch")
        reacted = api.call(BEN, "POST", f"{path}/reactions", json={"emoji": "\U0001f44d"})
        assert reacted.headers["roomlog-projected"] == "false"
        assert reacted.json() == {
            "reactions": [{"emoji": "\U0001f44d", "count": 1, "users": [BEN]}]
        }
        sent = api.call(ANA, "POST", f"{room.path}/messages", json={"content": "new"})
        assert sent.headers["roomlog-projected"] == "false"
        unknown = f"/api/messages/{sent.json()['message_id']}"
        early = api.call(ANA, "PATCH", unknown, json={"content": "newer"})
        problem(early, 503, "projection_behind")
        head = sent.json()["sequence_number"]
        behind = api.call(BEN, "GET", f"{room.path}/messages", params={"min_sequence": head})
        problem(behind, 503, "projection_behind")
        # A page tells how far it shows the room: whoever goes on from there misses nothing.
        page = api.get(BEN, f"{room.path}/messages")
        assert [m["content"] for m in page["items"] if m["message_type"] == "text"] == ["first"]
        assert page["head"] == first["sequence_number"]
        assert api.get(BEN, f"{room.path}/members")["head"] == first["sequence_number"]
        # The tables don't know the reaction, and yet it is not said that there is none.
        ended = api.call(BEN, "DELETE", f"{path}/reactions/%F0%9F%91%8D")
        assert (ended.status_code, ended.json()) == (200, {"reactions": []})
        assert room.events(BEN)[-1]["event"]["type"] == "reaction.removed"
    messages = messages_at(api, room, head)
    assert [m["content"] for m in messages[:2]] == ["new", "second"]
    assert messages[1]["reactions"] == []
    assert messages[1]["version"] == edited.json()["version"]
    assert api.call(ANA, "PATCH", unknown, json={"content": "newer"}).status_code == 200
    api.client.close()

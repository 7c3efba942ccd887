"""PostgreSQL does not answer: sends go on, everything that needs the tables says so in time."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest
from uuid_utils import uuid7

from tests.integration.http.api import ANA, BEN, Api, new_key, problem
from tests.stack import Stack, running_stack

# What is promised, 5 s and 2 s, and a second for a loaded machine's own.
REFUSAL_TIME_MAX_S = 6
SEND_TIME_MAX_S = 3
RECOVERY_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def own_stack() -> Generator[Stack]:
    with running_stack() as running:
        yield running


@contextmanager
def frozen_postgres(stack: Stack) -> Generator[None]:
    """Every process of PostgreSQL stands still: connections stay open, nothing is answered."""
    server = psutil.Process(stack.run["pids"]["postgres"])
    stopped = [server, *server.children(recursive=True)]
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


def test_sends_go_on_and_the_rest_says_so_until_it_is_back(own_stack: Stack) -> None:
    api = Api(own_stack)
    room = api.room((BEN, "responder"))
    before = room.send(ANA, "all is well")
    assert room.messages(BEN)
    message = f"/api/messages/{before['message_id']}"
    with frozen_postgres(own_stack):
        for n, key in enumerate([None, str(uuid7()), None]):
            body = {"content": str(n)}
            answer = timed(SEND_TIME_MAX_S, api, "POST", f"{room.path}/messages", body, key)
            assert answer.status_code == 201, answer.text
            assert answer.headers["roomlog-projected"] == "false"
        refused = [
            ("GET", "/api/rooms", None, None),
            ("GET", room.path, None, None),
            ("GET", f"{room.path}/members", None, None),
            ("GET", f"{room.path}/messages", None, None),
            ("GET", f"{room.path}/messages/{before['message_id']}", None, None),
            ("GET", f"{message}/reactions", None, None),
            ("PATCH", message, {"content": "edited"}, None),
            ("DELETE", message, None, None),
            ("POST", f"{message}/reactions", {"emoji": "+1"}, None),
            ("POST", f"{room.path}/messages", {"content": "which key?"}, new_key()),
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
        ready = api.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert not ready.json()["parts"]["database"]["ok"]
    head = events[-1]["sequence"]
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while True:
        answer = api.call(BEN, "GET", f"{room.path}/messages", params={"min_sequence": head})
        if answer.status_code == 200:
            break
        assert answer.status_code == 503
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert [m["content"] for m in answer.json()["items"][:3]] == ["2", "1", "0"]
    assert api.call(ANA, "PATCH", message, json={"content": "edited"}).status_code == 200
    api.client.close()

"""The log is away: nothing is accepted, and every operation says so as the document tells."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.http.api import ANA, BOT, Api, problem
from tests.integration.http.conformance import operations
from tests.integration.http.test_openapi_answers import (
    Asking,
    World,
    asker,
    example_of,
)
from tests.integration.http.test_without_database import frozen
from tests.stack import running_stack

# How long a request may take while the log hangs: its time-outs, and a loaded machine's own time.
ANSWER_TIME_MAX_S = 30
RECOVERY_TIMEOUT_S = 60


@pytest.fixture
def api() -> Generator[Api]:
    with running_stack(USER_MESSAGES_PER_SECOND="0", SPAM_GUARD="off") as stack:
        running = Api(stack)
        yield running
        running.client.close()


def awaited(api: Api, status: int) -> httpx.Response:
    """`/readyz` as soon as it has this status."""
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while (answer := api.client.get("/readyz")).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    return answer


def questions(api: Api) -> list[Asking]:
    """Each operation below `/api`, to be asked about a message of its own with a reaction."""
    put = operations()["PUT", "/api/rooms/{room_id}/members/{user_id}"]
    room = api.room((str(example_of(put, "user_id")), "responder"))
    asked: list[Asking] = []
    for (method, path), operation in operations().items():
        if path.startswith("/api/"):
            message = room.send(ANA, "all is well")["message_id"]
            asked.append(Asking(api, f"{method} {path}", operation, World(room.room_id, message)))
            if "{emoji}" in path:
                reaction = {"emoji": example_of(operation, "emoji")}
                where = f"/api/messages/{message}/reactions"
                assert api.call(ANA, "POST", where, json=reaction).status_code == 200
    return asked


def test_every_operation_says_that_the_log_is_away(api: Api) -> None:
    asked = questions(api)
    assert awaited(api, 200).json()["status"] == "ready"

    def ask(asking: Asking) -> tuple[httpx.Response, float]:
        begun = time.monotonic()
        user = BOT if asking.name == "POST /api/broadcast" else asker(asking.name)
        answer = asking.send(user)
        return answer, time.monotonic() - begun

    with frozen(api.stack, "nats"):
        with ThreadPoolExecutor(len(asked)) as threads:
            answers = list(threads.map(ask, asked))
        away = awaited(api, 503)
        assert api.client.get("/livez").status_code == 200
    for asking, (answer, took_s) in zip(asked, answers, strict=True):
        assert took_s < ANSWER_TIME_MAX_S, asking.name
        if asking.name.startswith("GET ") and answer.status_code == 200:
            continue  # the tables alone are enough for it
        problem(answer, 503, "log_unavailable")
    assert not away.json()["parts"]["log"]["ok"]
    awaited(api, 200)
    assert asked[0].send().is_success

"""What the OpenAPI document tells of each operation, asked of a running server.

Every answer that any test of REST gets is held against the document (see conformance.py). Here
each operation is made to refuse in every way that depends on the operation alone, so that none of
these ways is told of an operation that has no such thing; and every example is sent.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from roomlog.http.parts import BODY_BYTES_MAX
from roomlog_contract.errors import HTTP_STATUS, ErrorCode
from tests.integration.http.api import ADMIN, ANA, AUDITOR, BOT, DOT, NOWHERE, Api, new_key, problem
from tests.integration.http.conformance import Operation, operations, resolve

EVERY = [(f"{method} {path}", operation) for (method, path), operation in operations().items()]
_EXAMPLES = [
    (name, example)
    for name, operation in EVERY
    for example in (
        operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    ).get("examples", [None])
]


class World(NamedTuple):
    """A room of ANA's as the examples have it, with a message of hers."""

    room_id: str
    message_id: str
    sequence: int = 1


_OF_THE_TRAIL = {
    f"GET /api/audit/records/{proof}" for proof in ("checkpoint", "inclusion", "consistency")
}
_OF_AUDITORS = {"GET /api/checkpoint", "GET /api/rooms/{room_id}/tree/head", *_OF_THE_TRAIL}
# Met only by a server that has no key to sign with, or nothing on its audit trail.
_ELSEWHERE = {(name, ErrorCode.NOT_FOUND) for name in ("GET /api/checkpoint", *_OF_THE_TRAIL)}


def asker(name: str) -> str:
    """Somebody who may."""
    if name in {"GET /api/audit/records", "POST /api/messages/{message_id}/redact"}:
        return ADMIN
    return AUDITOR if name in _OF_AUDITORS else ANA


def example_of(operation: Operation, name: str) -> Any:
    """A parameter's example; None where the operation has no such parameter."""
    given = {
        resolve(each)["name"]: resolve(each)["schema"]["examples"][0]
        for each in operation["parameters"]
    }
    return given.get(name)


@pytest.fixture
def world(api: Api) -> World:
    room = api.room(
        (str(example_of(operations()["PUT", "/api/rooms/{room_id}/members/{user_id}"], "user_id")),
         "responder"),
    )  # fmt: skip
    sent = room.send(ANA, "to be asked about")
    api.get(AUDITOR, room.path)  # the audit trail has a record
    return World(room.room_id, sent["message_id"], sent["sequence_number"])


def url(name: str, operation: Operation, world: World) -> str:
    given = {
        "room_id": world.room_id,
        "message_id": world.message_id,
        "user_id": quote(str(example_of(operation, "user_id"))),
        "emoji": quote(str(example_of(operation, "emoji"))),
    }
    return name.partition(" ")[2].format(**given)


def body(operation: Operation, example: str | None) -> dict[str, Any]:
    """`json` of the request, where there is a body."""
    if example is None:
        return {}
    content = operation["requestBody"]["content"]["application/json"]
    return {"json": content["examples"][example]["value"]}


def codes(operation: Operation) -> set[str]:
    """All codes that an operation is said to answer."""
    return {
        code
        for status, reference in operation["responses"].items()
        if int(status) >= 400
        for code in resolve(reference)["content"]["application/problem+json"]["examples"]
    }


class Asking(NamedTuple):
    """One request, to be asked with something added or changed."""

    api: Api
    name: str
    operation: Operation
    world: World

    def send(self, user: str | None = "", path: str | None = None, **more: Any) -> httpx.Response:
        user = asker(self.name) if user == "" else user
        method = self.name.partition(" ")[0]
        headers = {**({} if user is None else self.api.headers(user)), **more.pop("headers", {})}
        first = next(iter(_of(self.name)), None)
        parameters = map(resolve, self.operation["parameters"])
        needed = {
            each["name"]: each["schema"]["examples"][0]
            for each in parameters
            if each["in"] == "query" and each.get("required")
        }
        params = {**needed, **more.pop("params", {})}
        given = {**({} if "content" in more else body(self.operation, first)), **more}
        where = path or url(self.name, self.operation, self.world)
        return self.api.client.request(
            method, where, headers=headers, params=params or None, **given
        )


def _of(name: str) -> list[str]:
    return [example for each, example in _EXAMPLES if each == name and example is not None]


_JSON = {"Content-Type": "application/json"}
REFUSALS: dict[ErrorCode, Callable[[Asking], httpx.Response]] = {
    ErrorCode.UNAUTHENTICATED: lambda ask: ask.send(user=None),
    ErrorCode.NOT_ACCEPTABLE: lambda ask: ask.send(headers={"Accept": "image/png"}),
    ErrorCode.INVALID: lambda ask: ask.send(params={"nonsense": "1"}),
    ErrorCode.NOT_FOUND: lambda ask: ask.send(
        path=url(ask.name, ask.operation, World(NOWHERE, NOWHERE))
    ),
    ErrorCode.FORBIDDEN: lambda ask: ask.send(user=DOT),
    ErrorCode.TOO_LARGE: lambda ask: ask.send(
        content=b'{"content":"' + b"x" * BODY_BYTES_MAX + b'"}', headers=_JSON
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: lambda ask: ask.send(
        content=b"{}", headers={"Content-Type": "text/plain"}
    ),
}


@pytest.mark.parametrize(("name", "operation"), EVERY, ids=[name for name, _ in EVERY])
@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_that_all_may_meet_is_told_where_it_is_met(
    api: Api, world: World, name: str, operation: Operation, code: ErrorCode
) -> None:
    # What is wrong with a request of its own is judged before the rights, and these by themselves.
    answer = REFUSALS[code](Asking(api, name, operation, world))
    met = answer.status_code == HTTP_STATUS[code] and answer.json()["code"] == code
    told = code in codes(operation) and (name, code) not in _ELSEWHERE
    assert met == told, answer.text[:300]


@pytest.mark.parametrize(("name", "example"), _EXAMPLES)
def test_every_example_does_what_the_document_says(
    api: Api, world: World, name: str, example: str | None
) -> None:
    method, _, path = name.partition(" ")
    operation = operations()[method, path]
    user = BOT if example in {"system", "notice"} else asker(name)
    key = new_key() if example_of(operation, "Idempotency-Key") else None
    told = {
        parameter["name"]: parameter["schema"]["examples"][0]
        for parameter in map(resolve, operation["parameters"])
        if parameter["in"] == "query"
    }
    # Like the ids in paths, these are the room's own.
    if name not in _OF_THE_TRAIL:
        told |= dict.fromkeys(told.keys() & {"sequence", "sequences"}, world.sequence)
    if "sequence" in told:
        del told["size"]
    answer = api.call(
        *(user, method, url(name, operation, world)),
        key=key,
        if_match="*" if example_of(operation, "If-Match") else None,
        params=told or None,
        **body(operation, example),
    )
    success = next(iter(operation["responses"]))
    assert answer.status_code == int(success), answer.text[:300]


def test_the_example_of_if_match_is_a_version_that_no_other_message_has(
    api: Api, world: World
) -> None:
    operation = operations()["PATCH", "/api/messages/{message_id}"]
    stale = api.call(
        *(ANA, "PATCH", f"/api/messages/{world.message_id}"),
        json={"content": "x"},
        if_match=str(example_of(operation, "If-Match")),
    )
    problem(stale, 412, "version_mismatch")

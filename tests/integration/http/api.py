"""What the tests of REST share: a client that speaks for any user, and rooms to speak in."""

import secrets
from collections.abc import Sequence
from typing import Any

import httpx

from tests.integration.http.conformance import HOOKS
from tests.stack import Stack

TIMEOUT_S = 30
ANA, BEN, CEM, DOT = "ana@example.com", "ben+ops@example.com", "cem@example.com", "dot@example.com"
ADMIN, AUDITOR, BOT = "admin@example.com", "auditor@example.com", "bot@example.com"
ROLES = {ADMIN: ("admin",), AUDITOR: ("auditor",), BOT: ("service",)}
NOWHERE = "00000000-0000-7000-8000-000000000000"


class Api:
    """Requests to one server. `user` speaks with the roles that ROLES gives it.

    Each answer must be one that the OpenAPI document tells of.
    """

    def __init__(self, stack: Stack, base_url: str | None = None) -> None:
        self.stack = stack
        self.client = httpx.Client(
            base_url=base_url or stack.base_url, timeout=TIMEOUT_S, event_hooks=HOOKS
        )

    def headers(
        self, user: str, key: str | None = None, if_match: str | None = None
    ) -> dict[str, str]:
        headers = self.stack.headers(user, *ROLES.get(user, ()))
        if key is not None:
            headers["Idempotency-Key"] = key
        if if_match is not None:
            headers["If-Match"] = if_match
        return headers

    def call(
        self,
        user: str,
        method: str,
        path: str,
        *,
        key: str | None = None,
        if_match: str | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        given = {**self.headers(user, key, if_match), **(headers or {})}
        return self.client.request(method, path, headers=given, **request)

    def get(self, user: str, path: str, **params: Any) -> Any:
        """The body of a GET that must succeed."""
        answer = self.call(user, "GET", path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def room(
        self, *members: tuple[str, str], by: str = ANA, name: str = "checkout is down"
    ) -> "Room":
        body = {"name": name, "members": [{"user_id": u, "role": r} for u, r in members]}
        answer = self.call(by, "POST", "/api/rooms", json=body)
        assert answer.status_code == 201, answer.text
        return Room(self, answer.json()["room_id"])


class Room:
    """A room made for one test."""

    def __init__(self, api: Api, room_id: str) -> None:
        self.api = api
        self.room_id = room_id
        self.path = f"/api/rooms/{room_id}"

    def send(self, user: str, content: str, **fields: Any) -> dict[str, Any]:
        """Send a message, which must succeed, and give what it answered."""
        body = {"content": content, **fields}
        answer = self.api.call(user, "POST", f"{self.path}/messages", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def messages(self, user: str, **params: Any) -> list[dict[str, Any]]:
        return self.api.get(user, f"{self.path}/messages", **params)["items"]

    def events(self, user: str) -> list[dict[str, Any]]:
        return self.api.get(user, f"{self.path}/events", limit=500)["items"]


def new_key() -> str:
    """A key that is no UUIDv7, so that the tables are asked whether it was used."""
    return f"key-{secrets.token_hex(8)}"


def problem(answer: httpx.Response, status: int, code: str, *fields: str) -> dict[str, Any]:
    """The problem that an answer is; fails unless it is this one, with errors for these fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert {"type", "title", "detail"} <= body.keys()
    assert [e["field"] for e in body.get("errors", [])] == list(fields), body
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    return body


def all_pages(api: Api, user: str, path: str, **params: Any) -> list[list[Any]]:
    """The items of each page, following `next` to the end."""
    pages = []
    page = api.get(user, path, **params)
    while True:
        pages.append(page["items"])
        if page["next"] is None:
            return pages
        page = api.get(user, path, cursor=page["next"])


def ids(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["message_id"] for message in messages]

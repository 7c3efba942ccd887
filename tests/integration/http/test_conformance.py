"""The judge of answers itself: it lets nothing pass that the document doesn't tell."""

from typing import Any

import httpx
import pytest

from tests.integration.http.conformance import check, document

ROOMS, ROOM = "/api/rooms", "/api/rooms/0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e6f"
FRESH = {"X-Request-ID": "a", "Cache-Control": "no-store", "Content-Type": "application/json"}
PAGE = {"items": [], "next": None}
PROBLEM = {"type": "t", "title": "t", "status": 401, "code": "unauthenticated", "detail": "d"}
REFUSED = {
    "X-Request-ID": "a",
    "WWW-Authenticate": "Bearer",
    "Content-Type": "application/problem+json",
}


def answer(
    status: int, headers: dict[str, str], body: Any, *, method: str = "GET", path: str = ROOMS
) -> httpx.Response:
    request = httpx.Request(method, f"http://x.example{path}?limit=5")
    content = httpx.Response(200, json=body).content
    return httpx.Response(status, headers=headers, content=content, request=request)


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def test_what_is_documented_passes() -> None:
    check(answer(200, FRESH, PAGE))
    check(answer(200, {**FRESH, "Link": '</api/rooms?cursor=x>; rel="next"'}, PAGE))
    check(answer(401, REFUSED, PROBLEM))
    room = document()["paths"]["/api/rooms/{room_id}"]["get"]["responses"]["200"]
    example = room["content"]["application/json"]["examples"]["room"]["value"]
    check(answer(200, FRESH, example, path=ROOM))


def test_of_what_is_not_documented_nothing_is_known() -> None:
    check(answer(404, {}, {}, path="/nope"))


@pytest.mark.parametrize(
    "wrong",
    [
        answer(418, FRESH, PAGE),
        answer(200, {**FRESH, "ETag": '"1"'}, PAGE),
        answer(200, {**FRESH, "Link": "elsewhere"}, PAGE),
        answer(200, {**FRESH, "Cache-Control": "public"}, PAGE),
        answer(200, without(FRESH, "Cache-Control"), PAGE),
        answer(200, {**FRESH, "Content-Type": "text/html"}, PAGE),
        answer(200, FRESH, {"items": []}),
        answer(200, FRESH, {"items": [{}], "next": None}),
        answer(200, FRESH, {"room_id": "x"}, path=ROOM),
        answer(401, without(REFUSED, "WWW-Authenticate"), PROBLEM),
        answer(401, REFUSED, {**PROBLEM, "code": "forbidden"}),
        answer(401, REFUSED, {**PROBLEM, "status": 403}),
        answer(401, {**REFUSED, "Content-Type": "application/json"}, PROBLEM),
        answer(403, REFUSED, {**PROBLEM, "status": 403, "code": "forbidden"}),
        answer(405, REFUSED, {**PROBLEM, "status": 405, "code": "method_not_allowed"}),
    ],
)
def test_anything_else_does_not(wrong: httpx.Response) -> None:
    with pytest.raises(AssertionError):
        check(wrong)

"""What is refused before any service is asked, and the doors without a token."""

import gzip

import httpx
import jwt
import pytest

from roomlog.http.auth import NDJSON
from roomlog.http.event_stream import EVENT_STREAM
from tests.integration.http.api import ANA, NOWHERE, Api, problem


@pytest.mark.parametrize(
    "path", ["/api/rooms", f"/api/rooms/{NOWHERE}/messages", f"/api/messages/{NOWHERE}/reactions"]
)
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer \xff"]
)
def test_without_a_token_nothing_is_told(api: Api, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = api.client.get(path, headers=headers)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_expired_foreign_and_shapeless_tokens_are_refused(api: Api) -> None:
    expired = api.stack.token(ANA, ttl_s=-60)
    foreign = jwt.encode({"sub": ANA, "exp": 4e9}, "x" * 32, algorithm="HS256")
    unsigned = jwt.encode({"sub": ANA, "exp": 4e9}, None, algorithm="none")
    shapeless = api.stack.token(ANA, exp="soon")
    nobody = api.stack.token("")
    beyond_numbers = api.stack.token(ANA, exp=10**400)
    for token in (expired, foreign, unsigned, shapeless, beyond_numbers, nobody, "x" * 10_000):
        answer = api.client.get("/api/rooms", headers={"Authorization": f"Bearer {token}"})
        problem(answer, 401, "unauthenticated")
        assert token not in answer.text
    lower = {"Authorization": f"bearer {api.stack.token(ANA)}"}
    assert api.client.get("/api/rooms", headers=lower).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/nope",
        "/schema/nope",
        "/schema/assets/nope.js",
        "/schema/assets/..%2F__init__.py",
        f"/ws/{NOWHERE}",
        f"/api/rooms/{NOWHERE}/typing",
        f"/api/rooms/{NOWHERE}/online",
    ],
)
def test_where_there_is_nothing_the_answer_is_not_found(api: Api, path: str) -> None:
    problem(api.call(ANA, "GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/rooms", {"GET", "HEAD", "POST"}),
        ("DELETE", f"/api/rooms/{NOWHERE}", {"GET", "HEAD", "PATCH"}),
        ("POST", f"/api/messages/{NOWHERE}", {"PATCH", "DELETE"}),
        ("POST", "/livez", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_not_allowed(api: Api, method: str, path: str, allowed: set[str]) -> None:
    answer = api.call(ANA, method, path)
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/rooms", "GET, HEAD, OPTIONS, POST"),
        (f"/api/rooms/{NOWHERE}", "GET, HEAD, OPTIONS, PATCH"),
        (f"/api/rooms/{NOWHERE}/messages", "GET, HEAD, OPTIONS, POST"),
        (f"/api/rooms/{NOWHERE}/members/{ANA}", "DELETE, OPTIONS, PUT"),
        (f"/api/messages/{NOWHERE}", "DELETE, OPTIONS, PATCH"),
        (f"/api/messages/{NOWHERE}/reactions?a=b", "GET, HEAD, OPTIONS, POST"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_tell_all_methods_of_a_path(api: Api, path: str, allowed: str) -> None:
    for answer in (api.call(ANA, "OPTIONS", path), api.client.options(path)):
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == allowed


def test_who_may_ask_for_the_methods_of_nothing_is_told_so(api: Api) -> None:
    problem(api.client.options("/api/nope"), 404, "not_found")


@pytest.mark.parametrize("accept", ["application/json", NDJSON, EVENT_STREAM])
def test_head_is_get_without_its_body(api: Api, accept: str) -> None:
    room = api.room()
    room.send(ANA, "a text")
    for path in ("/api/rooms", f"{room.path}/messages", f"{room.path}/messages?limit=1"):
        got = api.call(ANA, "GET", path)
        # Twice: the second time of a page that is kept.
        for _ in range(2):
            head = api.call(ANA, "HEAD", path)
            assert (head.status_code, head.content) == (200, b"")
            assert _told(head) == _told(got)
    with api.client.stream(
        "GET", f"{room.path}/events", headers={**api.headers(ANA), "Accept": accept}
    ) as streamed:
        told = _told(streamed)
    # Also of what never ends, and the connection is good for another request.
    for _ in range(3):
        head = api.call(ANA, "HEAD", f"{room.path}/events", headers={"Accept": accept})
        assert (head.status_code, head.content) == (200, b"")
        assert _told(head) == told
    assert "roomlog_event_streams 0.0" in api.client.get("/metrics").text


def _told(answer: httpx.Response) -> dict[str, str]:
    own = {"date", "x-request-id", "transfer-encoding"}
    return {name: value for name, value in answer.headers.items() if name not in own}


def test_head_is_refused_as_get_is(api: Api) -> None:
    # The client without hooks: what the document says of bodies holds for GET.
    with httpx.Client(base_url=api.stack.base_url, headers=api.headers(ANA)) as client:
        for path, status in (
            (f"/api/rooms/{NOWHERE}", 404),
            ("/api/rooms?nope=1", 422),
            (f"/api/messages/{NOWHERE}", 405),
            ("/livez", 200),
        ):
            told = client.head(path)
            assert (told.status_code, told.content) == (status, b"")
        del client.headers["Authorization"]
        assert client.head("/api/rooms").status_code == 401
    counted = api.client.get("/metrics").text
    assert 'roomlog_http_requests_total{method="HEAD",route="/api/rooms",status="401"}' in counted


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/xml",
        "nonsense",
        "",
    ],
)
def test_bodies_are_json(api: Api, content_type: str) -> None:
    answer = api.call(
        ANA,
        "POST",
        "/api/rooms",
        content=b'{"name":"a"}',
        headers={"Content-Type": content_type},
    )
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_nothing_that_is_packed_is_unpacked(api: Api, coding: str) -> None:
    for content in (gzip.compress(b'{"name":"a"}'), b'{"name":"a"}'):
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        answer = api.call(ANA, "POST", "/api/rooms", content=content, headers=headers)
        problem(answer, 415, "unsupported_media_type")
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    answer = api.call(ANA, "POST", "/api/rooms", content=b'{"name":"a"}', headers=plain)
    assert answer.status_code == 201


def test_a_body_in_utf8_is_taken_however_that_is_said(api: Api) -> None:
    for content_type in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
        answer = api.call(
            ANA,
            "POST",
            "/api/rooms",
            content='{"name":"é"}'.encode(),
            headers={"Content-Type": content_type},
        )
        assert (answer.status_code, answer.json()["name"]) == (201, "é")


def test_every_answer_names_its_request(api: Api) -> None:
    given = api.call(ANA, "GET", "/nope", headers={"X-Request-Id": "abc-123"})
    assert given.headers["x-request-id"] == "abc-123"
    odd = api.call(ANA, "GET", "/api/rooms", headers={"X-Request-Id": "a b\t<c>"})
    assert odd.headers["x-request-id"] not in {"", "a b\t<c>"}
    assert api.client.get("/livez").headers["x-request-id"]


def test_health_needs_no_token_and_names_each_part(api: Api) -> None:
    assert api.client.get("/livez").json() == {"status": "ok"}
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert {"log", "database"} <= ready.json()["parts"].keys()
    assert all(part["ok"] for part in ready.json()["parts"].values())


def test_metrics_count_by_route(api: Api) -> None:
    room = api.room()
    room.send(ANA, "counted")
    problem(api.call(ANA, "GET", f"/api/rooms/{NOWHERE}"), 404, "not_found")
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    counted = answer.text
    route = "/api/rooms/{room_id}/messages"
    assert f'roomlog_http_requests_total{{method="POST",route="{route}",status="201"}}' in counted
    assert 'roomlog_errors_total{code="not_found",interface="rest"}' in counted
    assert f'roomlog_http_appends_total{{route="{route}"}}' in counted
    assert room.room_id not in counted


def test_no_page_of_another_origin_is_let_in(api: Api) -> None:
    answer: httpx.Response = api.call(
        ANA, "GET", "/api/rooms", headers={"Origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = api.client.options("/api/rooms", headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert not any(name.startswith("access-control-") for name in preflight.headers)


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("limit=0", "limit", "Expected int >= 1"),
        (
            "type=video",
            "type",
            "must be one of text, image_ref, file_ref, incident_data, system",
        ),
        (
            "as_of=noon",
            "as_of",
            "must be an RFC 3339 time such as 2030-01-31T12:00:00Z, or a sequence",
        ),
    ],
)
def test_the_detail_alone_says_what_is_wrong_with_which_field(
    api: Api, query: str, field: str, detail: str
) -> None:
    told = problem(
        api.call(ANA, "GET", f"{api.room().path}/messages?{query}"), 422, "invalid", field
    )
    assert told["errors"] == [{"field": field, "detail": detail}]
    assert told["detail"] == f"{field}: {detail}"

"""What comes in and how errors are told, without a server."""

from datetime import UTC, datetime

import msgspec
import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from roomlog.http import requests
from roomlog.http.auth import JSON, NDJSON, preferred
from roomlog.http.problems import problem_of
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog_contract import resources as rs
from roomlog_contract.errors import HTTP_STATUS, ErrorCode, RefusedError


def refusal(function: object, *arguments: object) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        function(*arguments)  # type: ignore[operator]
    return refused.value


@pytest.mark.parametrize(
    ("if_match", "version"),
    [(None, None), ("*", None), ('"12"', 12), ("12", 12), (' "12" ', 12), ('"0"', 0)],
)
def test_if_match_takes_one_strong_tag(if_match: str | None, version: int | None) -> None:
    assert requests.expected_version(if_match) == version


@pytest.mark.parametrize(
    "if_match",
    [
        *('"1", "2"', "", '"9"' * 9, "\u0661", '"12', '12"', 'w/"12"', "W/12", '"1 2"', "a"),
        "9999999999999999999",
    ],
)
def test_any_other_if_match_is_refused(if_match: str) -> None:
    error = refusal(requests.expected_version, if_match)
    assert (error.code, error.errors[0].field) == (ErrorCode.INVALID, "If-Match")


@pytest.mark.parametrize(
    "if_match", ['W/"12"', '""', '"a"', '"-1"', '"\xe9"', '"9999999999999999999"']
)
def test_a_tag_that_no_message_has_is_that_of_no_version(if_match: str) -> None:
    assert requests.expected_version(if_match) == 0


@pytest.mark.parametrize(
    "text",
    ["2030-01-31T12:00:00Z", "2030-01-31T13:00:00+01:00", "2030-01-31T13:00:00 01:00"],
)
def test_times_are_taken_with_their_offset(text: str) -> None:
    assert requests.moment(text, "at") == datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "2030-01-31",
        "2030-01-31T12:00:00",
        "2030-02-31T12:00:00Z",
        "now",
        "2030" * 20,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    assert refusal(requests.moment, text, "at").errors[0].field == "at"


def test_ids_of_the_path_are_uuids_in_whatever_case() -> None:
    text = "8F0F2A3E-6B1D-5D0C-9A53-1F6F726F6F6D"
    assert requests.path_uuid(text, "room") == text.lower()
    for wrong in ("", "x", text[:-1], text.replace("-", ""), "{" + text[:-2] + "}", "é" * 36):
        assert refusal(requests.path_uuid, wrong, "room").code is ErrorCode.NOT_FOUND


def test_header_bytes_are_read_as_utf8_where_they_can_be() -> None:
    assert requests.header_text("é".encode().decode("latin-1")) == "é"
    assert requests.header_text("\xe9") == "\xe9"
    assert requests.header_text(None) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"name":"\xff"}', "body"),
        (b'{"name":"\\ud800"}', "name"),
        (b'{"name":"a","members":[{"user_id":"\\udfff"}]}', "members[0].user_id"),
        (b'{"name":"\\ud83d\\ude00"', "body"),
        (b"{}", "name"),
        (b'{"name":1}', "name"),
        (b'{"name":"a","members":[{"role":"observer"}]}', "members[0].user_id"),
        (b'{"name":"a","members":[{"user_id":"a","role":"king"}]}', "members[0].role"),
        (b'{"name":"a","severity":"' + b"s" * 33 + b'"}', "severity"),
    ],
)
def test_a_bad_body_is_told_by_its_field(body: bytes, field: str) -> None:
    error = refusal(requests.decode_body, body, rs.RoomCreate)
    assert (error.code, error.errors[0].field) == (ErrorCode.INVALID, field)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5000, "NaN", "Infinity"])
def test_numbers_that_nothing_can_hold_are_refused(number: str) -> None:
    body = f'{{"content":"a","metadata":{{"n":{number}}}}}'.encode()
    assert refusal(requests.decode_body, body, rs.MessageCreate).code is ErrorCode.INVALID


def test_a_body_nested_too_deeply_is_refused() -> None:
    body = b'{"content":"a","metadata":{"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    assert "deep" in refusal(requests.decode_body, body, rs.MessageCreate).detail


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (NDJSON, NDJSON),
        (f"{JSON};q=0.5, {NDJSON}", NDJSON),
        (f"{NDJSON};q=0.1, */*;q=0.5", JSON),
        ("application/json; charset=utf-8", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{JSON};q=0, {NDJSON};q=0.001", NDJSON),
    ],
)
def test_the_media_type_wanted_most_is_chosen(accept: str | None, chosen: str) -> None:
    assert preferred(accept, (JSON, NDJSON)) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", f"{JSON};q=0", f"{JSON};q=inf", f"{JSON};q=2", ";;,", "x" * 5000]
)
def test_what_nobody_takes_is_not_acceptable(accept: str) -> None:
    assert refusal(preferred, accept, (JSON, NDJSON)).code is ErrorCode.NOT_ACCEPTABLE


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_becomes_its_problem(code: ErrorCode) -> None:
    told = problem_of(RefusedError(code, "because", field="content"))
    assert told is not None
    body, headers = told
    assert (body.status, body.code, body.detail) == (HTTP_STATUS[code], code, "content: because")
    assert msgspec.json.decode(msgspec.json.encode(body))["errors"][0]["field"] == "content"
    assert ("Retry-After" in headers) == (body.status in {429, 503})
    assert ("WWW-Authenticate" in headers) == (code is ErrorCode.UNAUTHENTICATED)


def test_retry_after_is_in_whole_seconds() -> None:
    told = problem_of(RefusedError(ErrorCode.RATE_LIMITED, "slower", retry_after_s=1.2))
    assert told is not None
    assert told[1] == {"Retry-After": "2"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatabaseUnavailableError(), ErrorCode.DATABASE_UNAVAILABLE),
        (LogUnavailableError("away"), ErrorCode.LOG_UNAVAILABLE),
        (NotFoundException(), ErrorCode.NOT_FOUND),
        (HTTPException(status_code=400), ErrorCode.INVALID),
        (HTTPException(status_code=413), ErrorCode.TOO_LARGE),
        (
            MethodNotAllowedException(headers={"allow": "GET, websocket"}),
            ErrorCode.METHOD_NOT_ALLOWED,
        ),
        (MethodNotAllowedException(headers={"allow": "websocket"}), ErrorCode.NOT_FOUND),
    ],
)
def test_other_errors_become_problems_too(error: Exception, code: ErrorCode) -> None:
    told = problem_of(error)
    assert told is not None
    assert told[0].code is code
    assert told[1].get("Allow") == ("GET, HEAD" if code is ErrorCode.METHOD_NOT_ALLOWED else None)


def test_an_error_that_nobody_foresaw_has_no_code() -> None:
    assert problem_of(ValueError("oops")) is None
    assert problem_of(HTTPException(status_code=500)) is None

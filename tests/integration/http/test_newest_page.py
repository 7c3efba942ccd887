"""The newest page of a room, read again and again: kept, and never older than what was told."""

import re
from collections.abc import Generator

import httpx
import pytest

from roomlog.http.newest_pages import PAGE_BYTES_MAX, KeptPage, NewestPages
from tests.integration.http.api import ANA, BEN, CEM, Api, problem
from tests.stack import running_stack

WRITES = 60
READS = 5
PAGE_ORIGIN = "https://page.example"


@pytest.fixture(scope="module")
def two_workers() -> Generator[Api]:
    settings = {"USER_MESSAGES_PER_SECOND": "0", "ALLOWED_ORIGINS": PAGE_ORIGIN}
    with running_stack(["--workers", "2"], **settings) as running:
        api = Api(running)
        yield api
        api.client.close()


def test_whoever_was_told_of_a_write_reads_it_on_any_worker(two_workers: Api) -> None:
    api = two_workers
    room = api.room((BEN, "responder"))
    # A new connection each time: either worker may take it.
    asked = {"headers": api.headers(BEN), "timeout": 30}
    url = f"{api.stack.base_url}{room.path}/messages"
    for number in range(WRITES):
        sent = room.send(ANA, f"message {number}")
        for _ in range(3):
            page = httpx.get(url, **asked).json()
            assert page["items"][0]["message_id"] == sent["message_id"]
            assert page["head"] >= sent["sequence_number"]
        path = f"/api/messages/{sent['message_id']}/reactions"
        api.call(BEN, "POST", path, json={"emoji": "👍"}).raise_for_status()
        assert httpx.get(url, **asked).json()["items"][0]["reactions"][0]["count"] == 1


def test_a_kept_page_is_the_same_to_the_byte_as_one_that_is_read(api: Api) -> None:
    room = api.room((BEN, "observer"))
    for number in range(7):
        room.send(ANA, f"message {number}")
    for params in ({}, {"limit": 3}, {"limit": 500}):
        read = api.call(ANA, "GET", f"{room.path}/messages", params=params)
        kept = api.call(BEN, "GET", f"{room.path}/messages", params=params)
        assert read.content == kept.content
        told = [sorted(one.headers.multi_items()) for one in (read, kept)]
        same = [[h for h in one if h[0] not in {"date", "x-request-id"}] for one in told]
        assert same[0] == same[1]
        assert kept.headers["x-request-id"] != read.headers["x-request-id"]


def test_what_else_is_asked_of_a_kept_page_is_judged_as_ever(api: Api) -> None:
    room = api.room()
    room.send(ANA, "one")
    path = f"{room.path}/messages"
    for _ in range(2):
        api.call(ANA, "GET", path).raise_for_status()
    refused = api.client.get(path, headers={**api.headers(ANA), "Accept": "text/html"})
    problem(refused, 406, "not_acceptable")
    problem(api.client.get(path), 401, "unauthenticated")
    problem(api.client.get(path, headers={"Authorization": "Bearer x"}), 401, "unauthenticated")
    for params in (
        {"limit": 0},
        {"limit": 501},
        {"limit": "1", "colour": "red"},
        {"min_sequence": -1},
    ):
        problem(api.call(ANA, "GET", path, params=params), 422, "invalid", list(params)[-1])
    problem(api.call(ANA, "GET", f"{path}?limit=1&limit=1"), 422, "invalid", "limit")
    assert api.call(ANA, "GET", path, params={"limit": "1", "cursor": ""}).status_code == 422
    assert api.call(ANA, "OPTIONS", path).headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_each_reading_is_counted_once_and_its_path_is_one_of_the_routes(api: Api) -> None:
    room = api.room((BEN, "observer"))
    room.send(ANA, "one")
    path = f"{room.path}/messages"
    counted = r'roomlog_http_requests_total{method="GET",route="%s",status="%s"} (\d+)'
    route = "/api/rooms/{room_id}/messages"

    def read_so_far(status: int) -> int:
        found = re.search(counted % (re.escape(route), status), api.client.get("/metrics").text)
        return 0 if found is None else int(found[1])

    read, refused = read_so_far(200), read_so_far(403)
    for number in range(READS):
        given = {"X-Request-ID": f"reading-{number}"}
        answer = api.call(BEN, "GET", path, headers=given).raise_for_status()
        assert answer.headers.get_list("x-request-id") == [f"reading-{number}"]
        problem(api.call(CEM, "GET", path), 403, "forbidden")
    assert read_so_far(200) == read + READS
    assert read_so_far(403) == refused + READS


def test_a_kept_page_tells_a_browser_who_may_read_it(two_workers: Api) -> None:
    api = two_workers
    room = api.room()
    room.send(ANA, "one")
    path = f"{room.path}/messages"
    for origin, allowed in ((PAGE_ORIGIN, PAGE_ORIGIN), ("https://other.example", None)):
        for _ in range(READS):
            api.call(ANA, "GET", path).raise_for_status()
            told = api.call(ANA, "GET", path, headers={"Origin": origin}).raise_for_status()
            assert told.headers.get("access-control-allow-origin") == allowed


def test_a_kept_page_is_for_members_only(api: Api) -> None:
    room = api.room((BEN, "observer"))
    room.send(ANA, "for us")
    assert room.messages(BEN)
    assert room.messages(BEN)
    problem(api.call(CEM, "GET", f"{room.path}/messages"), 403, "forbidden")
    api.call(ANA, "DELETE", f"{room.path}/members/{BEN}").raise_for_status()
    problem(api.call(BEN, "GET", f"{room.path}/messages"), 403, "forbidden")


def test_min_sequence_is_judged_as_ever(api: Api) -> None:
    room = api.room()
    sent = room.send(ANA, "one")
    head = room.api.get(ANA, f"{room.path}/messages")["head"]
    assert room.messages(ANA, min_sequence=sent["sequence_number"])
    answer = api.call(ANA, "GET", f"{room.path}/messages", params={"min_sequence": head + 1_000})
    problem(answer, 422, "invalid", "min_sequence")


async def test_pages_are_bounded_by_their_bytes() -> None:
    pages = NewestPages(bytes_max=25)
    for name in ("a", "b", "c"):
        pages.keep(name, 50, KeptPage(1, "e", b"x" * 10, {}))
    assert pages.find("a", 50) is None
    assert [pages.has(name) for name in ("a", "b", "c")] == [False, True, True]
    assert pages.find("c", 50) == KeptPage(1, "e", b"x" * 10, {})
    pages.keep("c", 50, KeptPage(2, "e", b"y" * (PAGE_BYTES_MAX + 1), {}))
    assert pages.find("c", 50) is None
    assert pages.find("b", 50) is not None


async def test_a_room_has_pages_while_one_of_any_size_is_kept() -> None:
    pages = NewestPages(bytes_max=25)
    for size in (1, 2, 2):
        pages.keep("a", size, KeptPage(1, "e", b"x" * 10, {}))
    pages.keep("b", 1, KeptPage(1, "e", b"x" * 10, {}))
    assert pages.find("a", 1) is None
    assert pages.has("a")
    pages.keep("b", 2, KeptPage(1, "e", b"x" * 10, {}))
    assert not pages.has("a")
    assert pages.has("b")

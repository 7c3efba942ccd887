"""The newest page of a room, read again and again: kept, and never older than what was told."""

from collections.abc import Generator

import httpx
import pytest

from roomlog.http.newest_pages import PAGE_BYTES_MAX, KeptPage, NewestPages
from tests.integration.http.api import ANA, BEN, CEM, Api, problem
from tests.stack import running_stack

WRITES = 60


@pytest.fixture(scope="module")
def two_workers() -> Generator[Api]:
    with running_stack(["--workers", "2"], USER_MESSAGES_PER_SECOND="0") as running:
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
        for name in ("link", "cache-control", "content-type"):
            assert read.headers.get(name) == kept.headers.get(name)


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
    assert pages.find("c", 50) == KeptPage(1, "e", b"x" * 10, {})
    pages.keep("c", 50, KeptPage(2, "e", b"y" * (PAGE_BYTES_MAX + 1), {}))
    assert pages.find("c", 50) is None
    assert pages.find("b", 50) is not None

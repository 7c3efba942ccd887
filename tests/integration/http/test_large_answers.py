"""Large answers: pages end where they get too long, and what nobody reads is not made."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.nasty import memory_mib
from roomlog.ports import PAGE_BYTES_MAX
from tests.integration.http.api import ANA, Api, Room, all_pages
from tests.within import within

WAIT_S = 60.0
MESSAGES = 100
BLOB = "x" * 98_000
DEAF = 60
GROWTH_MIB_MAX = 60.0


@pytest.fixture(scope="module")
def large(api: Api) -> Room:
    """A room of 10 MB in messages of almost the largest size."""
    room = api.room()

    def send(number: int) -> None:
        metadata = {"kind": "dump", "data": {"blob": BLOB}}
        room.send(ANA, f"needle {number}", message_type="incident_data", metadata=metadata)

    with ThreadPoolExecutor(4) as senders:
        list(senders.map(send, range(MESSAGES)))
    return room


@pytest.mark.parametrize("query", [{}, {"after": 0}, {"as_of": "head"}])
def test_a_page_of_messages_ends_where_it_gets_too_long(
    api: Api, large: Room, query: dict[str, Any]
) -> None:
    if "as_of" in query:
        query = {"as_of": api.get(ANA, large.path)["head"]}
    _all_in_short_pages(api, f"{large.path}/messages", query, lambda item: item["content"])


def test_a_page_of_events_ends_where_it_gets_too_long(api: Api, large: Room) -> None:
    _all_in_short_pages(
        api, f"{large.path}/events", {}, lambda item: item["event"].get("content", "")
    )


@pytest.mark.parametrize("order", ["newest", "relevance"])
def test_a_page_of_a_search_ends_where_it_gets_too_long(api: Api, large: Room, order: str) -> None:
    query = {"q": "needle", "order": order}
    path = f"{large.path}/messages/search"
    _all_in_short_pages(api, path, query, lambda item: item["message"]["content"])


def _all_in_short_pages(api: Api, path: str, query: dict[str, Any], content: Any) -> None:
    pages = all_pages(api, ANA, path, limit=500, **query)
    said = [[one for one in map(content, page) if one.startswith("needle")] for page in pages]
    assert sorted(one for page in said for one in page) == sorted(
        f"needle {number}" for number in range(MESSAGES)
    )
    assert len(pages) == 2
    assert len(BLOB) * (len(said[0]) - 1) < PAGE_BYTES_MAX


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_what_nobody_reads_is_not_made(api: Api, large: Room, accept: str) -> None:
    request = "\r\n".join(
        (
            f"GET {large.path}/events?after=0 HTTP/1.1",
            "Host: roomlog",
            f"Accept: {accept}",
            f"Authorization: {api.headers(ANA)['Authorization']}",
            *("", ""),
        )
    ).encode()
    at = urlsplit(api.stack.base_url)
    before_mib = memory_mib(api.stack)
    loop = asyncio.get_running_loop()
    deaf: list[socket.socket] = []
    for _ in range(DEAF):
        one = socket.socket()
        deaf.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setblocking(False)
        await loop.sock_connect(one, (at.hostname, at.port))
        await loop.sock_sendall(one, request)
    # Each has been answered: head, and the first of the body.
    for one in deaf:
        told = b""
        while b"needle" not in told:
            piece = await within(loop.sock_recv(one, 1024), WAIT_S)
            assert piece
            told += piece
    grown_mib = memory_mib(api.stack) - before_mib
    # Meanwhile somebody else is answered, with all of it.
    events = await asyncio.to_thread(all_pages, api, ANA, f"{large.path}/events", limit=500)
    assert sum(map(len, events)) == MESSAGES + 1
    for one in deaf:
        one.close()
    assert grown_mib < GROWTH_MIB_MAX

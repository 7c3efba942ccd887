"""A room's live feed of server-sent events."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from roomlog.services.event_feed import WAITING_EVENTS_MAX
from tests.integration.http.api import ANA, AUDITOR, BEN, CEM, Api, Room, problem
from tests.integration.http.conformance import check

SSE = {"Accept": "text/event-stream"}
DEADLINE_S = 60
END_S = 2


class Reader:
    """A feed as an EventSource reads it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def blocks(self) -> Generator[list[str]]:
        """What stands between empty lines."""
        block: list[str] = []
        for line in self._lines:
            if line:
                block.append(line)
            else:
                yield block
                block = []

    def events(self, count: int) -> list[dict[str, Any]]:
        """The next events; each one's id is its sequence."""
        found: list[dict[str, Any]] = []
        for block in self.blocks():
            fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
            if "data" in fields:
                event = json.loads(fields["data"])
                assert fields["id"] == str(event["sequence"])
                found.append(event)
                if len(found) == count:
                    break
        return found

    def end(self) -> list[list[str]]:
        """What comes until the server ends the feed."""
        return list(self.blocks())


@contextmanager
def reading(
    room: Room, user: str, *, after: int | None = None, **headers: str
) -> Generator[Reader]:
    params = {} if after is None else {"after": after}
    given = {**room.api.headers(user), **SSE, **headers}
    url = f"{room.api.stack.base_url}{room.path}/events"
    with httpx.stream("GET", url, headers=given, params=params, timeout=DEADLINE_S) as answer:
        assert answer.status_code == 200, answer.read()
        check(answer)
        yield Reader(answer)


def test_everything_after_a_sequence_is_followed_by_what_comes(api: Api):
    room = api.room((BEN, "responder"))
    for n in range(300):
        room.send(ANA, f"before {n}")
    past = [e for page in (0, 1) for e in _page(room, page)]
    with reading(room, BEN, after=past[9]["sequence"]) as reader:
        assert reader.answer.headers["content-type"].startswith("text/event-stream")
        assert reader.answer.headers["cache-control"] == "no-store"
        assert reader.answer.headers["roomlog-epoch"]
        assert reader.events(len(past) - 10) == past[10:]
        room.send(ANA, "now\nand in two lines")
        (live,) = reader.events(1)
    assert live["event"]["content"] == "now\nand in two lines"
    assert live["prev_sequence"] == past[-1]["sequence"]


def _page(room: Room, number: int) -> list[dict[str, Any]]:
    page = room.api.get(ANA, f"{room.path}/events", limit=200)
    return (
        page["items"]
        if number == 0
        else room.api.get(
            ANA, f"{room.path}/events", after=page["items"][-1]["sequence"], limit=200
        )["items"]
    )


def test_the_last_event_id_wins_over_the_address(api: Api):
    room = api.room()
    sent = [room.send(ANA, f"message {n}")["sequence_number"] for n in range(5)]
    with reading(room, ANA, after=0, **{"Last-Event-ID": str(sent[2])}) as reader:
        assert [e["sequence"] for e in reader.events(2)] == sent[3:]


def test_without_a_place_only_what_comes_is_told(api: Api):
    room = api.room()
    room.send(ANA, "before")
    with reading(room, ANA) as reader:
        assert next(reader.blocks()) == ["retry: 1000"]
        room.send(ANA, "after")
        assert [e["event"]["content"] for e in reader.events(1)] == ["after"]


def test_a_feed_that_breaks_off_anywhere_goes_on_there(api: Api):
    room = api.room()
    sent = [room.send(ANA, f"message {n}")["sequence_number"] for n in range(12)]
    told: list[int] = []
    for count in (1, 4, 2, 5):
        last = {"Last-Event-ID": str(told[-1])} if told else {}
        after = None if told else sent[0] - 1
        with reading(room, ANA, after=after, **last) as reader:
            told += [event["sequence"] for event in reader.events(count)]
    assert told == sent


def test_the_feed_ends_with_the_membership(api: Api):
    room = api.room((BEN, "responder"))
    with reading(room, BEN) as reader:
        next(reader.blocks())
        answer = api.call(ANA, "DELETE", f"{room.path}/members/{BEN}")
        assert answer.status_code == 204
        removed_s = time.monotonic()
        room.send(ANA, "not for Ben any more")
        rest = reader.end()
        assert time.monotonic() - removed_s < END_S
    assert "not for Ben" not in str(rest)
    problem(api.call(BEN, "GET", f"{room.path}/events", headers=SSE), 403, "forbidden")


def test_the_feed_ends_with_the_token(api: Api):
    room = api.room()
    ttl_s = 3
    expires_s = time.monotonic() + ttl_s
    token = api.stack.token(ANA, ttl_s=ttl_s)
    with reading(room, ANA, Authorization=f"Bearer {token}") as reader:
        reader.end()
    assert ttl_s - 1 < time.monotonic() - expires_s + ttl_s < ttl_s + END_S


def test_a_feed_is_for_readers_and_takes_only_places_that_are_there(api: Api):
    room = api.room()
    path = f"{room.path}/events"
    problem(api.call(CEM, "GET", path, headers=SSE), 403, "forbidden")
    above = api.call(ANA, "GET", path, headers=SSE, params={"after": 10**12})
    problem(above, 422, "invalid", "after")
    for nonsense in ("x", "-1", "٣", "9" * 20):
        headers = {**SSE, "Last-Event-ID": nonsense.encode()}
        answer = api.call(ANA, "GET", path, headers=headers)  # type: ignore[arg-type]
        problem(answer, 422, "invalid", "Last-Event-ID")
    with reading(room, AUDITOR, after=0) as reader:
        assert reader.events(1)[0]["event"]["type"] == "room.created"


def test_a_reader_that_stops_reading_misses_nothing_and_holds_nobody_up(api: Api):
    room = api.room()
    address = urlsplit(api.stack.base_url)
    token = api.stack.token(ANA)
    with socket.create_connection((address.hostname, address.port), DEADLINE_S) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.sendall(
            f"GET {room.path}/events?after=0 HTTP/1.1\r\nHost: test\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        # More than the buffers of both sockets and the waiting list hold.
        sent = [
            room.send(ANA, f"{n}", metadata={"x": "x" * 30_000})["sequence_number"]
            for n in range(WAITING_EVENTS_MAX + 20)
        ]
        with reading(room, ANA, after=sent[-2]) as other:
            assert [e["sequence"] for e in other.events(1)] == sent[-1:]
        taken: list[int] = []
        with peer.makefile("rb") as lines:
            while not taken or taken[-1] != sent[-1]:
                line = lines.readline()
                assert line
                if line.startswith(b"id: "):
                    taken.append(int(line[4:]))
    assert taken[1:] == sent

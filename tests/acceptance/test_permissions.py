"""The contract's table of who may do what, each cell asked of the running product: by every
route and by every client frame."""

import json
import secrets
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from roomlog.http import HttpParts, create_app
from roomlog.http.auth import admit
from roomlog.realtime.handlers import websocket_handlers
from roomlog_contract.frames import WebSocketMessage
from tests.acceptance.permission_table import (
    ADMIN,
    AUDITOR,
    COMMANDER,
    FRAMES,
    MAY,
    MEMBERS,
    OBSERVER,
    PEOPLE,
    ROUTES,
    SERVICE,
    SOCKETS,
    WITHOUT_TOKEN,
    Cell,
    Row,
)
from tests.integration.http.conformance import HOOKS
from tests.stack import Stack

WAIT_S = 30.0
AUTHOR = "author@example.org"
_GLOBAL = {ADMIN: ("admin",), AUDITOR: ("auditor",), SERVICE: ("service",)}


def _user(person: str) -> str:
    return f"{person}@example.org"


class Place:
    """A room with everybody in their role, in which each of them has said something."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.client = httpx.Client(base_url=stack.base_url, timeout=WAIT_S, event_hooks=HOOKS)
        members = [{"user_id": _user(p), "role": "responder"} for p in PEOPLE if p != COMMANDER]
        members += [{"user_id": AUTHOR, "role": "responder"}]
        made = self.call(COMMANDER, "POST", "/api/rooms", {"name": "r", "members": members})
        self.room_id = made.json()["room_id"]
        self.first = made.json()["head"]
        self.call(AUDITOR, "GET", "/api/rooms")  # the audit trail has a record
        self.own = {person: [self._said(_user(person)) for _ in range(4)] for person in PEOPLE}
        self.deleted = self._said(AUTHOR)
        self.call(COMMANDER, "DELETE", f"/api/messages/{self.deleted}")
        for person in PEOPLE:
            path = f"/api/rooms/{self.room_id}/members/{_user(person)}"
            if person == OBSERVER:
                self.call(COMMANDER, "PUT", path, {"role": "observer"})
            elif person not in MEMBERS:
                self.call(COMMANDER, "DELETE", path)

    def headers(self, user: str, *roles: str) -> dict[str, str]:
        return self.stack.headers(user, *roles)

    def call(self, person: str, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = self.ask(person, method, path, body)
        assert answer.is_success, answer.text
        return answer

    def ask(self, person: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = self.headers(_user(person), *_GLOBAL.get(person, ()))
        return self.client.request(method, path, headers=headers, json=body)

    def _said(self, user: str) -> str:
        answer = self.client.post(
            f"/api/rooms/{self.room_id}/messages",
            json={"content": "a text"},
            headers=self.headers(user),
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["message_id"]

    def _guest(self) -> str:
        user = f"guest-{secrets.token_hex(6)}@example.org"
        path = f"/api/rooms/{self.room_id}/members/{user}"
        self.call(COMMANDER, "PUT", path, {"role": "responder"})
        return user

    def cell(self, person: str) -> Cell:
        return Cell(
            room_id=self.room_id,
            person=person,
            user_id=_user(person),
            own=self.own[person].pop,
            others=lambda: self._said(AUTHOR),
            deleted=self.deleted,
            first=self.first,
            guest=self._guest,
            token=self.stack.token(_user(person), *_GLOBAL.get(person, ())),
        )


@pytest.fixture(scope="module")
def place(stack: Stack) -> Generator[Place]:
    made = Place(stack)
    yield made
    made.client.close()


@cache
def _application() -> Litestar:
    """All that a server routes, without anything behind it."""
    nothing = cast("Any", None)
    needed = [part.name for part in fields(HttpParts) if part.default is MISSING]
    return create_app(
        HttpParts(**dict.fromkeys(needed, nothing)),
        websocket_handlers=websocket_handlers(nothing),
    )


def _routes() -> dict[str, BaseRouteHandler]:
    """What is routed, hidden from the description or not: `GET /api/…`, or a socket's path."""
    found: dict[str, BaseRouteHandler] = {}
    for route in _application().routes:
        if isinstance(route, WebSocketRoute):
            found[route.path_format] = route.route_handler
        else:
            # Nothing is mounted: a foreign application would route by itself, past this table.
            assert isinstance(route, HTTPRoute), route
            for handler in route.route_handlers:
                for method in handler.http_methods - {"OPTIONS"}:
                    found[f"{method} {route.path_format}"] = handler
    return found


def test_every_route_has_a_row_and_every_row_a_route():
    rows = {row.what for row in ROUTES}

    assert _routes().keys() == rows | WITHOUT_TOKEN | SOCKETS
    assert rows & WITHOUT_TOKEN == set()


def test_every_route_with_a_row_asks_who_is_there_first():
    unguarded = {
        what for what, handler in _routes().items() if admit not in handler.resolve_guards()
    }

    assert unguarded == WITHOUT_TOKEN | SOCKETS


def test_the_description_leaves_out_no_route_that_has_a_row(stack: Stack):
    paths = httpx.get(f"{stack.base_url}/schema/openapi.json", timeout=WAIT_S).json()["paths"]
    methods = {"get", "put", "post", "patch", "delete"}
    told = {f"{m.upper()} {path}" for path in paths for m in methods & paths[path].keys()}

    assert {row.what for row in ROUTES} - told == set()


def test_every_client_frame_has_a_row():
    frames = {str(frame.__struct_config__.tag) for frame in get_args(WebSocketMessage)}

    assert {row.what for row in FRAMES} == frames


def test_every_act_of_the_table_is_asked_for_somewhere():
    assert {row.act for row in (*ROUTES, *FRAMES)} == set(MAY) - {"leave"}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("row", ROUTES, ids=str)
def test_over_rest(place: Place, row: Row, person: str):
    cell = place.cell(person)
    method, path = row.what.split()
    path = (path + row.query).format(room_id=cell.room_id, **row.fill(cell))

    answer = place.ask(person, method, path, row.body(cell) if row.body else None)

    if person in MAY[row.act]:
        assert answer.is_success, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text


@pytest.mark.parametrize("row", ROUTES, ids=str)
def test_over_rest_nobody_without_a_token(place: Place, row: Row):
    cell = place.cell(COMMANDER)
    method, path = row.what.split()
    names = {"user_id": "x", "message_id": cell.room_id, "emoji": "x", "sequence": 1}
    path = (path + row.query).format(**{**names, "room_id": cell.room_id})
    answer = place.client.request(method, path, json={})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


class _Socket:
    """`/ws` of one person; `answer` is what bears the frame's own mark."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting: list[dict[str, Any]] = []

    def say(self, **frame: Any) -> str:
        ref = secrets.token_hex(8)
        self._socket.send(json.dumps({"ref": ref, **frame}))
        return ref

    def answer(self, *refs: str) -> dict[str, Any]:
        """The first frame with one of these refs; all others are passed over."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            while self._waiting:
                frame = self._waiting.pop(0)
                if frame.get("ref") in refs:
                    return frame
            text = self._socket.recv(timeout=deadline_s - time.monotonic())
            assert isinstance(text, str)
            self._waiting += map(json.loads, text.split("\n"))


# These are not answered where they are taken; an answer to something later says that they were.
_SILENT = {"typing", "seen"}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("row", FRAMES, ids=str)
def test_over_websocket(place: Place, row: Row, person: str):
    cell = place.cell(person)
    headers = place.headers(cell.user_id, *_GLOBAL.get(person, ()))
    with connect(place.stack.ws_url + "/ws", additional_headers=headers, proxy=None) as connected:
        socket = _Socket(connected)
        if row.what not in {"subscribe", "ping", "auth"}:
            joined = socket.answer(socket.say(type="subscribe", room_id=cell.room_id))
            assert (joined["type"] == "subscribed") == (person in MAY["read"])
        fields = row.body(cell) if row.body else {}
        asked = socket.say(type=row.what, room_id=cell.room_id, **fields)
        allowed = person in MAY[row.act]
        later: list[str] = []
        if allowed and row.what in _SILENT:
            later = [socket.say(type="react", room_id=cell.room_id, emoji="x", message_id="none")]
        answer = socket.answer(asked, *later)

    if allowed:
        assert answer["type"] != "error" or answer["ref"] in later, answer
    else:
        # Whoever may not read a room is subscribed to nothing that could be left or typed in.
        nothing_there = row.what in {"unsubscribe", "typing"} and person not in MAY["read"]
        expected = {"forbidden", "not_found"} if nothing_there else {"forbidden"}
        assert answer["type"] == "error", answer
        assert answer["code"] in expected, answer


@pytest.mark.parametrize("person", PEOPLE)
def test_a_rooms_own_socket_is_for_those_who_may_read(place: Place, person: str):
    headers = place.headers(_user(person), *_GLOBAL.get(person, ()))
    url = f"{place.stack.ws_url}/ws/{place.room_id}?after=0"
    with connect(url, additional_headers=headers, proxy=None) as socket:
        first = [json.loads(line) for line in _lines(socket)]
        if person in MAY["read"]:
            assert [frame["type"] for frame in first[:2]] == ["hello", "subscribed"]
        else:
            assert first == []
            assert socket.close_code == 4503


def _lines(socket: ClientConnection) -> list[str]:
    """What comes first, two frames' worth; nothing where the connection is closed instead."""
    lines: list[str] = []
    with suppress(ConnectionClosed):
        while len(lines) < 2:
            text = socket.recv(timeout=WAIT_S)
            assert isinstance(text, str)
            lines += text.split("\n")
    return lines


@pytest.mark.parametrize("person", PEOPLE)
def test_whose_rooms_are_listed(place: Place, person: str):
    listed: list[str] = []
    page = place.call(person, "GET", "/api/rooms?limit=500").json()
    while True:
        listed += [room["room_id"] for room in page["items"]]
        if page["next"] is None:
            break
        page = place.call(person, "GET", f"/api/rooms?cursor={page['next']}").json()

    assert (place.room_id in listed) == (person in MAY["read"])


@pytest.mark.parametrize("person", [p for p in PEOPLE if p != COMMANDER])
def test_members_may_leave_and_nobody_else_can(place: Place, person: str):
    answer = place.ask(person, "DELETE", f"/api/rooms/{place.room_id}/members/{_user(person)}")
    try:
        assert answer.is_success == (person in MAY["leave"]), answer.text
    finally:
        if answer.is_success:
            path = f"/api/rooms/{place.room_id}/members/{_user(person)}"
            place.call(COMMANDER, "PUT", path, {"role": person})


def _denials(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for log in (data / "logs").glob("api-*"):
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{") and '"denied"' in line:
                found.append(json.loads(line))
    return [line for line in found if line["message"] == "denied"]


def test_denials_are_logged_with_who_what_and_where_and_nothing_of_what_was_said(
    place: Place, stack: Stack
):
    content, user = secrets.token_hex(16), f"sam-{secrets.token_hex(6)}@example.org"
    room = f"/api/rooms/{place.room_id}"
    body = {"content": content}
    headers = stack.headers(user)
    deadline_s = time.monotonic() + WAIT_S
    mine: list[dict[str, Any]] = []
    # The cells above were denied so often that lines are left out just now: until both are there.
    while {line["by"] for line in mine} != {"rest", "websocket"}:
        assert time.monotonic() < deadline_s, mine
        answer = place.client.post(f"{room}/messages", json=body, headers=headers)
        assert answer.status_code == 403
        with connect(stack.ws_url + "/ws", additional_headers=headers, proxy=None) as connected:
            socket = _Socket(connected)
            asked = socket.say(type="send", room_id=place.room_id, **body)
            assert socket.answer(asked)["code"] == "forbidden"
        mine = [line for line in _denials(stack.data) if line.get("user_id") == user]
        time.sleep(0.05)
    assert {(line["act"], line["room_id"]) for line in mine} == {("send", place.room_id)}
    secrets_of_it = (content, headers["Authorization"].split(".")[2])
    for log in (stack.data / "logs").glob("*"):
        text = log.read_text(errors="replace")
        assert not any(secret in text for secret in secrets_of_it)

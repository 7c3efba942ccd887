"""The AsyncAPI document against real servers: that they have it, and that they speak as it says.

Every other test here that reads by `Client` holds its frames against the document too.
"""

import asyncio
import time
from typing import Any, get_args

import httpx
from websockets.asyncio.client import connect

from roomlog.realtime.asyncapi import encoded
from roomlog_contract.events import Event, MessageRedacted
from roomlog_contract.frames import ServerFrame
from tests.asyncapi.conformance import client_frame_problems, server_frame_problems
from tests.integration.realtime.node import WAIT_S, Client
from tests.stack import Stack

ANN, BOB = "ann@example.org", "bob@example.org"
SERVICE = ("monitor@example.org", "service")


class Told(Client):
    """A client that sends nothing but documented frames, and remembers all that it was sent."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[dict[str, Any]] = []

    async def send(self, *frames: dict[str, Any]) -> None:
        assert [problem for frame in frames for problem in client_frame_problems(frame)] == []
        await super().send(*frames)

    async def next(self) -> dict[str, Any]:
        frame = await super().next()
        self.told.append(frame)
        return frame


def _tags(union: Any) -> set[str]:
    return {str(struct.__struct_config__.tag) for struct in get_args(union)}


def _kinds(frames: list[dict[str, Any]]) -> set[str]:
    return {frame["type"] for frame in frames}


def _ask(stack: Stack, method: str, path: str, body: Any, user: str = ANN, *roles: str) -> Any:
    answer = httpx.request(
        method,
        f"{stack.base_url}/api{path}",
        json=body,
        headers=stack.headers(user, *roles),
        timeout=WAIT_S,
    )
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def _room(stack: Stack) -> str:
    """A room with an event of every kind that REST can make, members and status above all."""
    room = _ask(stack, "POST", "/rooms", {"name": "incident", "title": "Slow", "severity": "high"})
    path = f"/rooms/{room['room_id']}"
    _ask(stack, "PATCH", path, {"status": "mitigated", "title": None})
    for role in ("observer", "responder"):
        _ask(stack, "PUT", f"{path}/members/{BOB}", {"role": role})
    return room["room_id"]


def _connect(stack: Stack, path: str, user: str) -> connect:
    url = f"{stack.ws_url}/ws{path}"
    return connect(url, additional_headers=stack.headers(user), max_size=None, proxy=None)


async def test_a_running_server_gives_the_document_to_everybody(stack: Stack):
    answer = httpx.get(f"{stack.base_url}/schema/asyncapi.json", timeout=WAIT_S)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == encoded()


async def test_every_kind_of_frame_that_a_real_server_sends_is_as_the_document_says(stack: Stack):
    room = await asyncio.to_thread(_room, stack)
    async with _connect(stack, "", BOB) as socket:
        bob = Told(socket)
        await bob.send({"type": "subscribe", "ref": "s", "room_id": room, "after": 0, "html": True})
        await bob.until("live")
        async with _connect(stack, f"/{room}?after=0", ANN) as other:
            ann = Told(other)
            await ann.until("live")
            await bob.until("presence", joined=ANN)
            await _converse(stack, room, ann, bob)
            await asyncio.to_thread(_ask, stack, "DELETE", f"/rooms/{room}/members/{BOB}", None)
            await bob.until("unsubscribed", code="forbidden")
            while ann.events[-1]["event"]["type"] != "member.removed":
                await ann.next()

    told = [*ann.told, *bob.told]
    assert [problem for frame in told for problem in server_frame_problems(frame)] == []
    assert _kinds(told) == _tags(ServerFrame)
    events = _kinds([frame["event"] for frame in told if frame["type"] == "event"])
    # Nobody redacts here: its frame is among the examples.
    assert events | {str(MessageRedacted.__struct_config__.tag)} == _tags(Event)


async def _converse(stack: Stack, room: str, ann: Told, bob: Told) -> None:
    await ann.send({"type": "send", "ref": "1", "content": "@bob <b>smoke</b> in *rack 4*"})
    message = (await ann.until("ack", ref="1"))["message_id"]
    about = {"room_id": room, "message_id": message}
    await bob.until("notification")
    await bob.send({"type": "react", "ref": "2", "emoji": "👀", **about})
    await bob.until("ack", ref="2", duplicate=False)
    await bob.send({"type": "unreact", "ref": "3", "emoji": "👀", **about})
    await bob.until("ack", ref="3")
    await bob.send({"type": "edit", "ref": "4", "content": "mine", **about})
    await bob.until("error", ref="4", code="forbidden")
    await ann.send({"type": "edit", "ref": "5", "message_id": message, "content": "fire"})
    await ann.until("ack", ref="5")
    await ann.send({"type": "delete", "ref": "6", "message_id": message, "reason": "wrong room"})
    sequence = (await ann.until("ack", ref="6"))["sequence"]
    await bob.send(
        {"type": "typing", "room_id": room, "active": True},
        {"type": "seen", "room_id": room, "sequence": sequence},
        {"type": "ping", "ref": "7"},
        {"type": "auth", "ref": "8", "token": stack.token(BOB)},
    )
    await ann.until("typing", users=[BOB])
    await bob.until("pong", ref="7")
    await bob.until("authenticated", ref="8")
    notice = {"content": f"maintenance {time.monotonic_ns()}"}
    await asyncio.to_thread(_ask, stack, "POST", "/broadcast", notice, *SERVICE)
    await bob.until("notice", **notice)
    while bob.events[-1]["sequence"] < sequence:
        await bob.next()

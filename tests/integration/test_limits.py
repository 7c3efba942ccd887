"""Limits on two workers that share them, over REST and WebSocket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.http.conformance import check
from tests.stack import Stack, running_stack
from tests.within import within

RATE = 4
CONNECTS = 12
TEXT_BYTES_MAX = 10_240
STRUCTURED_BYTES_MAX = 102_400
_WAIT_S = 30.0


@pytest.fixture(scope="module")
def limited() -> Generator[Stack]:
    with running_stack(
        ["--workers", "2"],
        USER_MESSAGES_PER_SECOND=str(RATE),
        CONNECTS_PER_MINUTE=str(CONNECTS),
    ) as stack:
        yield stack


def _room(stack: Stack, user: str) -> str:
    made = httpx.post(
        f"{stack.base_url}/api/rooms", headers=stack.headers(user), json={"name": "x"}, timeout=30
    )
    assert made.status_code == 201, made.text
    return made.json()["room_id"]


def _send(stack: Stack, user: str, room: str, content: str, **more: Any) -> httpx.Response:
    # A new connection each time, which the kernel gives to any worker.
    key = more.pop("key", None)
    path = f"/api/rooms/{room}/messages"
    return _write(stack, user, "POST", path, {"content": content, **more}, key)


def _write(
    stack: Stack,
    user: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    key: str | None = None,
) -> httpx.Response:
    headers = stack.headers(user) | ({"Idempotency-Key": key} if key else {})
    answer = httpx.request(
        method, f"{stack.base_url}{path}", headers=headers, json=body, timeout=30
    )
    check(answer)
    return answer


@asynccontextmanager
async def _socket(stack: Stack, user: str, room: str) -> AsyncIterator[ClientConnection]:
    url = f"{stack.ws_url}/ws/{room}?token={stack.token(user)}"
    async with connect(url, proxy=None, max_size=None) as socket:
        yield socket


async def _answer(socket: ClientConnection, ref: str) -> dict[str, Any]:
    while True:
        text = await within(socket.recv(), _WAIT_S)
        for line in str(text).split("\n"):
            frame = json.loads(line)
            if frame.get("ref") == ref:
                return frame


async def _say(socket: ClientConnection, ref: str, content: str, **more: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"type": "send", "ref": ref, "content": content, **more}))
    return await _answer(socket, ref)


def test_a_refusal_says_when_to_try_again_and_a_success_what_is_left(limited: Stack):
    user = "ann@example.org"
    room = _room(limited, user)

    first = _send(limited, user, room, "first")
    assert first.status_code == 201
    assert first.headers["ratelimit"].startswith(f'"messages";r={RATE - 1};t=1')
    assert first.headers["ratelimit-policy"].startswith(f'"messages";q={RATE};w=1')

    refused = first
    for number in range(50 * RATE):
        refused = _send(limited, user, room, f"message {number}")
        if refused.status_code != 201:
            break
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"].startswith('"messages";r=0;t=')


def test_every_limited_write_tells_what_is_left_also_where_it_is_not_counted(limited: Stack):
    user = "dee@example.org"
    room = _room(limited, user)
    sent = _send(limited, user, room, "first", key="the-key")
    path = f"/api/messages/{sent.json()['message_id']}"
    eyes = {"emoji": "👀"}
    answers = [
        (sent, "messages"),
        # The key is no UUIDv7: the tables know it.
        (_send(limited, user, room, "first", key="the-key"), "messages"),
        (_write(limited, user, "PATCH", path, {"content": "second"}), "changes"),
        (_write(limited, user, "POST", f"{path}/reactions", eyes), "changes"),
        (_write(limited, user, "POST", f"{path}/reactions", eyes), "changes"),
        (_write(limited, user, "DELETE", f"{path}/reactions/%F0%9F%91%80"), "changes"),
        (_write(limited, user, "DELETE", path), "changes"),
    ]

    for answer, quota in answers:
        if answer.status_code != 429:
            assert answer.is_success, answer.text
        assert answer.headers["ratelimit"].startswith(f'"{quota}";r=')
        assert answer.headers["ratelimit-policy"].startswith(f'"{quota}";q={RATE};w=1, "room";q=')
    assert answers[1][0].headers["idempotency-replayed"] == "true"


async def test_the_users_rate_holds_for_both_workers_and_both_interfaces(limited: Stack):
    user = "bob@example.org"
    room = _room(limited, user)
    sockets = 4
    accepted: list[float] = []
    async with asyncio.TaskGroup() as group:

        async def by_websocket(name: int, end_s: float) -> None:
            async with _socket(limited, user, room) as socket:
                number = 0
                while time.monotonic() < end_s:
                    number += 1
                    if (await _say(socket, f"{number}", f"{name} {number}"))["type"] == "ack":
                        accepted.append(time.monotonic())
                    await asyncio.sleep(0.01)

        async def by_rest(end_s: float) -> None:
            number = 0
            while time.monotonic() < end_s:
                number += 1
                answer = await asyncio.to_thread(_send, limited, user, room, f"rest {number}")
                if answer.status_code == 201:
                    accepted.append(time.monotonic())

        begun_s = time.monotonic()
        for name in range(sockets):
            group.create_task(by_websocket(name, begun_s + 6))
        group.create_task(by_rest(begun_s + 6))

    took_s = max(accepted) - begun_s
    # One bucket's worth is what a second worker may give before it hears of the first.
    assert len(accepted) <= RATE + RATE * took_s + RATE
    assert len(accepted) >= RATE


def test_a_repeated_key_is_answered_however_often(limited: Stack):
    user = "cat@example.org"
    room = _room(limited, user)

    answers = [_send(limited, user, room, "once", key="the-key") for _ in range(5 * RATE)]

    assert [answer.status_code for answer in answers] == [201] * len(answers)
    assert len({answer.json()["message_id"] for answer in answers}) == 1


async def test_the_fifth_equal_text_is_refused_whichever_worker_it_comes_to(limited: Stack):
    user = "dan@example.org"
    room = _room(limited, user)
    codes: list[str] = []
    async with _socket(limited, user, room) as socket:
        while len(codes) < 5:
            if len(codes) % 2:
                answer = _send(limited, user, room, "restart it").json()
            else:
                answer = await _say(socket, "r", "restart it")
            code = answer.get("code", "")
            if code == "rate_limited":
                await asyncio.sleep(1 / RATE)
                continue
            codes.append(code)
            await asyncio.sleep(0.2)  # longer than workers take to hear of each other
        spam = await _say(socket, "again", "restart it")

    assert codes == ["", "", "", "", "spam"]
    assert spam["code"] == "spam"
    assert 0 < spam["retry_after"] <= 30


async def test_who_connects_too_often_is_told_when_to_come_back(limited: Stack):
    user = "eve@example.org"
    room = _room(limited, user)
    closed: ConnectionClosed | None = None
    for _ in range(4 * CONNECTS):
        try:
            async with _socket(limited, user, room) as socket:
                await within(socket.recv(), _WAIT_S)
        except ConnectionClosed as error:
            closed = error
            break

    assert closed is not None
    assert closed.rcvd is not None
    assert closed.rcvd.code == 4029
    assert closed.rcvd.reason.startswith("retry_after=")
    assert 1 <= int(closed.rcvd.reason.removeprefix("retry_after=")) <= 60


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🚒"])
async def test_texts_are_limited_in_bytes_to_the_byte_over_both_interfaces(
    stack: Stack, letter: str
):
    user = "flo@example.org"
    room = _room(stack, user)
    count, rest = divmod(TEXT_BYTES_MAX, len(letter.encode()))
    fits = letter * count + "x" * rest

    assert _send(stack, user, room, fits).json()["content"] == fits
    refused = _send(stack, user, room, fits + "x")
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    async with _socket(stack, user, room) as socket:
        assert (await _say(socket, "fits", fits))["type"] == "ack"
        assert (await _say(socket, "more", fits + "x"))["code"] == "too_large"


async def test_structured_data_is_limited_in_bytes_to_the_byte_over_both_interfaces(stack: Stack):
    user = "gil@example.org"
    room = _room(stack, user)

    def metadata(size_bytes: int) -> dict[str, Any]:
        empty = {"kind": "dump", "data": {"text": ""}}
        left = size_bytes - len(json.dumps(empty, separators=(",", ":")))
        return {"kind": "dump", "data": {"text": "é" * (left // 2) + "x" * (left % 2)}}

    fits = {"message_type": "incident_data", "metadata": metadata(STRUCTURED_BYTES_MAX)}
    more = {"message_type": "incident_data", "metadata": metadata(STRUCTURED_BYTES_MAX + 1)}

    stored = _send(stack, user, room, "", **fits)
    assert stored.status_code == 201, stored.text[:200]
    assert stored.json()["metadata"] == fits["metadata"]
    refused = _send(stack, user, room, "", **more)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    async with _socket(stack, user, room) as socket:
        assert (await _say(socket, "fits", "", **fits))["type"] == "ack"
        assert (await _say(socket, "more", "", **more))["code"] == "too_large"

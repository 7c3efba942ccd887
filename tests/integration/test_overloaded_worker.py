"""Requests at once beyond what a worker can do: some are refused early, none of them is done, and
whoever asks how the server is hears it."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.faults.load import create_room
from tests.stack import Stack, running_stack

ADA = "ada@example.org"
_AT_ONCE = 300


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


async def _ask_at_once(url: str, requests: list[bytes]) -> list[Answer]:
    """Have all connections first, then ask on all of them."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    opened = [await asyncio.open_connection(host, port) for _ in requests]
    for (_, writer), request in zip(opened, requests, strict=True):
        writer.write(request)
    answers = await asyncio.gather(*(_answer(reader) for reader, _ in opened))
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    return answers


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(status.split()[1]), headers, json.loads(body))


def _request(stack: Stack, method: str, path: str, body: Any = None) -> bytes:
    sent = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: roomlog",
        "Connection: close",
        f"Authorization: {stack.headers(ADA)['Authorization']}",
    ]
    if sent:
        lines += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join([*lines, "", ""]).encode() + sent


async def test_what_would_wait_too_long_is_refused_and_not_done():
    with running_stack(
        REQUEST_WAIT_SECONDS="0.005", USER_MESSAGES_PER_SECOND="0", ROOM_MESSAGES_PER_SECOND="0",
        SPAM_GUARD="off",
    ) as stack:  # fmt: skip
        room = await asyncio.to_thread(create_room, stack, ADA, [])
        path = f"/api/rooms/{room}/messages"
        said = [str(uuid.uuid4()) for _ in range(_AT_ONCE)]
        sends = [_request(stack, "POST", path, {"content": one}) for one in said]
        ready = _request(stack, "GET", "/readyz")
        *answers, health = await _ask_at_once(stack.base_url, [*sends, ready])
        assert health.status == 200
        codes = Counter(one.body.get("code", one.status) for one in answers)
        assert set(codes) == {201, "log_unavailable"}
        refused = [one for one in answers if one.status == 503]
        assert all("nothing of this request was begun" in one.body["detail"] for one in refused)
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        # Reads have a code of their own.
        reads = [_request(stack, "GET", f"{path}?after=0") for _ in range(_AT_ONCE)]
        read = await _ask_at_once(stack.base_url, reads)
        codes = Counter(one.body.get("code", one.status) for one in read)
        assert set(codes) == {200, "database_unavailable"}
        # Once nobody waits, all is as it was: what was accepted is there, and nothing else.
        there: set[str] = set()
        after = 0
        async with httpx.AsyncClient(base_url=stack.base_url, headers=stack.headers(ADA)) as http:
            while page := (await http.get(path, params={"after": after, "limit": 100})).json():
                if not page["items"]:
                    break
                there.update(one["content"] for one in page["items"])
                after = page["items"][-1]["sequence_number"]
            told = (await http.get("/metrics")).text
        accepted = {one for one, answer in zip(said, answers, strict=True) if answer.status == 201}
        assert there & set(said) == accepted
        shed = sum(
            float(line.split()[-1])
            for line in told.splitlines()
            if line.startswith("roomlog_http_shed_total ")
        )
        assert shed >= len(refused)

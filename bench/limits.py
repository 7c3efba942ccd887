"""`python -m bench.limits`: what a user who hammers several workers gets through, beside the
configured rate: by REST on new connections, which the workers share, and by WebSocket. Workers hear
of each other by NATS alone, wherever they run, so that two on one machine show what two machines do.
"""

import asyncio
import json
import time
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

from bench.measured import Measured, json_option, tell
from tests.stack import Stack, running_stack
from tests.within import within

_USER = "bench@example.org"
_PAUSE_S = 0.01
_ANSWER_TIMEOUT_S = 30.0


class _Accepted:
    """When what was accepted; the texts are all different."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.refused = 0
        self.sockets_by_worker: list[int] = []
        self.texts = (f"message {n}" for n in count())

    def note(self, *, accepted: bool) -> None:
        if accepted:
            self.at_s.append(time.monotonic())
        else:
            self.refused += 1


async def _by_rest(stack: Stack, room: str, told: _Accepted, end_s: float) -> None:
    url, headers = f"{stack.base_url}/api/rooms/{room}/messages", stack.headers(_USER)
    while time.monotonic() < end_s:
        # A new connection each time: the kernel gives it to any worker.
        async with httpx.AsyncClient(timeout=_ANSWER_TIMEOUT_S) as client:
            answer = await client.post(url, headers=headers, json={"content": next(told.texts)})
        assert answer.status_code in {201, 429}, answer.text
        told.note(accepted=answer.status_code == 201)
        await asyncio.sleep(_PAUSE_S)


async def _by_websocket(socket: ClientConnection, told: _Accepted, end_s: float) -> None:
    while time.monotonic() < end_s:
        await socket.send(json.dumps({"type": "send", "ref": "r", "content": next(told.texts)}))
        told.note(accepted=await _acked(socket))
        await asyncio.sleep(_PAUSE_S)


async def _acked(socket: ClientConnection) -> bool:
    while True:
        text = await within(socket.recv(), _ANSWER_TIMEOUT_S)
        for line in str(text).split("\n"):
            frame = json.loads(line)
            if frame["type"] == "ack":
                return True
            if frame["type"] == "error":
                assert frame["code"] == "rate_limited", frame
                return False


async def _hammer(stack: Stack, seconds: float, sockets: int, callers: int) -> _Accepted:
    async with httpx.AsyncClient(timeout=_ANSWER_TIMEOUT_S) as client:
        made = await client.post(
            f"{stack.base_url}/api/rooms", headers=stack.headers(_USER), json={"name": "bench"}
        )
    room = made.json()["room_id"]
    url = f"{stack.ws_url}/ws/{room}?token={stack.token(_USER)}"
    told = _Accepted()
    opened = [await connect(url, proxy=None, max_size=None) for _ in range(sockets)]
    told.sockets_by_worker = _sockets_by_worker(stack)
    end_s = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for socket in opened:
            group.create_task(_by_websocket(socket, told, end_s))
        for _ in range(callers):
            group.create_task(_by_rest(stack, room, told, end_s))
    for socket in opened:
        await socket.close()
    return told


def _sockets_by_worker(stack: Stack) -> list[int]:
    port = urlsplit(stack.base_url).port
    return [
        sum(
            one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in psutil.Process(pid).net_connections("tcp4")
        )
        for pid in stack.run["pids"]["api"]
    ]


def _found(told: _Accepted, workers: int, rate: float, seconds: float) -> Measured:
    begun_s = min(told.at_s)
    later = [at_s for at_s in told.at_s if at_s - begun_s >= 1]
    return Measured(
        f"limit of {rate:g}/s, {workers} workers: accepted after the first second",
        len(later) / (seconds - 1),
        "/s",
        rate,
        "one bucket's rate",
        details={
            "sockets of each worker": told.sockets_by_worker,
            "accepted in the first second": len(told.at_s) - len(later),
            "accepted": len(told.at_s),
            "one bucket would accept": max(1, rate) + rate * seconds,
            "refused": told.refused,
        },
    )


@click.command()
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--rates", multiple=True, type=float, default=(10.0, 50.0), show_default=True)
@click.option("--workers", multiple=True, type=int, default=(1, 2), show_default=True)
@click.option("--sockets", default=6, show_default=True)
@click.option("--callers", default=2, show_default=True, help="Who sends by REST at once.")
@json_option
def main(
    *,
    seconds: float,
    rates: tuple[float, ...],
    workers: tuple[int, ...],
    sockets: int,
    callers: int,
    json_file: Path | None,
) -> None:
    """Measure how near the user's rate holds."""
    found: list[Measured] = []
    for rate in rates:
        for number in workers:
            with running_stack(
                ["--workers", str(number)],
                USER_MESSAGES_PER_SECOND=f"{rate:g}",
                CONNECTS_PER_MINUTE="0",
            ) as stack:
                told = asyncio.run(_hammer(stack, seconds, sockets, callers))
            found.append(_found(told, number, rate, seconds))
    tell(found, json_file)


if __name__ == "__main__":
    main()

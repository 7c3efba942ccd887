"""The load notices what a server does wrong. Here is one that does, on purpose."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from bench.rooms_under_load import check, check_order, in_time
from bench.running_load import running_load

_ROOM = "a room"
_CONNECTIONS = 3
_NTH = 10
_DRAIN_S = 3.0

Fault = Callable[[str, list[str]], list[str]]


class _Room:
    """Passes on what it is sent. `fault` makes of the next event's line, and of those that it held
    back, what is sent instead, to the receiver `at` only or (None) to all."""

    def __init__(self, fault: Fault | None, at: int | None, *, refuses: bool = False) -> None:
        self._fault = fault
        self._at = at
        self._refuses = refuses
        self._members: dict[int, ServerConnection] = {}
        self._held: dict[int, list[str]] = {}
        self._head = 0

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        place = int(socket.request.path.removeprefix("/"))
        self._members[place] = socket
        self._held[place] = []
        await socket.send('{"type":"subscribed","resumed":false}')
        # The load leaves without saying so.
        with contextlib.suppress(ConnectionClosedError):
            async for text in socket:
                await self._take(socket, json.loads(text))

    async def _take(self, socket: ServerConnection, said: dict[str, Any]) -> None:
        if self._refuses and self._head == _NTH:
            told = {"type": "error", "ref": said["ref"], "code": "invalid"}
            await socket.send(json.dumps(told, separators=(",", ":")))
            return
        event = {
            "type": "event",
            "sequence": self._head + 1,
            "prev_sequence": self._head,
            "content": said["content"],
        }
        self._head += 1
        line = json.dumps(event, separators=(",", ":"))
        for place, member in self._members.items():
            faulty = self._fault is not None and self._at in {None, place}
            lines = self._fault(line, self._held[place]) if faulty else [line]
            if lines:
                await member.send("\n".join(lines))
        told = {"type": "ack", "ref": said["ref"], "sequence": self._head}
        await socket.send(json.dumps(told, separators=(",", ":")))


def _sequence(line: str) -> int:
    return json.loads(line)["sequence"]


def drop(line: str, held: list[str]) -> list[str]:
    return [] if _sequence(line) == _NTH else [line]


def double(line: str, held: list[str]) -> list[str]:
    return [line, line] if _sequence(line) == _NTH else [line]


def swap(line: str, held: list[str]) -> list[str]:
    if _sequence(line) == _NTH:
        held.append(line)
        return []
    return [line, *(held.pop() for _ in list(held))]


def change(line: str, held: list[str]) -> list[str]:
    return [line.replace("hello", "hullo") if _sequence(line) == _NTH else line]


def stop(line: str, held: list[str]) -> list[str]:
    return [line] if _sequence(line) < _NTH else []


async def load(room: _Room, **how: Any) -> dict[str, Any]:
    """What a load counts that sends to this room for half a second."""
    async with serve(room, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        task = {
            "connects": [
                {"url": f"ws://127.0.0.1:{port}/{place}", "room": _ROOM, "sends": place == 0}
                for place in range(_CONNECTIONS)
            ],
            "content": "hello",
            "seconds": 0.5,
            "drain_s": _DRAIN_S,
            **how,
        }
        with running_load(task) as started:
            return await asyncio.to_thread(started.result)


def wrong(result: dict[str, Any]) -> dict[str, int]:
    kinds = ("misordered", "doubled", "lost", "different", "missing", "unanswered", "closed")
    return {kind: result[kind] for kind in (*kinds, "errors") if result[kind]}


@pytest.mark.parametrize("how", [{"in_flight": 4}, {"per_second": 200.0}], ids=["closed", "paced"])
async def test_of_a_right_server_everything_is_counted_and_nothing_is_wrong(how: dict[str, Any]):
    result = await load(_Room(None, None), **how)

    check(result)
    assert wrong(result) == {}
    assert result["acked"] > _NTH
    assert result["deliveries"] == _CONNECTIONS * result["acked"]
    if "per_second" in how:
        assert result["acked"] == 100


WITNESS = _CONNECTIONS - 1
FOUND = {
    (drop, None): {"missing": 3, "lost": 1},
    (drop, 0): {"missing": 1, "different": 1},
    (drop, WITNESS): {"missing": 1, "lost": 1},
    (double, None): {"doubled": 3},
    (double, 0): {"doubled": 1},
    (swap, None): {"misordered": 1},
    (swap, 0): {"different": 1},
    (change, 0): {"different": 1},
    (change, WITNESS): {"different": 2},
}


@pytest.mark.parametrize(
    ("fault", "at"), FOUND, ids=lambda one: getattr(one, "__name__", f"at {one}")
)
async def test_what_a_server_does_wrong_is_noticed(fault: Fault, at: int | None):
    result = await load(_Room(fault, at), in_flight=4)

    assert wrong(result) == FOUND[fault, at]
    with pytest.raises(AssertionError):
        check(result)


async def test_what_has_not_come_yet_is_missing_and_not_out_of_order():
    result = await load(_Room(stop, 0), in_flight=4)

    assert wrong(result) == {"missing": result["acked"] - _NTH + 1}
    check_order(result)
    assert not in_time(result)
    with pytest.raises(AssertionError, match="missing"):
        check(result)


async def test_a_refused_send_is_noticed_and_the_load_ends():
    result = await load(_Room(None, None, refuses=True), in_flight=4)

    assert result["acked"] == _NTH
    assert result["unanswered"] == 0
    check_order(result)
    assert not in_time(result)
    with pytest.raises(AssertionError, match="invalid"):
        check(result)


async def test_sends_without_an_answer_are_noticed():
    class Mute(_Room):
        async def _take(self, socket: ServerConnection, said: dict[str, Any]) -> None:
            if next(told) < _NTH:
                await super()._take(socket, said)

    told = itertools.count()
    result = await load(Mute(None, None), per_second=200.0)

    assert wrong(result) == {"unanswered": 100 - _NTH}
    with pytest.raises(AssertionError, match="unanswered"):
        check(result)

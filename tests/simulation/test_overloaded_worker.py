"""A worker whose processor is too slow for what is said to it, in virtual time: what is judged has
waited no longer than is aimed at, and turning the rest away leaves room for that."""

import asyncio
import itertools
from collections import deque
from typing import Any, cast

import pytest

from roomlog.core.admission import PATIENCE_TIMES, Patience
from roomlog.realtime.lanes import Lanes
from roomlog.realtime.listening import LINE_WEIGHT, Listening
from roomlog.realtime.outbox import Outbox
from roomlog.realtime.parts import LINES_PER_TURN
from roomlog.services.turns import Turns
from tests.simulation.virtual_loop import VirtualLoop, run_virtual

TARGET_S = 0.25
JUDGED_S = 0.001
TURNED_AWAY_S = JUDGED_S / LINE_WEIGHT / 2
A_TURN_S = LINES_PER_TURN["most"] // LINE_WEIGHT * JUDGED_S
TICK_S = 0.005


class Client:
    """A wire and its listener: what is done with a line takes the worker's time."""

    writing_paused = False

    def __init__(self, worker: "Worker", name: str, per_second: float) -> None:
        self.per_second = per_second
        self.judged: list[tuple[int, float]] = []
        self.turned_away = 0
        self.due = 0.0
        self._worker = worker
        self._numbers = itertools.count()
        self._waiting: deque[tuple[str, float, float]] = deque()
        self._said_s = 0.0
        wire = cast("Any", self)
        self.lanes = Lanes(64)
        self.listening = Listening(
            wire,
            self.lanes,
            Outbox(wire, worker.loop, lines_max=99, bytes_max=99, on_overflow=lambda: None),
            wire,
            turns=worker.turns,
            room=name,
            patience=worker.patience,
        )
        self.listening.begin()

    def say(self, count: int, said_s: float) -> None:
        """So much was said then, and the wire has it now."""
        now_s = self._worker.loop.time()
        self._waiting.extend((str(next(self._numbers)), said_s, now_s) for _ in range(count))
        self.listening.read()

    def next_message(self) -> tuple[str, float] | None:
        if not self._waiting:
            return None
        line, self._said_s, came_s = self._waiting.popleft()
        return line, came_s

    def take(self, line: str, *, late: bool) -> None:
        loop = self._worker.loop
        if late:
            self.turned_away += 1
            loop.pass_time(TURNED_AWAY_S)
        else:
            self.judged.append((int(line), loop.time() - self._said_s))
            loop.pass_time(JUDGED_S)

    def defect(self, error: Exception) -> None:
        raise error


class Worker:
    """One event loop, which many clients share."""

    def __init__(self, target_s: float = TARGET_S) -> None:
        self.loop = cast("VirtualLoop", asyncio.get_running_loop())
        self.turns = Turns(**LINES_PER_TURN)
        self.patience = Patience(target_s)
        self.clients: list[Client] = []

    def add(self, name: str, per_second: float) -> Client:
        self.clients.append(client := Client(self, name, per_second))
        return client

    async def run(self, seconds: float) -> None:
        at_s = self.loop.time()
        end_s = at_s + seconds
        while at_s < end_s:
            # What comes while the loop is busy waits in the socket, and is read in the next turn.
            await asyncio.sleep(max(0.0, at_s - self.loop.time()))
            while at_s <= self.loop.time():
                for client in self.clients:
                    client.due += client.per_second * TICK_S
                    if client.due >= 1:
                        client.say(int(client.due), at_s)
                        client.due -= int(client.due)
                at_s += TICK_S

    def forget(self) -> None:
        for client in self.clients:
            client.judged.clear()
            client.turned_away = 0

    @property
    def judged(self) -> list[float]:
        return [waited_s for client in self.clients for _, waited_s in client.judged]

    @property
    def turned_away(self) -> int:
        return sum(client.turned_away for client in self.clients)


def crowd(clients: int, times: float) -> Worker:
    """Clients who together say so many times of what can be done."""
    worker = Worker()
    for number in range(clients):
        client = worker.add(f"room {number}", times / JUDGED_S / clients)
        client.due = number / clients  # not all at once
    return worker


@pytest.mark.parametrize("clients", [10, 200, 1000])
@pytest.mark.parametrize("times", [1.3, 2, 5])
def test_what_is_judged_has_waited_as_long_as_is_aimed_at_and_is_hardly_less(
    clients: int, times: float
):
    async def run() -> Worker:
        worker = crowd(clients, times)
        await worker.run(4)
        assert max(worker.judged) <= PATIENCE_TIMES * TARGET_S + 2 * A_TURN_S
        worker.forget()
        await worker.run(4)
        return worker

    worker = run_virtual(run())
    left_for_it = 1 - (times - 1) * TURNED_AWAY_S / JUDGED_S
    assert worker.turned_away
    assert max(worker.judged) <= TARGET_S + 3 * A_TURN_S
    assert len(worker.judged) >= 0.9 * left_for_it * 4 / JUDGED_S
    for client in worker.clients:
        assert [n for n, _ in client.judged] == sorted(n for n, _ in client.judged)


def test_what_can_be_done_is_all_judged_and_a_burst_is_too():
    async def run() -> Worker:
        worker = crowd(100, 0.5)
        for client in worker.clients:
            client.say(4, worker.loop.time())  # what takes 0.4 s to do
        await worker.run(5)
        return worker

    worker = run_virtual(run())
    assert not worker.turned_away
    assert len(worker.judged) == pytest.approx(5 * 0.5 / JUDGED_S + 400, rel=0.05)


def test_one_who_floods_is_turned_away_and_those_beside_are_not():
    async def run() -> tuple[Client, list[Client]]:
        worker = Worker()
        flood = worker.add("flood", 5 / JUDGED_S)
        others = [worker.add(f"quiet {number}", 0.01 / JUDGED_S) for number in range(20)]
        await worker.run(2)
        worker.forget()
        await worker.run(4)
        return flood, others

    flood, others = run_virtual(run())
    assert flood.turned_away
    assert max(waited_s for _, waited_s in flood.judged) <= TARGET_S + 2 * A_TURN_S
    assert not any(client.turned_away for client in others)
    assert max(w for client in others for _, w in client.judged) <= A_TURN_S


def test_without_a_target_all_waits_for_as_long_as_it_takes():
    async def run() -> Worker:
        worker = Worker(target_s=0)
        worker.add("flood", 5 / JUDGED_S)
        await worker.run(4)
        return worker

    worker = run_virtual(run())
    assert not worker.turned_away
    assert max(worker.judged) > PATIENCE_TIMES * TARGET_S


def test_what_waited_for_answers_to_its_own_connection_is_not_late():
    async def run() -> Client:
        worker = Worker()
        client = worker.add("room", 0)
        for _ in range(64):
            client.lanes.enter()
        client.say(20, worker.loop.time())
        await asyncio.sleep(60)
        assert not client.judged
        for _ in range(64):
            client.lanes.leave()
        await worker.run(1)
        return client

    client = run_virtual(run())
    assert len(client.judged) == 20
    assert not client.turned_away

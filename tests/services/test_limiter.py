import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from roomlog.core.decide import Fact
from roomlog.core.limits import LimitedError
from roomlog.core.policy import Actor
from roomlog.services.identity import SystemClock
from roomlog.services.limiter import (
    RECENT_IDS_MAX,
    REPORT_ENTRIES_MAX,
    UNREPORTED_MAX,
    Limited,
    Limiter,
    Rates,
)
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import RoomState
from roomlog_contract.types import MessageType, RoomStatus

ANN, BOB = Actor("ann@example.org"), Actor("bob@example.org")
ROOM = RoomState("room", "x", None, None, RoomStatus.OPEN, "ann@example.org", "2030", 1, {})
REACTION = Fact("reaction.added", {"emoji": "👍"})


class _Bus:
    """Carries reports to every listener, the sender's own too, when told to."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[bytes], None]] = []
        self.reports: list[bytes] = []

    def announce_usage(self, report: bytes) -> None:
        self.reports.append(report)

    async def on_usage(self, listener: Callable[[bytes], None]) -> None:
        self.listeners.append(listener)

    def deliver(self) -> None:
        reports, self.reports = self.reports, []
        for report in reports:
            for listener in self.listeners:
                listener(report)


class _Time:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _text(content: str) -> Fact:
    return Fact("message.sent", {"content": content, "message_type": MessageType.TEXT})


async def _node(bus: _Bus | None = None, time: _Time | None = None, **rates: Any) -> Limiter:
    limiter = Limiter(Rates(**rates), SystemClock(), cast("Any", bus), time or _Time())
    await limiter.start()
    return limiter


def _send(node: Limiter, content: str = "x", key: str | None = None, by: Actor = ANN) -> bool:
    try:
        node.admit(Limited.MESSAGES, by, ROOM, _text(content), key).done()
    except LimitedError:
        return False
    return True


async def _told(bus: _Bus) -> None:
    async with asyncio.timeout(10):
        while not bus.reports:
            await asyncio.sleep(0.001)
    bus.deliver()


async def test_messages_and_changes_are_counted_apart_and_the_room_counts_both():
    node = await _node(user_messages_per_second=2, room_messages_per_second=3)

    assert [_send(node) for _ in range(3)] == [True, True, False]
    node.admit(Limited.CHANGES, ANN, ROOM, REACTION, None)
    left = node.left(Limited.CHANGES, ANN, ROOM)
    assert [(q.name, q.units, q.remaining) for q in left] == [
        ("changes", 2, 1),
        ("room", 3, 0),
    ]
    with pytest.raises(LimitedError, match="the room takes 3"):
        node.admit(Limited.CHANGES, BOB, ROOM, REACTION, None)


async def test_a_refusal_tells_what_is_left_and_when_to_try_again():
    node = await _node(user_messages_per_second=1)
    _send(node)

    with pytest.raises(LimitedError, match="1 messages a second") as refused:
        node.admit(Limited.MESSAGES, ANN, ROOM, _text("x"), None)

    assert refused.value.code is ErrorCode.RATE_LIMITED
    assert refused.value.retry_after_s == pytest.approx(1)
    assert [(q.name, q.remaining, q.reset_s) for q in refused.value.quotas] == [("messages", 0, 1)]


async def test_without_limits_nothing_is_counted_or_told():
    bus = _Bus()
    node = await _node(bus)

    for _ in range(1000):
        assert _send(node)
        node.admit_connection("ann@example.org")
    assert node.left(Limited.CHANGES, ANN, ROOM) == ()


async def test_what_came_to_nothing_is_not_charged():
    node = await _node(user_messages_per_second=1, room_messages_per_second=1, spam_guard=True)

    for _ in range(20):
        node.admit(Limited.MESSAGES, ANN, ROOM, _text("x"), "key").undo()
    assert _send(node)


async def test_a_key_that_was_let_through_is_neither_charged_nor_refused_again():
    bus = _Bus()
    one = await _node(bus, user_messages_per_second=2, spam_guard=True)
    two = await _node(bus, user_messages_per_second=2, spam_guard=True)

    assert [_send(one, key="k") for _ in range(20)] == [True] * 20
    await _told(bus)
    assert [_send(two, key="k") for _ in range(20)] == [True] * 20
    assert [_send(one, key=f"k{n}") for n in range(2)] == [True, False]


async def test_what_one_node_lets_through_is_charged_on_the_others():
    bus = _Bus()
    time = _Time()
    one, two = [await _node(bus, time, user_messages_per_second=4) for _ in range(2)]

    assert [_send(one) for _ in range(4)] == [True] * 4
    await _told(bus)

    assert not _send(two)
    assert _send(two, by=BOB)
    time.now_s += 0.25
    assert _send(two)
    await _told(bus)
    assert not _send(one)


async def test_a_repeat_is_found_whichever_node_it_comes_to():
    bus = _Bus()
    one, two = [await _node(bus, spam_guard=True) for _ in range(2)]
    for _ in range(4):
        assert _send(one, "restart it")
    await _told(bus)

    with pytest.raises(RefusedError, match="same message") as refused:
        _send(two, "restart it")
    assert refused.value.code is ErrorCode.SPAM


async def test_connections_are_counted_by_the_minute_on_all_nodes():
    bus = _Bus()
    one, two = [await _node(bus, connects_per_minute=3) for _ in range(2)]
    for _ in range(3):
        one.admit_connection("ann@example.org")
    with pytest.raises(LimitedError, match="3 times a minute") as refused:
        one.admit_connection("ann@example.org")
    assert refused.value.retry_after_s == pytest.approx(20)

    await _told(bus)
    with pytest.raises(LimitedError):
        two.admit_connection("ann@example.org")
    two.admit_connection("bob@example.org")


async def test_a_report_that_makes_no_sense_changes_nothing():
    bus = _Bus()
    node = await _node(bus, user_messages_per_second=1)

    for report in (b"", b"\xc1", b"[]", b"\x92\xa1x\x91\x91\xa5other"):
        bus.listeners[0](report)
    assert _send(node)


async def test_what_waits_to_be_told_is_bounded_and_told_in_pieces():
    bus = _Bus()
    node = await _node(bus, user_messages_per_second=1e6)
    for _ in range(UNREPORTED_MAX + 500):
        assert _send(node)

    async with asyncio.timeout(10):
        while not bus.reports:
            await asyncio.sleep(0.001)
    assert len(bus.reports) == UNREPORTED_MAX // REPORT_ENTRIES_MAX
    assert max(map(len, bus.reports)) < 1024 * 1024


async def test_the_keys_that_are_remembered_are_bounded():
    node = await _node(user_messages_per_second=1e6)
    for number in range(RECENT_IDS_MAX + 100):
        assert _send(node, key=str(number))

    assert len(node._recent_ids) == RECENT_IDS_MAX

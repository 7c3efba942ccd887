"""Rooms take turns at being written to, and nobody gets what was not meant for them."""

import asyncio
from typing import Any, cast

from roomlog.realtime.encoding import event_line
from roomlog.realtime.fan_out import FRAMES_PER_ROOM, FRAMES_PER_TURN, FanOut
from roomlog.realtime.room_channel import LINES_WAITING_MAX, _Audience
from roomlog_contract.events import MessageSent, RoomEvent
from roomlog_contract.types import MessageType

MANY = 100


class _Channel:
    """Has so many frames to send, and notes in which turn of the loop it sent them."""

    def __init__(self, frames: int, turn: list[int]) -> None:
        self.frames = frames
        self.sent: dict[int, int] = {}
        self._turn = turn

    def send_some(self, frames_max: int) -> int:
        sent = min(frames_max, self.frames)
        self.frames -= sent
        self.sent[self._turn[0]] = self.sent.get(self._turn[0], 0) + sent
        return sent


async def test_a_busy_room_leaves_turns_to_a_quiet_one_and_to_all_else():
    fan_out, turn = FanOut(), [0]
    busy, quiet = _Channel(10 * FRAMES_PER_TURN, turn), _Channel(3, turn)
    fan_out.add(busy)
    fan_out.add(quiet)
    fan_out.add(busy)
    while busy.frames or quiet.frames:
        await asyncio.sleep(0)
        turn[0] += 1
    assert max(busy.sent.values()) <= FRAMES_PER_ROOM
    assert list(quiet.sent) == [min(busy.sent)]
    assert len([sent for sent in busy.sent.values() if sent]) == 10 * FRAMES_PER_TURN // (
        FRAMES_PER_ROOM
    )
    quiet.frames = 1
    fan_out.add(quiet)
    while quiet.frames:
        await asyncio.sleep(0)


class _Receiver:
    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def push_shared(self, frame: bytes, payload: bytes, lines: int) -> None:
        assert frame.endswith(payload)
        assert lines == payload.count(b"\n") + 1
        self.payloads.append(payload)


def _event(sequence: int) -> RoomEvent:
    said = MessageSent(
        id="m", actor="a", message_id="m", message_type=MessageType.TEXT, content=str(sequence)
    )
    return RoomEvent(room_id="r", sequence=sequence, prev_sequence=sequence - 1, at="", event=said)


def _audience(count: int) -> tuple[Any, list[_Receiver]]:
    audience, receivers = _Audience(event_line), [_Receiver() for _ in range(count)]
    for receiver in receivers:
        audience.add(cast("Any", receiver))
    return audience, receivers


def test_who_leaves_while_a_frame_goes_round_gets_nothing_more():
    audience, receivers = _audience(MANY)
    events = [_event(1), _event(2)]
    for event in events:
        audience.append(event)
    assert audience.send(10) == 10
    audience.append(_event(3))
    audience.remove(receivers[5])
    audience.remove(receivers[20])
    audience.flush()
    first = b"\n".join(event_line(event) for event in events)
    third = event_line(_event(3))
    assert receivers[5].payloads == [first]
    assert receivers[20].payloads == []
    others = [receiver for n, receiver in enumerate(receivers) if n not in {5, 20}]
    assert all(receiver.payloads == [first, third] for receiver in others)
    assert audience.send(1) == 0


def test_who_comes_after_a_flush_gets_only_what_comes_then():
    audience, receivers = _audience(2)
    audience.append(_event(1))
    audience.send(1)
    audience.flush()
    late = _Receiver()
    audience.add(late)
    audience.append(_event(2))
    audience.flush()
    assert late.payloads == [event_line(_event(2))]
    assert all(len(receiver.payloads) == 2 for receiver in receivers)


def test_what_waits_is_bounded():
    audience, receivers = _audience(2)
    for sequence in range(3 * LINES_WAITING_MAX):
        audience.append(_event(sequence))
        assert len(audience._lines) <= LINES_WAITING_MAX
    audience.flush()
    lines = b"\n".join(receivers[1].payloads).split(b"\n")
    assert lines == [event_line(_event(sequence)) for sequence in range(3 * LINES_WAITING_MAX)]

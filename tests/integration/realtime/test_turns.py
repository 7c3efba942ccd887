"""A room that floods gets its share of each turn of the event loop, and the others theirs."""

import asyncio
from typing import Any, cast

from roomlog.core.admission import Patience
from roomlog.realtime.lanes import Lanes
from roomlog.realtime.listening import LINE_WEIGHT, Listening
from roomlog.realtime.outbox import Outbox
from roomlog.services.turns import Turns

SHARE, MOST = 4, 10
LINES = {"share": SHARE * LINE_WEIGHT, "most": MOST * LINE_WEIGHT}


async def test_a_flood_is_done_in_shares_and_in_order_while_others_go_at_once():
    turns, done, turn = Turns(share=SHARE, most=MOST), [], 0
    by_turn: list[list[object]] = []
    for number in range(3 * SHARE + 1):
        turns.do("busy", lambda number=number: done.append(number))
    while len(done) <= 3 * SHARE:
        before = len(done)
        turns.do(f"quiet {turn}", lambda: by_turn.append(["quiet"]))
        assert by_turn[-1] == ["quiet"]
        await asyncio.sleep(0)
        turn += 1
        assert len(done) - before <= SHARE
    assert done == list(range(3 * SHARE + 1))
    assert turn == 3
    assert not turns._waiting


async def test_what_comes_while_others_wait_goes_behind_them():
    turns, done = Turns(share=SHARE, most=MOST), []
    for number in range(2 * SHARE):
        turns.do("room", lambda number=number: done.append(number))
    await asyncio.sleep(0)
    turns.do("room", lambda: done.append("late"))
    while "late" not in done:
        await asyncio.sleep(0)
    assert done == [*range(2 * SHARE), "late"]


async def test_rooms_that_wait_go_in_turn_and_a_turn_is_bounded_for_all_together():
    turns, done = Turns(share=SHARE, most=MOST), []
    rooms = [f"room {number}" for number in range(5)]
    for room in rooms:
        for _ in range(SHARE):
            turns.do(room, lambda room=room: done.append(room))
    assert len(done) == MOST
    turns.do("new", lambda: done.append("new"))
    while len(done) < len(rooms) * SHARE + 1:
        before = len(done)
        await asyncio.sleep(0)
        assert len(done) - before <= MOST
    # Who had all of its share in the first turn does not come before who had nothing.
    assert done[:MOST] == [*rooms[:1] * SHARE, *rooms[1:2] * SHARE, *rooms[2:3] * 2]
    assert done[MOST : 2 * MOST] == [*rooms[2:3] * 2, *rooms[3:4] * SHARE, *rooms[4:5] * SHARE]
    assert done[2 * MOST :] == ["new"]


async def test_a_room_that_has_to_wait_again_goes_behind_the_others():
    turns, done = Turns(share=SHARE, most=SHARE), []
    for room in ("a", "b"):
        for _ in range(2 * SHARE):
            turns.do(room, lambda room=room: done.append(room))
    while len(done) < 4 * SHARE:
        await asyncio.sleep(0)
    assert "".join(done) == "a" * SHARE + "a" * SHARE + "b" * 2 * SHARE
    done.clear()
    for _ in range(3):
        for room in ("a", "b"):
            for _ in range(SHARE):
                turns.do(room, lambda room=room: done.append(room))
    while len(done) < 6 * SHARE:
        await asyncio.sleep(0)
    assert "".join(done) == ("a" * SHARE + "b" * SHARE) * 3


class _Client:
    """A wire and its listener: what the client said, and what was taken of it."""

    writing_paused = False
    came_s = 0.0

    def __init__(self, name: str, lines: int, taken: list[str], per_frame: int) -> None:
        said = [f"{name}{number}" for number in range(lines)]
        self.frames = ["\n".join(said[at : at + per_frame]) for at in range(0, lines, per_frame)]
        self.said = said
        self._taken = taken

    def next_message(self) -> tuple[str, float] | None:
        return (self.frames.pop(0), self.came_s) if self.frames else None

    def take(self, line: str, *, late: bool) -> None:
        self._taken.append(line)

    def defect(self, error: Exception) -> None:
        raise error


def _listening(client: _Client, turns: Turns, room: str) -> Listening:
    loop = asyncio.get_running_loop()
    wire = cast("Any", client)
    outbox = Outbox(wire, loop, lines_max=9, bytes_max=999, on_overflow=lambda: None)
    listening = Listening(
        wire,
        Lanes(10_000),
        outbox,
        cast("Any", client),
        turns=turns,
        room=room,
        patience=Patience(0),
    )
    listening.begin()
    return listening


async def test_connections_of_one_room_share_its_turn_and_each_is_taken_in_its_order():
    turns, taken = Turns(**LINES), []
    flooding = [_Client(name, 3 * SHARE, taken, per_frame=5) for name in "abc"]
    for client in flooding:
        _listening(client, turns, "busy")
    assert len(taken) == SHARE
    quiet = _Client("q", SHARE, taken, per_frame=1)
    _listening(quiet, turns, "quiet")
    assert taken[SHARE:] == quiet.said
    while len(taken) < 10 * SHARE:
        before = len(taken)
        await asyncio.sleep(0)
        assert len(taken) - before <= SHARE
    for client in (*flooding, quiet):
        assert [line for line in taken if line[0] == client.said[0][0]] == client.said


async def test_who_has_gone_takes_nothing_more_and_keeps_nobody_waiting():
    turns, taken = Turns(**LINES), []
    gone, other = (_Client(name, 2 * SHARE, taken, per_frame=1) for name in "ab")
    listening = _listening(gone, turns, "busy")
    _listening(other, turns, "busy")
    listening.end()
    while len(taken) < 3 * SHARE:
        await asyncio.sleep(0)
    assert taken == [*gone.said[:SHARE], *other.said]

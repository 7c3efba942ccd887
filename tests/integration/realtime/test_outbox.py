"""The outbox, the lanes and the manager by themselves, without a socket."""

import asyncio

import pytest

from roomlog.core.policy import Actor
from roomlog.realtime.encoding import LINES_PER_FRAME_MAX, text_frame
from roomlog.realtime.lanes import Lanes
from roomlog.realtime.outbox import Outbox
from roomlog.realtime.room_channel import Subscription
from roomlog.realtime.websocket_manager import WebSocketManager
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.frames import Notice, TypingUsers
from tests.integration.realtime.memory_log import MemoryLog
from tests.integration.realtime.node import COMMANDER, MEMBERS, Node
from tests.within import within


class Writer:
    """A transport that pauses when it has taken `room` bytes."""

    def __init__(self) -> None:
        self.writing_paused = False
        self.frames: list[bytes] = []
        self.room = 1 << 30

    def write_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.room -= len(frame)
        self.writing_paused = self.room <= 0


class Box:
    def __init__(self, lines_max: int = 1000, bytes_max: int = 1 << 20) -> None:
        self.writer = Writer()
        self.overflows = 0
        self.outbox = Outbox(
            self.writer,
            asyncio.get_running_loop(),
            lines_max=lines_max,
            bytes_max=bytes_max,
            on_overflow=self._overflow,
        )

    def _overflow(self) -> None:
        self.overflows += 1
        self.outbox.close()


async def test_what_comes_in_one_turn_goes_out_as_one_frame():
    box = Box()
    for n in range(10):
        box.outbox.push(b"%d" % n)
    assert box.writer.frames == []
    await asyncio.sleep(0)
    assert box.writer.frames == [text_frame(b"\n".join(b"%d" % n for n in range(10)))]


async def test_frames_are_bounded_in_lines_and_keep_their_order():
    box = Box()
    for n in range(300):
        box.outbox.push(b"%d" % n)
    await asyncio.sleep(0)
    assert len(box.writer.frames) == -(-300 // LINES_PER_FRAME_MAX)
    assert b"".join(box.writer.frames).count(b"\n") == 300 - len(box.writer.frames)


async def test_a_shared_frame_goes_out_at_once_but_never_past_what_waits():
    box = Box()
    shared = text_frame(b"shared")
    box.outbox.push_shared(shared, b"shared", 1)
    assert box.writer.frames[0] is shared
    box.outbox.push(b"mine")
    box.outbox.push_shared(shared, b"shared", 1)
    await asyncio.sleep(0)
    assert box.writer.frames[1:] == [text_frame(b"mine\nshared")]


async def test_while_the_transport_is_paused_lines_wait_and_then_go():
    box = Box()
    box.writer.writing_paused = True
    box.outbox.push(b"a")
    box.outbox.push_shared(text_frame(b"b"), b"b", 1)
    waiting = asyncio.create_task(box.outbox.drained())
    await asyncio.sleep(0.01)
    assert box.writer.frames == []
    assert (box.outbox.waiting_lines, box.outbox.waiting_bytes) == (2, 2)
    assert not waiting.done()
    box.writer.writing_paused = False
    box.outbox.resume()
    assert box.writer.frames == [text_frame(b"a\nb")]
    await within(waiting, 5)
    assert box.outbox.waiting_bytes == 0


@pytest.mark.parametrize(("lines_max", "bytes_max"), [(10, 1 << 20), (1000, 10)])
async def test_too_many_lines_or_bytes_are_an_overflow(lines_max: int, bytes_max: int):
    box = Box(lines_max, bytes_max)
    box.writer.writing_paused = True
    for _ in range(10):
        box.outbox.push(b"x")
    assert box.overflows == 0
    box.outbox.push(b"x")
    assert box.overflows == 1
    assert box.outbox.waiting_bytes == 0
    box.outbox.push(b"x")
    assert box.outbox.waiting_lines == 0


async def test_what_may_be_dropped_is_dropped_above_half():
    box = Box(lines_max=10)
    box.writer.writing_paused = True
    for _ in range(20):
        box.outbox.push(b"typing", may_drop=True)
    assert box.outbox.waiting_lines == 6
    box.outbox.push(b"ack")
    assert box.outbox.waiting_lines == 7
    assert box.overflows == 0


async def test_one_line_alone_may_be_larger_than_the_outbox():
    box = Box(bytes_max=100)
    box.outbox.push(b"x" * 200)
    await asyncio.sleep(0)
    assert box.overflows == 0
    assert len(box.writer.frames) == 1


async def test_a_closed_outbox_lets_go_whoever_waits():
    box = Box()
    box.writer.writing_paused = True
    box.outbox.push(b"x")
    waiting = asyncio.create_task(box.outbox.drained())
    await asyncio.sleep(0)
    box.outbox.close()
    await within(waiting, 5)


async def test_lanes_bound_what_is_under_way_and_keep_the_order_where_asked():
    lanes = Lanes(4)
    gate = asyncio.Event()
    begun: list[str] = []

    def work(name: str, *, waits: bool = False):
        async def run() -> None:
            begun.append(name)
            if waits:
                await gate.wait()

        return run

    lanes.start(work("a", waits=True), "one", holds=False)
    lanes.start(work("b", waits=True), "one", holds=True)
    lanes.start(work("c"), "one", holds=False)
    lanes.start(work("x"), "two", holds=True)
    slot = asyncio.create_task(lanes.slot())
    await asyncio.sleep(0.01)
    # c came after b, which holds the lane; a does not.
    assert begun == ["a", "b", "x"]
    await within(slot, 5)
    lanes.start(work("d"), "one", holds=False)
    await asyncio.sleep(0.01)
    assert begun == ["a", "b", "x"]
    gate.set()
    await lanes.settle(5)
    assert begun == ["a", "b", "x", "c", "d"]


class Peer:
    def __init__(self, number: int, user: str) -> None:
        self.connection_id = str(number)
        self.actor = Actor(user)
        self.box = Box()
        self.outbox = self.box.outbox
        self.subscriptions: dict[str, Subscription] = {}
        self.codes: list[int] = []

    def membership_ended(self, room_id: str) -> None:
        pass

    def close(self, code: int, reason: str = "") -> None:
        self.codes.append(code)


async def test_a_manager_knows_its_connections_by_user_and_room():
    node = Node(MemoryLog())
    manager = WebSocketManager(node.events, node.presence, connections_max=3)
    room = await node.new_room()
    ann, bob, bob_too = Peer(1, COMMANDER), Peer(2, MEMBERS[0]), Peer(3, MEMBERS[0])
    for peer in (ann, bob, bob_too):
        manager.connect(peer)
    with pytest.raises(RefusedError) as refused:
        manager.connect(Peer(4, COMMANDER))
    assert refused.value.code is ErrorCode.RATE_LIMITED

    for peer in (ann, bob):
        channel = await manager.open_channel(peer.actor, room)
        subscription = peer.subscriptions[room] = Subscription(peer, html=False, position=0)
        channel.join(subscription)
    assert manager.get_room_connections(room) == [ann, bob]
    manager.broadcast_to_room(room, Notice(content="all"))
    assert manager.send_personal(MEMBERS[0], Notice(content="you")) == 2
    await asyncio.sleep(0)
    assert [len(p.box.writer.frames) for p in (ann, bob, bob_too)] == [1, 2, 1]
    assert ann.box.writer.frames[0] is bob.box.writer.frames[0], "encoded once"
    assert b"all" in bob.box.writer.frames[0]
    assert b"you" in bob.box.writer.frames[1]
    assert b"all" not in bob_too.box.writer.frames[0]
    assert manager.broadcast_to_all(Notice(content="everybody")) == 3
    assert all(b"everybody" in p.box.writer.frames[-1] for p in (ann, bob, bob_too))

    manager.disconnect(ann)
    manager.disconnect(ann)
    assert manager.get_room_connections(room) == [bob]
    manager.log_was_reset()
    assert (bob.codes, ann.codes) == ([4001], [])
    manager.disconnect(bob)
    assert manager.channels == {}
    room_on_node = await node.room_cache.open(room)
    assert room_on_node.listeners == []


async def _join(node: Node, room: str, peer: Peer) -> None:
    node.manager.connect(peer)
    channel = await node.manager.open_channel(peer.actor, room)
    subscription = peer.subscriptions[room] = Subscription(peer, html=False, position=0)
    channel.join(subscription)


async def test_a_full_outbox_is_spared_presence_and_typing_and_nobody_else_is():
    node = Node(MemoryLog())
    room = await node.new_room()
    slow, quick = Peer(1, COMMANDER), Peer(2, MEMBERS[0])
    for peer in (slow, quick):
        await _join(node, room, peer)
    slow.box.writer.writing_paused = True
    while not slow.outbox.half_full:
        slow.outbox.push(b"x")
    waiting = slow.outbox.waiting_lines
    node.manager.broadcast_to_room(room, TypingUsers(room_id=room, users=[]), may_drop=True)
    assert (slow.outbox.waiting_lines, len(quick.box.writer.frames)) == (waiting, 1)
    node.manager.broadcast_to_room(room, Notice(content="kept"))
    assert (slow.outbox.waiting_lines, len(quick.box.writer.frames)) == (waiting + 1, 2)


async def test_whoever_is_cut_off_during_a_broadcast_leaves_and_the_others_get_it():
    node = Node(MemoryLog())
    room = await node.new_room()
    peers = [Peer(number, user) for number, user in enumerate((COMMANDER, *MEMBERS))]
    for peer in peers:
        await _join(node, room, peer)
    cut = peers[1]
    cut.box = Box(lines_max=1)
    cut.outbox = cut.box.outbox
    cut.box.outbox._on_overflow = lambda: node.manager.disconnect(cut)
    cut.box.writer.writing_paused = True
    cut.outbox.push(b"x")
    node.manager.broadcast_to_room(room, Notice(content="all"))
    assert cut not in node.manager.get_room_connections(room)
    assert cut not in node.manager.connections
    others = [p for p in peers if p is not cut]
    assert [len(p.box.writer.frames) for p in others] == [1] * len(others)
    assert node.manager.get_room_connections(room) == others


async def test_a_user_is_online_as_long_as_one_connection_is():
    node = Node(MemoryLog())
    room = await node.new_room()
    first, second = Peer(1, COMMANDER), Peer(2, COMMANDER)
    for peer in (first, second):
        await _join(node, room, peer)
    assert node.presence.online(room) == [COMMANDER]
    node.manager.disconnect(first)
    assert node.presence.online(room) == [COMMANDER]
    node.manager.disconnect(second)
    assert node.presence.online(room) == []


async def test_a_room_that_was_let_go_and_loaded_anew_has_everyone_resume():
    node = Node(MemoryLog())
    room = await node.new_room()
    ann, bob = Peer(1, COMMANDER), Peer(2, MEMBERS[0])
    channel = await node.manager.open_channel(ann.actor, room)
    channel.join(Subscription(ann, html=False, position=0))
    await node.room_cache.clear()
    again = await node.manager.open_channel(bob.actor, room)
    assert again is not channel
    assert ann.codes == [4001]


async def test_who_may_not_read_leaves_no_trace():
    node = Node(MemoryLog())
    room = await node.new_room()
    with pytest.raises(RefusedError):
        await node.manager.open_channel(Actor("eve@example.org"), room)
    assert node.manager.channels == {}

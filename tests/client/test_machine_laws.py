"""The machine's laws, against a server, a clock and a network that do their worst.

Each rule is a thing that may happen; each invariant holds after each of them; and at the end,
when nothing bad happens any more, everything gets well by itself.
"""

from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.machine import BACKOFF_MAX_MS, OPENING_MS, PONG_MS_MAX, Config, Machine
from roomlog_client.core.states import ItemStatus, Phase, State
from roomlog_contract import frames as fr
from roomlog_contract.errors import CloseCode, ErrorCode
from roomlog_contract.ids import keyed_event_id
from tests.client.simulated_server import HEARTBEAT_S, ROOMS, USER, SimulatedServer

QUEUE_MAX = 8
_SETTLE_STEPS_MAX = 3000
_HEARTBEAT_MS = int(HEARTBEAT_S * 1000)
_LOST = [1001, 1006, 1012, 4000, 4001, 4008]
_FOR_NOW = [
    *(ErrorCode.RATE_LIMITED, ErrorCode.LOG_UNAVAILABLE),
    *(ErrorCode.PROJECTION_BEHIND, ErrorCode.DATABASE_UNAVAILABLE),
]

rooms = st.sampled_from(ROOMS)
chances = st.floats(0, 1, exclude_max=True)
Name = tuple[str, str]


class Reader:
    """What one room's reader was given since it began or began anew."""

    def __init__(self, begins_after: int | None) -> None:
        self.begins_after = begins_after
        self.epoch: str | None = None
        self.events: list[fr.MessageBroadcast] = []


class ClientInTheWorld(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(Config(queue_max=QUEUE_MAX, persistent=True))
        self.server = SimulatedServer()
        self.now_ms = 1_800_000_000_000
        self.timers: dict[str, int] = {}
        self.loads: list[ef.Load] = []
        self.readers: dict[str, Reader] = {}
        self.open: str | None = None
        self.greeted = False
        self.fetching = False
        self.tokens = 0
        self.refused_tokens: set[str] = set()
        self.numbers = iter(range(10**9))
        self.waiting: dict[Name, inp.Command] = {}
        self.shown: set[Name] = set()
        self.stored: set[Name] = set()
        self.order: list[Name] = []
        self.acked: dict[Name, int] = {}
        self.settlements: dict[Name, int] = {}
        self.chance = 0.5
        self.attempts = 0
        self.feed(inp.Connect())

    # The shell

    def feed(self, given: inp.Input) -> None:
        for effect in self.machine.handle(given, self.now_ms, self.chance):
            self.carry_out(effect)

    def carry_out(self, effect: ef.Effect) -> None:
        match effect:
            case ef.SetTimer():
                self.no_wait_is_longer_than_its_limit(effect)
                self.timers[effect.timer] = self.now_ms + effect.after_ms
            case ef.CancelTimer():
                self.timers.pop(effect.timer, None)
            case ef.CancelTimers():
                self.timers.clear()
            case ef.StateChanged():
                if effect.state is State.LIVE:
                    self.attempts = 0
            case ef.FetchToken():
                self.fetching = True
            case ef.OpenSocket():
                self.no_refused_token_is_used_again(effect)
                self.open, self.greeted = effect.token, False
            case ef.CloseSocket():
                assert self.open is not None
                self.open, self.server.session = None, None
            case ef.Send():
                self.sent(effect.frame)
            case ef.Deliver() | ef.Reset() | ef.Load():
                self.room_effect(effect)
            case _:
                self.item_effect(effect)

    def no_wait_is_longer_than_its_limit(self, effect: ef.SetTimer) -> None:
        assert 0 <= effect.after_ms <= max(_HEARTBEAT_MS, OPENING_MS, BACKOFF_MAX_MS)
        if effect.timer == "backoff":
            assert effect.after_ms < min(BACKOFF_MAX_MS, 1000 * 2**self.attempts)
            self.attempts += 1

    def no_refused_token_is_used_again(self, effect: ef.OpenSocket) -> None:
        assert effect.token not in self.refused_tokens
        assert self.open is None

    def nothing_is_sent_without_a_connection(self, frame: fr.WebSocketMessage) -> None:
        assert self.greeted
        session = self.server.session
        assert session is not None
        session.to_server.append(frame)

    def a_subscribe_asks_from_where_the_room_is(self, frame: fr.Subscribe) -> None:
        room = self.machine.rooms.get(frame.room_id or "")
        assert room is not None
        assert (frame.after, frame.epoch) == (room.position, room.epoch)

    def sent(self, frame: fr.WebSocketMessage) -> None:
        self.nothing_is_sent_without_a_connection(frame)
        if isinstance(frame, fr.Subscribe):
            self.a_subscribe_asks_from_where_the_room_is(frame)
        if isinstance(frame, fr.Send | fr.React):
            name = (frame.room_id or "", frame.idempotency_key or "")
            assert name in self.stored
            in_flight = [item for item in self.machine.queue if item.room_id == name[0]]
            assert sum(item.status is ItemStatus.SENT for item in in_flight) == 1

    def room_effect(self, effect: ef.Deliver | ef.Reset | ef.Load) -> None:
        match effect:
            case ef.Deliver():
                assert isinstance(effect.frame, fr.MessageBroadcast)
                self.readers[effect.frame.room_id].events.append(effect.frame)
                if effect.key is not None:
                    assert (effect.frame.room_id, effect.key) in self.shown
                    self.shown.discard((effect.frame.room_id, effect.key))
            case ef.Reset():
                self.readers[effect.room_id] = Reader(effect.position)
            case ef.Load():
                self.loads.append(effect)

    def item_effect(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Store():
                self.stored.add((effect.item.room_id, effect.item.key))
            case ef.Forget():
                self.stored.remove((effect.room_id, effect.key))
            case ef.Merged():
                self.shown.remove((effect.room_id, effect.key))
            case ef.Acked():
                self.settle(effect)
                self.what_is_acked_is_pending_until_its_event_comes(effect)
                self.acked[effect.room_id, effect.key] = self.server.epoch
                if effect.merged:
                    self.shown.discard((effect.room_id, effect.key))
            case ef.Refused() | ef.Withdrawn():
                self.settle(effect)
                self.shown.discard((effect.room_id, effect.key))
            case ef.Unsent():
                # Told, but kept: it stays pending, and goes on at the next connect.
                assert effect.kept
            case _:
                pass

    def what_is_acked_is_pending_until_its_event_comes(self, effect: ef.Acked) -> None:
        room = self.machine.rooms.get(effect.room_id)
        to_come = room is not None and room.followed and (room.position or 0) < effect.sequence
        assert effect.merged != to_come

    def settle(self, effect: ef.Settlement) -> None:
        name = (effect.room_id, effect.key)
        assert name in self.waiting
        del self.waiting[name]
        self.settlements[name] = self.settlements.get(name, 0) + 1

    def lose_connection(self, code: int) -> None:
        self.open, self.server.session = None, None
        self.feed(inp.Closed(code))

    @initialize(begun=st.booleans())
    def begin(self, *, begun: bool) -> None:
        if begun:
            self.join(ROOMS[0], 0)
            self.join(ROOMS[1], None)
            self.gets_well()

    # What the user does

    @rule(room_id=rooms, back=st.none() | st.integers(0, 5))
    def join(self, room_id: str, back: int | None) -> None:
        known = self.machine.rooms.get(room_id)
        after = None if back is None else max(0, self.server.head(room_id) - back)
        self.feed(inp.Join(room_id, after))
        if known is None:
            self.readers[room_id] = Reader(after)

    @rule(room_id=rooms)
    def leave(self, room_id: str) -> None:
        self.feed(inp.Leave(room_id))
        self.readers.pop(room_id, None)

    @rule(room_id=rooms, on=st.booleans())
    def pause(self, *, room_id: str, on: bool) -> None:
        self.feed(inp.Pause(room_id) if on else inp.Unpause(room_id))

    @rule(room_id=rooms, react=st.booleans())
    def enqueue(self, *, room_id: str, react: bool) -> None:
        key = f"key-{next(self.numbers)}"
        command = (
            fr.React(ref="", message_id=ROOMS[0], emoji="x")
            if react
            else fr.Send(ref="", content=key)
        )
        name = (room_id, key)
        full = len(self.waiting) >= QUEUE_MAX
        self.waiting[name] = command
        self.shown.add(name)
        if self.machine.state is not State.CLOSED and not full:
            self.order.append(name)
        self.feed(inp.Enqueue(room_id, key, command))
        assert (name in self.waiting) == (name in self.order and not self.settlements.get(name))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.waiting)))
        self.feed(inp.Withdraw(*name))

    # What the world does

    @rule(steps=st.integers(1, 25), chance=chances)
    def all_goes_well_for_a_while(self, *, steps: int, chance: float) -> None:
        self.chance = chance
        for _ in range(steps):
            if not self.is_well():
                self.one_good_thing_happens()
                self.check_all()

    @rule(room_id=rooms, lost=st.lists(st.booleans(), min_size=1, max_size=4))
    def somebody_says_something(self, *, room_id: str, lost: list[bool]) -> None:
        """Each message may be lost on its way to who is subscribed."""
        for one in lost:
            self.server.say(room_id, f"018f0000-0000-7000-9000-{next(self.numbers):012d}")
            session = self.server.session
            if one and session is not None and room_id in session.rooms:
                session.to_client.pop()

    @precondition(lambda self: self.fetching)
    @rule(which=st.sampled_from(["new", "new", "same", "none"]))
    def token_comes(self, *, which: str = "new") -> None:
        self.fetching = False
        if which == "none":
            self.feed(inp.TokenFailed("none"))
            return
        self.tokens += which == "new"
        self.feed(inp.Token(f"token-{self.tokens}"))

    @precondition(lambda self: self.open is not None and self.server.session is None)
    @rule(accepted=st.sampled_from([True, True, True, False]))
    def socket_opens(self, *, accepted: bool = True) -> None:
        if accepted:
            self.feed(inp.Opened())
            self.server.connect()
        else:
            self.lose_connection(1006)

    @precondition(lambda self: self.server.session and self.server.session.to_server)
    @rule(
        fault=st.none() | st.sampled_from([*_FOR_NOW, ErrorCode.FORBIDDEN]), appended=st.booleans()
    )
    def server_handles_a_frame(
        self, *, fault: ErrorCode | None = None, appended: bool = False
    ) -> None:
        self.server.fault = fault
        # Only an unknown outcome may hide an append.
        self.server.fault_appended = appended and fault is ErrorCode.LOG_UNAVAILABLE
        self.server.take()
        self.server.fault = None

    @precondition(lambda self: self.server.session and self.server.session.to_client)
    @rule(frames=st.integers(1, 5), chance=chances)
    def client_hears(self, frames: int, chance: float = 0.5) -> None:
        self.chance = chance
        for _ in range(frames):
            session = self.server.session
            if session is None or not session.to_client:
                return
            frame = session.to_client.popleft()
            self.greeted = True
            self.feed(inp.Frame(frame))

    @precondition(lambda self: self.server.session and self.server.session.to_client)
    @rule(data=st.data())
    def a_frame_comes_twice(self, data: st.DataObject) -> None:
        session = self.server.session
        assert session is not None
        frames = session.to_client
        places = [n for n, f in enumerate(frames) if isinstance(f, fr.MessageBroadcast | fr.Ack)]
        if places:
            place = data.draw(st.sampled_from(places))
            frames.insert(place, frames[place])

    @precondition(lambda self: self.open is not None)
    @rule(code=st.sampled_from([*_LOST, 4501]), handled=st.integers(0, 3), chance=chances)
    def connection_breaks(self, *, code: int, handled: int, chance: float) -> None:
        self.chance = chance
        session = self.server.session
        while session is not None and session.to_server and handled:
            self.server.take()
            handled -= 1
        if code == CloseCode.UNAUTHENTICATED:
            assert self.open is not None
            self.refused_tokens.add(self.open)
        self.lose_connection(code)

    @rule(
        what=st.sampled_from([inp.Online(), inp.Offline(), inp.Connect(), inp.Close(), None]),
        kept=st.integers(0, 10),
    )
    def something_rare_happens(self, *, what: inp.Input | None, kept: int) -> None:
        if what is not None:
            self.feed(what)
            return
        self.server.begin_anew(self.server.sequence - kept)
        if self.open is not None:
            self.lose_connection(4001)

    @precondition(lambda self: self.loads)
    @rule(works=st.sampled_from([True, True, False]))
    def page_is_loaded(self, *, works: bool = True) -> None:
        load = self.loads.pop(0)
        if works and load.epoch == str(self.server.epoch):
            self.feed(inp.Loaded(load.room_id, load.load))
        else:
            code = ErrorCode.DATABASE_UNAVAILABLE.value
            self.feed(inp.LoadFailed(load.room_id, load.load, code, "", 500))

    @precondition(lambda self: self.timers)
    @rule()
    def time_passes(self) -> None:
        timer = min(self.timers, key=lambda name: (self.timers[name], name))
        self.now_ms = max(self.now_ms, self.timers.pop(timer))
        self.feed(inp.Timer(timer))

    # What holds always

    @invariant()
    def every_room_is_delivered_whole_in_order_and_once(self) -> None:
        for room_id, reader in self.readers.items():
            room = self.machine.rooms.get(room_id)
            assert room is not None
            sequences = [event.sequence for event in reader.events]
            assert sequences == sorted(set(sequences))
            if reader.begins_after is None and room.position is not None and not sequences:
                reader.begins_after = room.position
            if room.epoch != str(self.server.epoch) or reader.begins_after is None:
                continue
            assert room.position is not None
            expected = [
                event.sequence
                for event in self.server.logs[room_id]
                if reader.begins_after < event.sequence <= room.position
            ]
            assert sequences == expected

    @invariant()
    def there_is_always_something_that_goes_on(self) -> None:
        expected = {
            State.CONNECTING: "opening",
            State.WAITING: "backoff",
            State.REPLAYING: "heartbeat",
            State.LIVE: "heartbeat",
        }.get(self.machine.state)
        assert expected is None or expected in self.timers
        if expected is None:
            assert not self.timers
            assert self.open is None

    @invariant()
    def what_is_pending_and_what_is_delivered_never_overlap(self) -> None:
        pending = {item.name for item in self.machine.queue if not item.echoed}
        assert pending == self.shown
        for room_id, reader in self.readers.items():
            delivered = {event.event.id for event in reader.events}
            for item in self.machine.queue:
                if item.room_id == room_id and not item.echoed and item.user_id is not None:
                    assert item.event_id(USER) not in delivered or self.was_begun_anew(item.name)

    def was_begun_anew(self, name: Name) -> bool:
        # What was acked and delivered in an epoch that ended is sent again by nobody.
        return self.server.epoch > 1 and name not in self.acked

    @invariant()
    def what_is_stored_is_what_is_not_settled(self) -> None:
        assert self.stored == set(self.waiting)

    @invariant()
    def every_command_is_settled_once(self) -> None:
        assert all(count == 1 for count in self.settlements.values())
        assert not set(self.settlements) & set(self.waiting)

    @invariant()
    def the_queue_is_bounded(self) -> None:
        assert len(self.waiting) <= QUEUE_MAX

    @invariant()
    def commands_arrive_once_and_in_order(self) -> None:
        for room_id in ROOMS:
            mine = [e for e in self.server.logs[room_id] if e.event.actor == USER]
            ids = [event.event.id for event in mine]
            assert len(ids) == len(set(ids))
            sends = [e.event.id for e in mine if e.event.type == "message.sent"]
            enqueued = [item_id for item_id in self.ids_in_order(room_id) if item_id in set(sends)]
            assert sends == enqueued

    def ids_in_order(self, room_id: str) -> Iterable[str]:
        return (keyed_event_id(room_id, USER, key) for room, key in self.order if room == room_id)

    # What comes true when nothing bad happens any more

    def teardown(self) -> None:
        self.feed(inp.Connect())
        for room_id in ROOMS:
            self.feed(inp.Unpause(room_id))
        self.gets_well()
        for (room_id, key), epoch in self.acked.items():
            if epoch == self.server.epoch:
                ids = [event.event.id for event in self.server.logs[room_id]]
                assert ids.count(keyed_event_id(room_id, USER, key)) == 1

    def gets_well(self) -> None:
        for _ in range(_SETTLE_STEPS_MAX):
            if self.is_well():
                return
            self.one_good_thing_happens()
            self.check_all()
        raise AssertionError(self.machine.snapshot())

    def check_all(self) -> None:
        self.every_room_is_delivered_whole_in_order_and_once()
        self.there_is_always_something_that_goes_on()
        self.what_is_pending_and_what_is_delivered_never_overlap()
        self.what_is_stored_is_what_is_not_settled()
        self.every_command_is_settled_once()
        self.commands_arrive_once_and_in_order()

    def is_well(self) -> bool:
        whole = all(
            room.phase is Phase.ENDED or room.position == self.server.head(room.room_id)
            for room in self.machine.rooms
        )
        return self.machine.state is State.LIVE and whole and not self.waiting and not self.shown

    def one_good_thing_happens(self) -> None:
        session = self.server.session
        if self.fetching:
            self.token_comes()
        elif self.open is not None and session is None:
            self.socket_opens()
        elif session is not None and session.to_client:
            self.client_hears(1)
        elif session is not None and session.to_server:
            self.server_handles_a_frame()
        elif self.loads:
            self.page_is_loaded()
        elif self.timers:
            self.time_passes()


TestLaws = ClientInTheWorld.TestCase
TestLaws.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_what_was_lost_in_a_quiet_room_is_noticed_within_one_heartbeat():
    world = ClientInTheWorld()
    world.join(ROOMS[0], 0)
    world.gets_well()
    began_ms = world.now_ms
    world.server.say(ROOMS[0], ROOMS[1])
    assert world.server.session is not None
    world.server.session.to_client.clear()

    world.gets_well()

    assert world.readers[ROOMS[0]].events[-1].event.id == ROOMS[1]
    assert world.now_ms - began_ms <= _HEARTBEAT_MS


def test_a_server_that_says_nothing_is_given_up_within_a_heartbeat_and_the_time_of_a_pong():
    world = ClientInTheWorld()
    world.gets_well()
    began_ms = world.now_ms

    while world.machine.state is State.LIVE:
        world.time_passes()

    assert world.now_ms - began_ms <= _HEARTBEAT_MS + PONG_MS_MAX

"""Who is online, from what nodes tell, with time as the test gives it."""

from hypothesis import given
from hypothesis import strategies as s

from roomlog.core.presence import (
    ENTRIES_PER_MESSAGE_MAX,
    GRACE_S,
    LEASE_S,
    Beat,
    OwnPresence,
    PresenceView,
    Shown,
    Snapshot,
)

ANN, BOB = "ann@example.org", "bob@example.org"


class World:
    """Nodes that tell one viewer everything, unless told not to."""

    def __init__(self, nodes: int = 2) -> None:
        self.now_s = 100.0
        self.view = PresenceView()
        self.nodes = [OwnPresence(f"n{number}") for number in range(nodes)]
        self.news: list[tuple[str, bool]] = []

    def tell(self, *numbers: int) -> None:
        for number in numbers or range(len(self.nodes)):
            node = self.nodes[number]
            told = [self.view.apply(m, self.now_s) for m in node.changes()]
            if not all(told) or not self.view.apply(node.beat(), self.now_s):
                for part in node.snapshot():
                    assert self.view.apply(part, self.now_s)
        self.look()

    def look(self) -> None:
        self.news += [(news.user_id, news.online) for news in self.view.news(self.now_s)]

    def pass_time(self, seconds: float, *alive: int) -> None:
        for _ in range(round(seconds)):
            self.now_s += 1
            if alive:
                self.tell(*alive)
            self.look()


def test_a_user_of_several_connections_and_nodes_comes_and_goes_once():
    world = World()
    world.nodes[0].join("r", ANN)
    world.tell()
    world.nodes[1].join("r", ANN)
    world.tell()
    world.nodes[0].leave("r", ANN)
    world.tell()
    world.pass_time(GRACE_S * 2, 0, 1)
    assert (world.view.online("r"), world.news) == ([ANN], [(ANN, True)])
    world.nodes[1].leave("r", ANN)
    world.tell()
    assert world.view.online("r") == [ANN]
    world.pass_time(GRACE_S, 0, 1)
    assert (world.view.online("r"), world.news) == ([], [(ANN, True), (ANN, False)])


def test_a_reconnect_within_the_grace_is_no_news_on_whichever_node():
    world = World()
    world.nodes[0].join("r", ANN)
    world.tell()
    world.nodes[0].leave("r", ANN)
    world.tell()
    world.pass_time(GRACE_S - 1, 0, 1)
    world.nodes[1].join("r", ANN)
    world.pass_time(GRACE_S * 2, 0, 1)
    assert (world.view.online("r"), world.news) == ([ANN], [(ANN, True)])


def test_who_leaves_and_comes_back_between_two_tellings_is_not_told_of():
    node = OwnPresence("n")
    node.join("r", ANN)
    node.leave("r", ANN)
    assert node.changes() == []
    node.join("r", ANN)
    assert [m.joined for m in node.changes()] == [[("r", ANN)]]
    node.leave("r", ANN)
    node.join("r", ANN)
    assert node.changes() == []


def test_a_silent_node_is_gone_with_its_users_and_nobody_elses():
    world = World()
    world.nodes[0].join("r", ANN)
    world.nodes[0].join("r", BOB)
    world.nodes[1].join("r", BOB)
    world.tell()
    world.pass_time(LEASE_S, 1)
    assert world.view.online("r") == [BOB]
    assert world.news[2:] == [(ANN, False)]


def test_a_node_that_was_only_silent_is_asked_for_everything_again():
    world = World()
    world.nodes[0].join("r", ANN)
    world.tell()
    world.pass_time(LEASE_S, 1)
    assert world.view.online("r") == []
    assert not world.view.apply(world.nodes[0].beat(), world.now_s)
    world.tell(0)
    assert world.view.online("r") == [ANN]


def test_while_nothing_can_be_heard_nobody_is_given_up():
    world = World()
    world.nodes[0].join("r", ANN)
    world.tell()
    world.now_s += LEASE_S * 10
    world.view.keep_all(world.now_s)
    world.look()
    assert (world.view.online("r"), world.news) == ([ANN], [(ANN, True)])


def test_a_missed_change_is_noticed_by_the_next_or_by_the_beat():
    view, node = PresenceView(), OwnPresence("n")
    assert not view.apply(Beat("n", 0), 0)
    assert all(view.apply(part, 0) for part in node.snapshot())
    node.join("r", ANN)
    node.changes()
    assert not view.apply(node.beat(), 0)
    node.join("r", BOB)
    (second,) = node.changes()
    assert not view.apply(second, 0)
    assert all(view.apply(part, 0) for part in node.snapshot())
    assert sorted(view.online("r")) == [ANN, BOB]
    assert view.apply(second, 0), "what the snapshot holds already is passed over"


def test_large_nodes_are_told_in_parts_and_a_lost_part_is_asked_for():
    node, view = OwnPresence("n"), PresenceView()
    users = [f"u{number}" for number in range(ENTRIES_PER_MESSAGE_MAX * 2 + 1)]
    for user in users:
        node.join("r", user)
    assert [len(m.joined) for m in node.changes()] == [ENTRIES_PER_MESSAGE_MAX] * 2 + [1]
    parts = node.snapshot()
    assert view.apply(parts[0], 0)
    assert not view.apply(parts[2], 0)
    assert view.online("r") == []
    assert all(view.apply(part, 0) for part in parts)
    assert sorted(view.online("r")) == sorted(users)


def test_an_older_snapshot_takes_nothing_back():
    view = PresenceView()
    view.apply(Snapshot("n", 4, 0, 1, [("r", ANN)]), 0)
    assert view.apply(Snapshot("n", 3, 0, 1, []), 0)
    assert view.online("r") == [ANN]


_steps = s.lists(
    s.tuples(
        s.integers(0, 1),
        s.sampled_from(["join", "leave", "tell", "lose", "wait"]),
        s.sampled_from([("r", ANN), ("r", BOB), ("s", ANN)]),
    ),
    max_size=40,
)


@given(_steps)
def test_in_the_end_everybody_sees_who_is_there_whatever_was_lost(steps: list[tuple]):
    world, told = World(), dict[tuple[str, str], bool]()
    truth: list[set[tuple[str, str]]] = [set(), set()]
    view_news = world.view.news

    def news(now_s: float) -> list[Shown]:
        fresh = view_news(now_s)
        for one in fresh:
            assert told.get((one.room_id, one.user_id), False) is not one.online
            told[one.room_id, one.user_id] = one.online
        return fresh

    world.view.news = news  # type: ignore[method-assign]
    for number, act, entry in steps:
        if act == "join":
            world.nodes[number].join(*entry)
            truth[number].add(entry)
        elif act == "leave":
            world.nodes[number].leave(*entry)
            truth[number].discard(entry)
        elif act == "tell":
            world.tell(number)
        elif act == "lose":
            world.nodes[number].changes()
        else:
            world.pass_time(2, 0)
    world.tell()
    world.pass_time(GRACE_S + 1, 0, 1)
    for room in ("r", "s"):
        there = {user for entries in truth for r, user in entries if r == room}
        assert set(world.view.online(room)) == there
    assert {entry for entry, online in told.items() if online} == truth[0] | truth[1]

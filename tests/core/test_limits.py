from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import limits
from roomlog.core.decide import Fact
from roomlog.core.limits import Quota, Rate, Said, SpamGuard, TokenBuckets, is_newcomer, said
from roomlog.core.policy import Actor
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MemberState, RoomState
from roomlog_contract.types import GlobalRole, MessageType, RoomRole, RoomStatus

ANN, ROOM = "ann@example.org", "11111111-1111-7111-8111-111111111111"
ACTOR = Actor(ANN)
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def _buckets(per_second: float, **more: int) -> TokenBuckets:
    rate = Rate.per_second(per_second)
    assert rate is not None
    return TokenBuckets(rate, **more)


def _taken(buckets: TokenBuckets, key: str, now_s: float) -> bool:
    if buckets.wait_s(key, now_s):
        return False
    buckets.charge(key, now_s)
    return True


@pytest.mark.parametrize(("per_second", "burst"), [(10, 10), (2.5, 2.5), (1, 1), (0.2, 1)])
def test_a_rate_holds_one_seconds_worth_and_at_least_one(per_second: float, burst: float):
    assert Rate.per_second(per_second) == Rate(per_second, burst)


@pytest.mark.parametrize(("per_minute", "burst"), [(60, 60), (3, 3), (0.5, 1)])
def test_a_rate_by_the_minute_holds_one_minutes_worth(per_minute: float, burst: float):
    assert Rate.per_minute(per_minute) == Rate(per_minute / 60, burst)


def test_zero_is_no_limit():
    assert Rate.per_second(0) is None
    assert Rate.per_minute(0) is None


def test_a_full_bucket_gives_what_it_holds_at_once_and_then_one_for_each_that_flows_in():
    buckets = _buckets(10)

    assert [_taken(buckets, ANN, 5.0) for _ in range(11)] == [True] * 10 + [False]
    assert buckets.wait_s(ANN, 5.0) == pytest.approx(0.1)
    assert not _taken(buckets, ANN, 5.09)
    assert _taken(buckets, ANN, 5.1)
    assert not _taken(buckets, ANN, 5.1)
    assert [_taken(buckets, ANN, 9.0) for _ in range(11)] == [True] * 10 + [False]


def test_one_users_bucket_is_not_anothers():
    buckets = _buckets(1)

    assert _taken(buckets, ANN, 0.0)
    assert _taken(buckets, "bob@example.org", 0.0)


@given(
    rate=s.floats(0.1, 1000),
    steps=s.lists(s.floats(0, 3), max_size=200),
)
def test_no_window_ever_holds_more_than_a_burst_and_what_flowed_in(rate: float, steps: list[float]):
    buckets = _buckets(rate)
    taken: list[float] = []
    now_s = 0.0
    for step_s in steps:
        now_s += step_s / rate
        if _taken(buckets, ANN, now_s):
            taken.append(now_s)

    for first, begun_s in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = buckets.rate.burst + (taken[last] - begun_s) * rate
            assert last - first + 1 <= allowed + 0.01


@given(rate=s.floats(0.1, 1000), steps=s.lists(s.floats(0, 3), max_size=50))
def test_whoever_waits_as_told_is_let_through(rate: float, steps: list[float]):
    buckets = _buckets(rate)
    now_s = 0.0
    for step_s in steps:
        now_s += step_s / rate
        now_s += buckets.wait_s(ANN, now_s)
        assert _taken(buckets, ANN, now_s)


def test_what_is_charged_from_elsewhere_is_owed_and_so_the_rate_holds_over_time():
    one, two = _buckets(10), _buckets(10)
    accepted = 0
    for tick in range(1000):  # ten seconds of two nodes that hear of each other at once
        for here, there in ((one, two), (two, one)):
            if _taken(here, ANN, tick / 100):
                there.charge(ANN, tick / 100)
                accepted += 1

    assert 105 <= accepted <= 111


def test_what_is_owed_has_a_bound():
    buckets = _buckets(10)
    for _ in range(100):
        buckets.charge(ANN, 0.0, 1000)

    assert buckets.wait_s(ANN, 0.0) <= limits.DEBT_BURSTS_MAX + 1


def test_a_charge_can_be_given_back():
    buckets = _buckets(1)
    buckets.charge(ANN, 0.0)
    buckets.give_back(ANN)
    buckets.give_back("nobody@example.org")

    assert _taken(buckets, ANN, 0.0)


def test_buckets_are_bounded_and_the_least_recently_used_goes_first():
    buckets = _buckets(1, keys_max=3)
    for user in ("a", "b", "c", "d"):
        buckets.charge(user, 0.0)

    assert len(buckets) == 3
    assert [bool(buckets.wait_s(user, 0.0)) for user in "abcd"] == [False, True, True, True]


def test_a_quota_tells_what_is_left_in_whole_units():
    buckets = _buckets(10)
    assert buckets.quota("messages", ANN, 0.0) == Quota("messages", 10, 1, 10, 0)

    buckets.charge(ANN, 0.0, 3)
    assert buckets.quota("messages", ANN, 0.0) == Quota("messages", 10, 1, 7, 1)

    buckets.charge(ANN, 0.0, 50)
    assert buckets.quota("messages", ANN, 0.0) == Quota("messages", 10, 1, 0, 6)


def test_a_slow_rates_quota_is_one_in_a_longer_window():
    assert _buckets(0.2).quota("messages", ANN, 0.0) == Quota("messages", 1, 5, 1, 0)


def _sent(content: str, said_as: MessageType = MessageType.TEXT, **metadata: object) -> Fact:
    fields = {"content": content, "message_type": said_as, "metadata": metadata}
    return Fact("message.sent", fields)


def _what(content: str, **metadata: object) -> Said:
    what = said(_sent(content, **metadata), ACTOR)  # type: ignore[arg-type]
    assert what is not None
    return what


class _Talk:
    def __init__(self) -> None:
        self.guard = SpamGuard()

    def says(
        self,
        content: str,
        now_s: float,
        *,
        user: str = ANN,
        room: str = ROOM,
        newcomer: bool = False,
        **metadata: object,
    ) -> RefusedError | None:
        what = _what(content, **metadata)
        try:
            self.guard.judge(user, room, what, now_s, newcomer=newcomer)
        except RefusedError as refusal:
            return refusal
        self.guard.record(user, room, what, now_s)
        return None


def test_the_fifth_equal_text_within_thirty_seconds_is_refused():
    talk = _Talk()
    assert [talk.says("restart it", at) for at in (0, 1, 2, 3)] == [None] * 4

    refused = talk.says("restart it", 10.0)

    assert refused is not None
    assert refused.code is ErrorCode.SPAM
    assert "same message" in refused.detail
    assert refused.retry_after_s == pytest.approx(20.0)
    assert talk.says("restart it", 29.9) is not None
    assert talk.says("restart it", 30.0) is None
    assert talk.says("restart it", 30.5) is not None


@pytest.mark.parametrize("other", [{"user": "bob@example.org"}, {"room": "another"}])
def test_what_others_say_or_is_said_elsewhere_is_no_repeat(other: dict[str, str]):
    talk = _Talk()
    for at in range(4):
        talk.says("yes", at)

    assert talk.says("yes", 5, **other) is None  # type: ignore[arg-type]
    assert talk.says("no", 5) is None
    assert talk.says("YES ", 5) is not None


def test_other_kinds_of_messages_repeat_only_with_all_their_metadata():
    def mark(number: int) -> bytes:
        fact = _sent("", MessageType.INCIDENT_DATA, kind="metrics", data={"n": number})
        what = said(fact, ACTOR)
        assert what is not None
        return what.mark

    assert mark(1) == mark(1)
    assert mark(1) != mark(2)
    assert _what("x", colour="red").mark == _what("x", colour="blue").mark


def test_neither_services_nor_system_messages_nor_what_says_nothing_is_judged():
    bot = Actor("bot@example.org", roles=frozenset({GlobalRole.SERVICE}))

    assert said(_sent("db-7 is down"), bot) is None
    assert said(_sent("restarted", MessageType.SYSTEM, event="notice"), ACTOR) is None
    assert said(Fact("reaction.added", {"emoji": "👍"}), ACTOR) is None
    assert said(Fact("message.deleted", {"reason": None}), ACTOR) is None


def test_an_edit_is_judged_for_whom_it_mentions_but_is_no_repeat():
    edit = Fact("message.edited", {"content": "x", "metadata": {"mentions": ["a", "b"]}})

    assert said(edit, ACTOR) == Said(b"", 2, 0)


def test_a_flood_of_mentions_is_refused():
    talk = _Talk()
    everyone = [talk.says(f"look {n}", 0.0, mentions=["@room"]) for n in range(6)]
    assert everyone[:5] == [None] * 5
    assert everyone[5] is not None
    assert "mentions" in everyone[5].detail

    wait_s = everyone[5].retry_after_s
    assert wait_s is not None
    assert talk.says("now", wait_s - 0.1, mentions=["@room"]) is not None
    assert talk.says("now", wait_s, mentions=["@room"]) is None
    assert talk.says("without", 0.0) is None


def test_calling_the_whole_room_counts_as_ten_mentions_however_many_members_it_calls():
    team = [f"u{n}@example.org" for n in range(60)]

    assert _what("@room: all hands", mentions=team).mentions == 10
    assert _what("@Room and @u1, @u2", mentions=team).mentions == 12
    assert _what("@room", mentions=team[:3]).mentions == 3
    assert _what("@u1, @u2", mentions=team[1:3]).mentions == 2
    assert _what("no", mentions=["@room", *team[:2]]).mentions == 12


def test_more_mentions_than_fit_are_let_through_once():
    talk = _Talk()
    team = [f"u{n}@example.org" for n in range(limits.MENTIONS_PER_WINDOW_MAX + 10)]

    assert talk.says("all hands", 0.0, mentions=team) is None
    assert talk.says("hello?", 1.0, mentions=team[:1]) is not None


def test_a_newcomers_flood_of_links_is_refused_and_nobody_elses():
    talk = _Talk()
    links = "see https://a.example and www.b.example and HTTP://c.example"
    assert _what(links).links == 3

    told = [talk.says(f"{links} {n}", 0.0, newcomer=True) for n in range(4)]
    assert told[:3] == [None] * 3
    assert told[3] is not None
    assert "links" in told[3].detail
    assert talk.says("no link", 0.0, newcomer=True) is None
    assert talk.says(links, 0.0, newcomer=False) is None


def test_what_did_not_come_to_be_is_taken_back():
    guard = SpamGuard()
    what = _what("hello", mentions=["@room"] * 5)
    for _ in range(10):
        guard.judge(ANN, ROOM, what, 0.0, newcomer=False)
        guard.record(ANN, ROOM, what, 0.0)
        guard.take_back(ANN, ROOM, what)


def test_the_guards_memory_is_bounded_and_old_texts_are_forgotten():
    guard = SpamGuard(texts_max=10, keys_max=10)
    for number in range(1000):
        guard.record(f"u{number}", ROOM, _what(f"{number} https://x.example", mentions=["a"]), 0.0)
    assert len(guard) == 30

    guard.record(ANN, ROOM, _what("later"), 60.0)
    assert len(guard) == 21


def _room(since: datetime, role: RoomRole = RoomRole.RESPONDER) -> RoomState:
    def text(at: datetime) -> str:
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return RoomState(
        room_id=ROOM,
        name="x",
        title=None,
        severity=None,
        status=RoomStatus.OPEN,
        created_by="cat@example.org",
        created_at=text(NOW - timedelta(hours=1)),
        created_sequence=1,
        members={ANN: MemberState(role, text(since))},
    )


@pytest.mark.parametrize(("minutes", "newcomer"), [(0, True), (9, True), (11, False), (60, False)])
def test_who_joined_a_running_room_lately_is_a_newcomer(minutes: int, newcomer: bool):  # noqa: FBT001
    assert is_newcomer(ACTOR, _room(NOW - timedelta(minutes=minutes)), NOW) is newcomer


def test_who_was_there_from_the_beginning_commands_or_is_no_member_is_no_newcomer():
    fresh = _room(NOW)

    assert not is_newcomer(ACTOR, _room(NOW, RoomRole.COMMANDER), NOW)
    assert not is_newcomer(Actor("admin@example.org"), fresh, NOW)
    begun = _room(NOW - timedelta(hours=1))
    assert not is_newcomer(ACTOR, begun, NOW - timedelta(minutes=59))

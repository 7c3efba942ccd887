"""What roomlog promises of its speed and size, as rows that `bench.report` fills from results."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.measured import Measured, Results, number

MIB_PER_MB = 1e6 / 2**20
# The tables keep up with a load where they have all of it this soon after its end.
FOLLOWED_S_MAX = 0.5
# A load kept a pace where it went at so much of it: it ends with the last answer, not with the last
# send.
HELD_PACE = 0.97


class Promise(NamedTuple):
    """`figure` of the result `name` of `bench` (or a detail of it, by the path of its keys) is at
    least `target`, or at most where less is better. The bare limit is the result's own, or a
    detail, too, named by `bare_name`."""

    work: str
    bench: str
    name: str
    target: float
    unit: str
    at_least: bool = True
    detail: tuple[str, ...] = ()
    bare_detail: tuple[str, ...] = ()
    bare_name: str = ""
    provided: tuple[tuple[str, float, float], ...] = ()


class Kept(NamedTuple):
    """A promise and what was measured; `figure` None where it was not. `but` says why the figure
    does not count; `result` is what it comes from."""

    promise: Promise
    figure: float | None = None
    bare: float | None = None
    bare_name: str = ""
    but: str = ""
    result: Measured | None = None

    @property
    def reached(self) -> bool:
        if self.figure is None or self.but:
            return False
        if self.promise.at_least:
            return self.figure >= self.promise.target
        return self.figure <= self.promise.target

    @property
    def ratio(self) -> float | None:
        """To the bare limit, 1 where it is reached, as in `Measured`."""
        if not self.figure or not self.bare:
            return None
        return self.figure / self.bare if self.promise.at_least else self.bare / self.figure

    def beside_target(self, value: float | None) -> float | None:
        """How many times as good as the target a figure or bare limit is."""
        if not value:
            return None
        target = self.promise.target
        return value / target if self.promise.at_least else target / value


PROMISES = (
    Promise(
        "1 room of 100, 50 senders in a closed loop",
        *("one_room", "50 senders, closed loop: sends", 5_000, "/s"),
    ),
    Promise("same, deliveries", "one_room", "50 senders, closed loop: deliveries", 500_000, "/s"),
    Promise("same, 1 sender", "one_room", "1 sender, closed loop: sends", 900, "/s"),
    Promise(
        "same, 1 sender: ack, p99",
        *("one_room", "1 sender, closed loop: sends", 3, "ms"),
        at_least=False,
        detail=("acks", "p99_ms"),
        bare_detail=("JetStream's acks", "p99_ms"),
        bare_name="JetStream, publish to ack",
    ),
    Promise(
        "same, 20 messages a second: send to receive, p50",
        *("one_room", "20 a second: send to receive, p99", 2, "ms"),
        at_least=False,
        detail=("receive", "p50_ms"),
        bare_detail=("JetStream's acks", "p50_ms"),
        bare_name="JetStream, publish to ack",
    ),
    Promise(
        "same, 20 messages a second: send to receive, p99",
        *("one_room", "20 a second: send to receive, p99", 4, "ms"),
        at_least=False,
    ),
    Promise(
        "100 rooms of 5, one sender each, closed loop",
        *("many_rooms", "100 rooms x 5, 1 in flight each: sends", 7_000, "/s"),
    ),
    Promise(
        "same, 8 in flight each, the projector keeping up",
        *("many_rooms", "100 rooms x 5, 8 in flight each: sends", 12_000, "/s"),
        provided=(("the tables have all after, s", 0.0, FOLLOWED_S_MAX),),
    ),
    Promise(
        "10,000 missed messages, from the log",
        *("missed_messages", "resume, the newest 10,000", 60_000, "/s"),
    ),
    Promise(
        "same, at any age: the first of 50,000",
        *("missed_messages", "resume, all 50,000", 60_000, "/s"),
    ),
    Promise(
        "newest 50 of a room of 100,000, 8 connections",
        *("newest_page", "newest 50 of a large room", 9_000, "/s"),
    ),
    Promise(
        "same, p99",
        *("newest_page", "newest 50 of a large room", 3, "ms"),
        at_least=False,
        detail=("times, ms", "p99_ms"),
    ),
    Promise(
        "an idle connection of 1,000",
        *("idle_connections", "an idle connection", 20, "KiB"),
        at_least=False,
    ),
    Promise(
        "set-ups of connections", "idle_connections", "set-ups, token to subscribed", 2_200, "/s"
    ),
    Promise(
        "rebuild, indexes included",
        *("rebuild", "rebuild, comparison and swap included", 40_000, "/s"),
    ),
    Promise(
        "projection lag at 5,000 messages a second, p99",
        *("projection_lag", "lag p99 at 5,000 messages a second", 250, "ms"),
        at_least=False,
        provided=(("acked and delivered a second", 5_000 * HELD_PACE, math.inf),),
    ),
    Promise(
        "a quiet room beside a flood: times its p99 to the ack",
        *("fairness", "quiet room beside a flood: send to ack, p99", 2, "times"),
        at_least=False,
        detail=("times as long, p99",),
        bare_detail=("times as long beside plain uvicorn's flood, p99",),
        bare_name="beside plain uvicorn's flood",
    ),
    Promise(
        "same, to its receivers",
        *("fairness", "quiet room beside a flood: send to receive, p99", 2, "times"),
        at_least=False,
        detail=("times as long, p99",),
        bare_detail=("times as long beside plain uvicorn's flood, p99",),
        bare_name="beside plain uvicorn's flood",
    ),
    Promise(
        "memory of `up` at idle, 350 MB",
        *("memory", "`up` at idle, all processes", 350 * MIB_PER_MB, "MiB"),
        at_least=False,
    ),
    Promise(
        "memory of an API worker, 90 MB",
        *("memory", "an API worker at idle", 90 * MIB_PER_MB, "MiB"),
        at_least=False,
    ),
    Promise(
        "memory of the projector, 70 MB",
        *("memory", "the projector at idle", 70 * MIB_PER_MB, "MiB"),
        at_least=False,
    ),
    Promise("`ready`, warm", "ready", "ready, later start", 3, "s", at_least=False),
)

SYSTEMS = (
    "Matrix Synapse 1.163",
    "ejabberd 23.01 with MAM",
    "by hand: socket.io, Redis, PostgreSQL",
)
# Of others' systems, by the promises' work.
OTHERS: dict[str, tuple[str, str, str]] = {
    "1 room of 100, 50 senders in a closed loop": ("20/s", "436/s", "1,180/s"),
    "same, deliveries": ("2,000/s", "44,000/s", "118,000/s"),
    "same, 1 sender": ("1.7/s", "435/s", "871/s"),
    "same, 1 sender: ack, p99": ("-", "-", "2.9 ms (p50 1.1)"),
    "same, 20 messages a second: send to receive, p50": ("630 ms", "3.8 ms", "3.6 ms"),
    "same, 20 messages a second: send to receive, p99": ("-", "5.6 ms", "5.2 ms"),
    "100 rooms of 5, one sender each, closed loop": (
        "31/s",
        "3,390/s",
        "4,280/s (30 % delivered in another order than stored)",
    ),
    "10,000 missed messages, from the log": (
        "12,800/s",
        "15,300/s",
        "59,600/s (from Redis's memory)",
    ),
    "newest 50 of a room of 100,000, 8 connections": ("175/s", "161/s", "4,030/s"),
    "same, p99": ("73 ms", "66 ms", "6 ms"),
    "an idle connection of 1,000": ("145 KiB", "55 KiB", "27 KiB"),
    "set-ups of connections": ("-", "-", "2,150/s"),
    "rebuild, indexes included": ("has none", "has none", "has none"),
}


def kept(promise: Promise, results: Mapping[str, Results]) -> Kept:
    """What was measured of a promise. Nothing, where its benchmark or this result is missing."""
    told = results.get(promise.bench)
    found = next((one for one in told.results if one.name == promise.name), None) if told else None
    if found is None:
        return Kept(promise)
    but = "; ".join(
        f"{key}: {'not told' if value is None else number(value)}"
        for key, least, most in promise.provided
        if (value := _detail(found, (key,))) is None or not least <= value <= most
    )
    if not promise.detail:
        return Kept(promise, found.figure, found.bare, found.bare_name, but, found)
    bare = _detail(found, promise.bare_detail) if promise.bare_detail else None
    return Kept(promise, _detail(found, promise.detail), bare, promise.bare_name, but, found)


def _detail(found: Measured, path: tuple[str, ...]) -> float | None:
    value: Any = found.details
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, (int, float)) else None

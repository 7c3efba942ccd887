"""Histories by the hundred, each from a seed, judged by the checker; and whether that would notice.

SIMULATIONS says how many, SIMULATION_SEED where they begin; `python -m bench.simulation` goes on for
as long as asked.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256

import msgspec
import pytest

from roomlog.core.catchup import Catchup
from roomlog.jetstream.exchange import Entry, Exchange
from roomlog.ports import Appended
from roomlog.services.writer import Writer
from tests.histories.checker import Kind, check, explain
from tests.house.repository import ROOT
from tests.simulation.cluster import Cluster
from tests.simulation.simulation import simulate

_COUNT = int(os.environ.get("SIMULATIONS", "1000"))
_SEED = int(os.environ.get("SIMULATION_SEED") or random.SystemRandom().randrange(2**32))
_CHUNKS = 4
_SABOTAGES_TRIED_MAX = 300


@pytest.mark.timeout(120 + _COUNT)
@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_no_simulated_history_breaks_a_promise(chunk: int):
    for number in range(chunk, _COUNT, _CHUNKS):
        seed = _SEED + number
        try:
            told = explain(check(simulate(seed)))
        except Exception as error:
            raise AssertionError(f"SIMULATION_SEED={seed} SIMULATIONS=1 did not end") from error
        assert told == "", f"SIMULATION_SEED={seed} SIMULATIONS=1: {told}"


_DIGESTS = """
import msgspec
from hashlib import sha256
from tests.simulation.simulation import simulate
print([sha256(msgspec.json.encode(simulate(seed))).hexdigest() for seed in range(5)])
"""


def test_a_seed_is_the_same_history_in_every_process():
    told = subprocess.run(
        [sys.executable, "-c", _DIGESTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "5"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    digests = [sha256(msgspec.json.encode(simulate(seed))).hexdigest() for seed in range(5)]

    assert told.stdout.strip() == str(digests)
    assert len(set(digests)) == 5


def forget_ids(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """The log takes the same event twice."""
    cluster.server.forgets_ids = True


def let_two_projectors_write(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """The checkpoint is no fence, and two projectors, there from the beginning, take their time
    between reading and writing."""
    cluster.tables.unfenced = True
    cluster.tables.trip_s = (0.02, 0.1)
    cluster.projectors_at_first = 2


def deliver_over_gaps(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """A feed hands on whatever comes live, gap or not."""

    def live(self: Catchup, event):
        if event.sequence <= self._position:
            return []
        self._position = self._known = event.sequence
        return [event]

    patch.setattr(Catchup, "live", live)


def ack_before_the_log_does(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """What is on its way when the connection breaks counts as appended."""
    lost = Exchange._lost

    def told(self: Exchange) -> None:
        for unit in self._units:
            if unit.ack is None:
                for entry in unit.entries:
                    entry.succeed([Appended(10_000) for _ in entry.events])
        lost(self)

    patch.setattr(Exchange, "_lost", told)


def call_unknown_what_failed(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """What nobody can know is told as if nothing had happened."""
    fail = Entry.fail

    def certain(self: Entry, error: Exception) -> None:
        error.outcome_unknown = False  # type: ignore[attr-defined]
        fail(self, error)

    patch.setattr(Entry, "fail", certain)


def answer_any_request_again(cluster: Cluster, patch: pytest.MonkeyPatch) -> None:
    """A repetition is appended under another id."""
    begin = Writer.begin

    def renamed(self: Writer, command, facts, event_id: str, digest, now):
        other = sha256(f"{event_id}{now}".encode()).hexdigest()
        made = f"{other[:8]}-{other[8:12]}-5{other[13:16]}-8{other[17:20]}-{other[20:32]}"
        return begin(self, command, facts, made, digest, now)

    patch.setattr(Writer, "begin", renamed)


@pytest.mark.parametrize(
    ("sabotage", "kind"),
    [
        (forget_ids, Kind.DOUBLED),
        # A row that is new by the fold is there already: PostgreSQL refuses it, too.
        (let_two_projectors_write, "is not fresh"),
        (deliver_over_gaps, Kind.RECEIVER_HOLE),
        (ack_before_the_log_does, Kind.ACKED_LOST),
        (call_unknown_what_failed, Kind.FAILED_APPENDED),
        (answer_any_request_again, Kind.INVENTED),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_is_broken_on_purpose_is_noticed(
    sabotage: Callable[[Cluster, pytest.MonkeyPatch], None],
    kind: Kind | str,
    monkeypatch: pytest.MonkeyPatch,
):
    seen: set[Kind] = set()
    for seed in range(_SABOTAGES_TRIED_MAX):
        with monkeypatch.context() as patch:
            try:
                history = simulate(seed, lambda cluster, patch=patch: sabotage(cluster, patch))
            except (Exception, BaseExceptionGroup) as error:
                if kind not in set(Kind) and kind in str(error):
                    return
                continue  # it breaks so badly that nothing ends, which is noticed, too
            else:
                seen |= {violation.kind for violation in check(history)}
        if kind in seen:
            return
    pytest.fail(f"in {_SABOTAGES_TRIED_MAX} histories there was only {seen}")

"""`python -m bench.soak`: faults of every kind in random mixes against a whole `roomlog up`, for as
long as asked, with every history checked; how many were survived, and what was lost."""

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from bench.measured import Measured, json_option, tell
from tests.faults.faults import FAULTS, Fault, named
from tests.faults.run import figures, mix, running
from tests.faults.world import World, running_world
from tests.histories.checker import check, explain
from tests.histories.history import History

_QUIET_S = 3.0


class Totals:
    """What all rounds came to."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.figures: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.histories = 0

    def say(self, text: str) -> None:
        """A line of progress, with the minutes so far."""
        minutes = (time.monotonic() - self.began_s) / 60
        print(f"{minutes:7.1f} min  {text}", file=sys.stderr, flush=True)


class Soak:
    """How it is done: rounds of `round_s`, by `only` these faults, broken histories to `keep`."""

    def __init__(self, round_s: float, only: list[Fault] | None, keep: Path) -> None:
        self.totals = Totals()
        self._round_s = round_s
        self._only = only
        self._keep = keep

    async def run(self, minutes: float, seed: int) -> None:
        """Round after round in one world."""
        seeds = random.Random(seed)
        end_s = time.monotonic() + minutes * 60
        async with running_world(partitions=1 + seed % 2) as world:
            while (left_s := end_s - time.monotonic()) > 0:
                this = seeds.randrange(2**32)
                self.totals.say(f"round {self.totals.histories + 1} of seed {this}")
                history = await self._round(world, this, min(self._round_s, left_s))
                self._judge(history, this)

    async def _round(self, world: World, seed: int, seconds: float) -> History:
        """One history: new rooms and new clients in the same world."""
        async with running(world, seed) as run:
            try:
                await asyncio.sleep(_QUIET_S)
                await mix(run, seconds, self.totals.say, faults=self._only)
                history = await run.end()
            except BaseException:
                kept = self._kept(run.recording.history, seed)
                logs = self._keep / f"logs-{seed}"
                shutil.copytree(world.data / "logs", logs, dirs_exist_ok=True)
                self.totals.say(f"seed {seed} did not end: see {kept} and {logs}")
                raise
        self.totals.faults.update(run.faults)
        return history

    def _judge(self, history: History, seed: int) -> None:
        violations = check(history)
        self.totals.histories += 1
        self.totals.figures.update(figures(history))
        self.totals.violations.update(str(violation.kind) for violation in violations)
        if violations:
            kept = self._kept(history, seed)
            self.totals.say(f"seed {seed}, history in {kept}: {explain(violations)}")

    def _kept(self, history: History, seed: int) -> Path:
        kept = self._keep / f"history-{seed}.json"
        history.save(kept)
        return kept


def results(totals: Totals, seed: int) -> list[Measured]:
    """The figures, for people and machines."""
    told = totals.figures
    lost = sum(totals.violations.values())
    names = ("acked", "refused", "failed", "unknown", "events", "received", "resumes", "reads")
    return [
        Measured("histories checked", totals.histories, "", details={"seed": seed}),
        Measured("faults survived", sum(totals.faults.values()), "", details=dict(totals.faults)),
        Measured("acked operations", told["acked"], "", details={n: told[n] for n in names}),
        Measured(
            "promises broken", lost, "", more_is_better=False, details=dict(totals.violations)
        ),
    ]


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option(
    "--seed",
    type=int,
    help="The same mix again; odd: a log of two partitions.  [default: another each time]",
)
@click.option("--round", "round_s", default=90.0, show_default=True, help="Seconds a history.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(tempfile.gettempdir()),
    help="Where histories go in which a promise is broken.",
)
@click.option(
    "--only",
    type=click.Choice([fault.name for fault in FAULTS]),
    multiple=True,
    metavar="FAULT",
    help="Of all faults only this one; may be given several times.",
)
@json_option
def main(
    *,
    minutes: float,
    seed: int | None,
    round_s: float,
    keep: Path,
    only: tuple[str, ...],
    json_file: Path | None,
) -> None:
    """Let faults happen, and check every history. Exit 1 where a promise was broken."""
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    keep.mkdir(parents=True, exist_ok=True)
    soak = Soak(round_s, [named(name) for name in only] or None, keep)
    soak.totals.say(f"--seed {chosen}")
    asyncio.run(soak.run(minutes, chosen))
    tell(results(soak.totals, chosen), json_file)
    if soak.totals.violations:
        sys.exit(1)


if __name__ == "__main__":
    main()

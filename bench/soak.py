"""`python -m bench.soak`: faults of every kind in random mixes against a whole `roomlog up`, for as
long as asked, with every history checked; how many were survived, and what was lost."""

import asyncio
import random
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
from tests.histories.checker import Violation, check, explain

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


async def _round(
    world: World, seed: int, seconds: float, only: list[Fault] | None, keep: Path, totals: Totals
) -> list[Violation]:
    """One history: new rooms and new clients in the same world."""
    async with running(world, seed) as run:
        try:
            await asyncio.sleep(_QUIET_S)
            await mix(run, seconds, totals.say, faults=only)
            history = await run.end()
        except BaseException:
            kept = keep / f"history-{seed}.json"
            run.recording.history.save(kept)
            totals.say(f"the round of seed {seed} did not end; its history is in {kept}")
            totals.say(world.complaints())
            raise
    violations = check(history)
    totals.histories += 1
    totals.figures.update(figures(history))
    totals.faults.update(run.faults)
    totals.violations.update(str(violation.kind) for violation in violations)
    if violations:
        kept = keep / f"history-{seed}.json"
        history.save(kept)
        totals.say(f"seed {seed}, history in {kept}: {explain(violations)}")
    return violations


async def _soak(
    minutes: float,
    seed: int,
    round_s: float,
    only: list[Fault] | None,
    keep: Path,
    totals: Totals,
) -> None:
    seeds = random.Random(seed)
    end_s = time.monotonic() + minutes * 60
    async with running_world() as world:
        while (left_s := end_s - time.monotonic()) > 0:
            this = seeds.randrange(2**32)
            totals.say(f"round {totals.histories + 1} of seed {this}")
            await _round(world, this, min(round_s, left_s), only, keep, totals)


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
@click.option("--seed", type=int, help="The same mix again.  [default: another each time]")
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
    totals = Totals()
    totals.say(f"--seed {chosen}")
    faults = [named(name) for name in only] or None
    asyncio.run(_soak(minutes, chosen, round_s, faults, keep, totals))
    tell(results(totals, chosen), json_file)
    if totals.violations:
        sys.exit(1)


if __name__ == "__main__":
    main()

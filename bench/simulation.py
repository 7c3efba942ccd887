"""`python -m bench.simulation`: workers, projectors, log and tables simulated in virtual time, with
faults from a seed, every history checked; how many a minute, and what was lost."""

import logging
import random
import sys
import time
from collections import Counter
from pathlib import Path

import click

from bench.measured import Measured, json_option, tell
from tests.histories.checker import check, explain
from tests.histories.history import Outcome
from tests.simulation.simulation import simulate

_TELL_EVERY_S = 15.0


def _count(seed: int, totals: Counter[str], broken: Counter[str]) -> None:
    """Simulate one history and judge it."""
    try:
        history = simulate(seed)
    except Exception as error:
        broken["did not end"] += 1
        print(f"seed {seed} did not end: {error!r}", file=sys.stderr)
        return
    violations = check(history)
    totals["events"] += len(history.log)
    totals["resumes"] += sum(stream.resumes for stream in history.streams)
    totals.update(str(write.outcome) for write in history.writes)
    broken.update(str(violation.kind) for violation in violations)
    if violations:
        print(f"seed {seed}: {explain(violations)}", file=sys.stderr)


@click.command()
@click.option("--minutes", default=1.0, show_default=True)
@click.option("--seed", type=int, help="Where seeds begin.  [default: somewhere else each time]")
@json_option
def main(*, minutes: float, seed: int | None, json_file: Path | None) -> None:
    """Simulate histories, one seed after the other. Exit 1 where a promise was broken."""
    logging.disable(logging.ERROR)
    first = random.SystemRandom().randrange(2**32) if seed is None else seed
    print(f"--seed {first}", file=sys.stderr, flush=True)
    totals: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    began_s = told_s = time.monotonic()
    cpu_s, histories = time.process_time(), 0
    while time.monotonic() - began_s < minutes * 60:
        _count(first + histories, totals, broken)
        histories += 1
        if time.monotonic() - told_s > _TELL_EVERY_S:
            told_s = time.monotonic()
            minutes_so_far = (told_s - began_s) / 60
            said = f"{minutes_so_far:.1f} min  {histories} histories, {totals['events']} events"
            print(said, file=sys.stderr, flush=True)
    cpu_s = time.process_time() - cpu_s
    details = {name: totals[name] for name in (*Outcome, "events", "resumes")}
    results = [
        Measured("histories simulated", histories, "", details={"seed": first, **details}),
        Measured("histories a minute of CPU", histories / cpu_s * 60, "/min"),
        Measured(
            "promises broken",
            sum(broken.values()),
            "",
            more_is_better=False,
            details=dict(broken),
        ),
    ]
    tell(results, json_file)
    if broken:
        sys.exit(1)


if __name__ == "__main__":
    main()

"""`python -m bench.ready`: seconds from `roomlog up` to `ready`, the first time and later; beside
the same NATS and PostgreSQL started one after the other, with nothing else."""

import shutil
import statistics
import time
from pathlib import Path

import click

from bench.measured import Measured, json_option, tell
from roomlog.embedded.nats import run_nats
from roomlog.embedded.postgres import run_postgres
from tests.stack import data_directory, running_stack


def seconds_to_ready(data: Path) -> float:
    """How long `roomlog up` takes in this directory until it is ready."""
    started_s = time.monotonic()
    with running_stack(data=data):
        return time.monotonic() - started_s


def _servers_s(data: Path) -> float:
    started_s = time.monotonic()
    with run_nats(data), run_postgres(data):
        return time.monotonic() - started_s


@click.command()
@click.option("--runs", default=3, show_default=True)
@json_option
def main(*, runs: int, json_file: Path | None) -> None:
    """Measure the time to `ready`."""
    ours: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    for _ in range(runs):
        for start, times in ((seconds_to_ready, ours), (_servers_s, bare)):
            data = data_directory()
            try:
                times.append((start(data), start(data)))
            finally:
                shutil.rmtree(data, ignore_errors=True)
    found = [
        Measured(
            f"ready, {name} start",
            statistics.median(one[place] for one in ours),
            "s",
            statistics.median(one[place] for one in bare),
            "NATS and PostgreSQL alone",
            more_is_better=False,
            details={"each, s": [one[place] for one in ours]},
        )
        for place, name in enumerate(("first", "later"))
    ]
    tell(found, json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.ready`: seconds from `roomlog up` to `ready`, the first time and later."""

import json
import shutil
import statistics
import time
from pathlib import Path

import click

from tests.stack import data_directory, running_stack


def _seconds_to_ready(data: Path) -> float:
    started_s = time.monotonic()
    with running_stack(data=data):
        return time.monotonic() - started_s


@click.command()
@click.option("--runs", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(*, runs: int, as_json: bool) -> None:
    """Measure the time to `ready`."""
    first: list[float] = []
    later: list[float] = []
    for _ in range(runs):
        data = data_directory()
        try:
            first.append(_seconds_to_ready(data))
            later.append(_seconds_to_ready(data))
        finally:
            shutil.rmtree(data, ignore_errors=True)
    if as_json:
        print(json.dumps({"first_s": first, "later_s": later}))
        return
    for name, seconds in (("first", first), ("later", later)):
        every = ", ".join(f"{value:.2f}" for value in seconds)
        print(f"ready {name} start: median {statistics.median(seconds):.2f} s ({every})")


if __name__ == "__main__":
    main()

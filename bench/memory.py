"""`python -m bench.memory`: memory (PSS) of everything that `roomlog up` runs, idle and under a
load of some minutes (`--minutes 60` for an hour), with its slope; beside the same NATS and
PostgreSQL and an empty uvicorn."""

import shutil
import time
from pathlib import Path
from typing import Any

import click
import psutil

from bench.log_filling import CONTENT
from bench.measured import SAMPLES, Measured, json_option, tell
from bench.memory_use import Memory, memory_of, pss_mib, slope_mib_per_hour
from bench.rooms_under_load import SETTINGS, check, connects, make_rooms, users
from bench.running_load import RunningLoad, running_load
from bench.served import served
from roomlog.embedded.nats import run_nats
from roomlog.embedded.postgres import run_postgres
from tests.stack import Stack, data_directory, running_stack

ROOMS, CONNECTIONS_EACH = 20, 5
_SETTLE_S = 5.0
_SAMPLES = 120
_SAMPLE_EVERY_S_MIN = 1.0
# What the first messages bring in (code, buffers, connections of pools) is no growth.
_WARM_SHARE = 0.2


def _bare_mib() -> dict[str, float]:
    """The servers with nothing in them, and uvicorn with an application that only accepts."""
    data = data_directory()
    try:
        with (
            run_nats(data),
            run_postgres(data),
            served("bench.plain_fanout", lambda port: [str(port)]) as plain,
        ):
            time.sleep(_SETTLE_S)
            found = {"uvicorn": pss_mib(plain.pid)}
            # Only these are this process's children yet.
            for child in psutil.Process().children(recursive=True):
                if child.pid == plain.pid:
                    continue
                name = "NATS" if "nats" in child.name() else "PostgreSQL"
                found[name] = found.get(name, 0.0) + pss_mib(child.pid)
            return found
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _sampled(stack: Stack, load: RunningLoad, every_s: float) -> list[Memory]:
    samples: list[Memory] = []
    while not load.ended:
        samples.append(memory_of(stack))
        time.sleep(every_s)
    return samples


def _grown(stack: Stack, minutes: float, per_second: float) -> tuple[dict[str, Any], list[Memory]]:
    rooms = make_rooms(stack, ROOMS, users(CONNECTIONS_EACH))
    task = {
        "connects": connects(stack, rooms, each=CONNECTIONS_EACH, senders=1),
        "content": CONTENT,
        "seconds": minutes * 60,
        "per_second": per_second,
    }
    with running_load(task) as load:
        load.await_begun()
        samples = _sampled(stack, load, max(_SAMPLE_EVERY_S_MIN, minutes * 60 / _SAMPLES))
        result = load.result()
    check(result)
    return result, samples


def measure(
    stack: Stack, bare: dict[str, float], minutes: float, per_second: float
) -> list[Measured]:
    """Idle, then under load."""
    time.sleep(_SETTLE_S)
    idle = memory_of(stack)
    alone = {"NATS": bare["NATS"], "PostgreSQL": bare["PostgreSQL"]}
    found = [
        Measured(
            "`up` at idle, all processes",
            idle.total_mib,
            "MiB",
            sum(alone.values()),
            "NATS and PostgreSQL alone, idle",
            more_is_better=False,
            details={"by process, MiB": idle.parts_mib, "bare, MiB": bare},
        )
    ]
    for name, what in (("API", "an API worker"), ("projector", "the projector")):
        found.append(
            Measured(
                f"{what} at idle",
                idle.parts_mib[name],
                "MiB",
                bare["uvicorn"],
                "uvicorn, accept only",
                more_is_better=False,
            )
        )
    result, samples = _grown(stack, minutes, per_second)
    return [*found, _growth(result, samples, minutes, per_second)]


def _growth(
    result: dict[str, Any], samples: list[Memory], minutes: float, per_second: float
) -> Measured:
    warm = samples[int(len(samples) * _WARM_SHARE) :]
    halves = (warm[: len(warm) // 2], warm[len(warm) // 2 :])
    first, last = warm[0], warm[-1]
    return Measured(
        f"growth over {minutes:g} min at {per_second:,.0f} messages a second",
        _slope(warm),
        "MiB/hour",
        more_is_better=False,
        details={
            "messages": result["acked"],
            "slope of each half, MiB/hour": [_slope(half) for half in halves],
            "slope by process, MiB/hour": {name: _slope(warm, name) for name in first.parts_mib},
            "in all, MiB": {"warm": first.total_mib, "end": last.total_mib}
            | {"most": max(sample.total_mib for sample in samples)},
            "warm, MiB": first.parts_mib,
            "at the end, MiB": last.parts_mib,
            SAMPLES: [
                {"s": round(one.at_s - samples[0].at_s, 1)}
                | {name: round(mib, 1) for name, mib in one.parts_mib.items()}
                for one in samples
            ],
        },
    )


def _slope(samples: list[Memory], part: str | None = None) -> float:
    values = [one.total_mib if part is None else one.parts_mib.get(part, 0.0) for one in samples]
    return slope_mib_per_hour([one.at_s for one in samples], values)


@click.command()
@click.option("--minutes", default=3.0, show_default=True, help="Length of the load.")
@click.option("--per-second", default=500.0, show_default=True)
@json_option
def main(*, minutes: float, per_second: float, json_file: Path | None) -> None:
    """Measure memory."""
    bare = _bare_mib()
    with running_stack(**SETTINGS) as stack:
        tell(measure(stack, bare, minutes, per_second), json_file)


if __name__ == "__main__":
    main()

"""The plots of `bench.report`: which results become which chart."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bench.charts import Bar, Curve, Span, curves, spans, target_bars
from bench.measured import SAMPLES, Measured, Results, number
from bench.promises import PROMISES, kept
from bench.short_runs import is_short

FLAT = 1.2
_SIZED = re.compile(r"([\d,]+) (.+): server CPU a message")
_BY_WORKERS = re.compile(r"(.+), (\d+) workers?(?:, [\d,]+ a second)?: (.+)")
_FIGURE = re.compile(r": (sends|deliveries|p95)$|, p99$")
# Where latencies are told in a result's details: the benchmarks in the plot, and the keys.
_LATENCIES = {
    "one_room": ("acks", "receive"),
    "many_rooms": ("acks",),
    "newest_page": ("times, ms",),
    "fairness": ("alone", "beside the flood"),
    "projection_lag": ("acks", "send to receive"),
    "search": ("searches",),
    "as_of": ("pages of the past",),
}


class Plot(NamedTuple):
    """A file's name without its ending, what it shows, and the drawing."""

    name: str
    shows: str
    svg: str


def draw(results: Mapping[str, Results]) -> list[Plot]:
    """All plots for which there are results."""
    drawn = (
        *(_promises(results), _latencies(results), _growth(results), _memory(results)),
        *_workers(results),
    )
    return [plot for plot in drawn if plot is not None]


def _title(what: str, shown: Iterable[Results]) -> str:
    return f"{what}; short runs among them" if any(map(is_short, shown)) else what


def _promises(results: Mapping[str, Results]) -> Plot | None:
    bars: list[Bar] = []
    for promise in PROMISES:
        found = kept(promise, results)
        times = found.beside_target(found.figure)
        if found.figure is not None and times:
            told = f"{number(found.figure)} {promise.unit}".replace(" /s", "/s")
            bare = found.beside_target(found.bare)
            work = promise.work.replace("`", "")
            bars.append(Bar(work, times, bare, told, found.reached))
    if not bars:
        return None
    title = _title(
        "Figures and bare limits, as times of the target (longer is better)",
        [results[promise.bench] for promise in PROMISES if promise.bench in results],
    )
    return Plot("promises", title, target_bars(title, bars))


def _latencies(results: Mapping[str, Results]) -> Plot | None:
    rows = [
        Span(f"{_short(one.name)}: {key}", max(told["p50_ms"], 0.01), max(told["p99_ms"], 0.01))
        for bench, keys in _LATENCIES.items()
        if bench in results
        for one in results[bench].results
        for key in keys
        if isinstance(told := one.details.get(key), dict) and {"p50_ms", "p99_ms"} <= told.keys()
    ]
    if not rows:
        return None
    title = _title(
        "Latencies: the median and the 99th percentile",
        [results[bench] for bench in _LATENCIES if bench in results],
    )
    return Plot("latencies", title, spans(title, rows))


def _short(name: str) -> str:
    """What was done, without what the figure is."""
    return _FIGURE.sub("", name).removeprefix("lag p99 ").removeprefix("quiet room ")


def sized(results: Results) -> Iterator[tuple[str, int, Measured]]:
    """Of the results of growth: what becomes more, how many there are, and the cost."""
    for one in results.results:
        if found := _SIZED.fullmatch(one.name):
            yield found[2], int(found[1].replace(",", "")), one


def _growth(results: Mapping[str, Results]) -> Plot | None:
    if "growth" not in results:
        return None
    points: dict[str, list[tuple[float, float]]] = {}
    for what, size, one in sized(results["growth"]):
        points.setdefault(what, []).append((size, one.details["times the smallest"]))
    if not points:
        return None
    title = _title("Server CPU a message as everything else becomes more", [results["growth"]])
    drawn = curves(
        title,
        [Curve(what, places) for what, places in points.items()],
        x_name="how many there are",
        y_name=f"times the cost at the smallest size; promised: within {FLAT:g}",
        log_x=True,
        bound=FLAT,
    )
    return Plot("growth", title, drawn)


def _memory(results: Mapping[str, Results]) -> Plot | None:
    told = results["memory"].results if "memory" in results else []
    samples: list[dict[str, Any]] = next(
        (one.details[SAMPLES] for one in told if SAMPLES in one.details), []
    )
    parts = sorted({name for sample in samples for name in sample} - {"s"})
    if len(samples) < 2:
        return None
    title = _title("Memory of each part under a steady load (PSS)", [results["memory"]])
    drawn = curves(
        title,
        [
            Curve(part, [(one["s"] / 60, one[part]) for one in samples if part in one])
            for part in parts
        ],
        x_name="minutes",
        y_name="MiB",
    )
    return Plot("memory", title, drawn)


def _workers(results: Mapping[str, Results]) -> Iterator[Plot]:
    if "workers" not in results:
        return
    for name, figure, key, what in (
        (
            "workers_cost",
            "server CPU a message",
            "times as much",
            "Server CPU a message with more API workers, at the same pace",
        ),
        (
            "workers_rate",
            "deliveries",
            "times as many sends",
            "Sends a second with more API workers, as fast as they go",
        ),
    ):
        points: dict[str, list[tuple[float, float]]] = {}
        title = _title(what, [results["workers"]])
        for one in results["workers"].results:
            found = _BY_WORKERS.fullmatch(one.name)
            if found and found[3] == figure:
                points.setdefault(found[1], []).append((int(found[2]), one.details[key]))
        if points:
            lines = [Curve(shape, places) for shape, places in points.items()]
            y_name = f"{key} as with the fewest"
            yield Plot(name, title, curves(title, lines, x_name="API workers", y_name=y_name))

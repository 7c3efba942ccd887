"""The kinds of charts in the report: bars beside a target, spans of times, curves."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.measured import number
from bench.svg import SERIES, Svg

_WIDTH = 860.0
_LABELS = 345.0
_RIGHT = 120.0
_ROW = 30.0
_TOP = 66.0
_BOTTOM = 34.0


class Bar(NamedTuple):
    """How many times as good as its target something is, and its bare limit."""

    label: str
    times: float
    bare_times: float | None
    told: str
    reached: bool


class Span(NamedTuple):
    """The median and the 99th percentile, in ms."""

    label: str
    p50_ms: float
    p99_ms: float


class Curve(NamedTuple):
    """Points (x, y), x rising."""

    name: str
    points: Sequence[tuple[float, float]]


class _LogScale:
    """Places of values between powers of ten."""

    def __init__(self, values: Sequence[float], start: float, width: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._start = start
        self._width = width

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + self._width * share

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def target_bars(title: str, bars: Sequence[Bar]) -> str:
    """A bar for each figure and a thin one for its bare limit, beside the line of the target."""
    height = _TOP + _ROW * len(bars) + _BOTTOM
    svg = Svg(_WIDTH, height, title)
    values = [1.0, *(bar.times for bar in bars)]
    values += [bar.bare_times for bar in bars if bar.bare_times]
    scale = _LogScale(values, _LABELS, _WIDTH - _LABELS - _RIGHT)
    _legend(svg, [("good", "reached"), ("bad", "not reached"), ("bare", "bare limit, same run")])
    _grid(svg, scale, height, "times")
    for place, bar in enumerate(bars):
        y = _TOP + _ROW * place
        svg.text(_LABELS - 10, y + 16, bar.label, anchor="end")
        kind = "good" if bar.reached else "bad"
        svg.rect(_LABELS, y + 4, scale.at(bar.times) - _LABELS, 12, kind)
        if bar.bare_times:
            svg.rect(_LABELS, y + 18, scale.at(bar.bare_times) - _LABELS, 5, "bare")
        svg.text(_WIDTH - _RIGHT + 10, y + 16, bar.told)
    x = scale.at(1.0)
    svg.line([(x, _TOP - 6), (x, height - _BOTTOM)], "ink-line dashed", 1.5)
    svg.text(x, _TOP - 10, "target", "ink", "middle")
    return str(svg)


def spans(title: str, rows: Sequence[Span]) -> str:
    """From the median to the 99th percentile, a line for each."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    svg = Svg(_WIDTH, height, title)
    values = [value for row in rows for value in (row.p50_ms, row.p99_ms)]
    scale = _LogScale(values, _LABELS, _WIDTH - _LABELS - _RIGHT)
    _legend(svg, [("s0", "p50"), ("s1", "p99")])
    _grid(svg, scale, height, "ms")
    for place, row in enumerate(rows):
        y = _TOP + _ROW * place + 13
        svg.text(_LABELS - 10, y + 4, row.label, anchor="end")
        svg.line([(scale.at(row.p50_ms), y), (scale.at(row.p99_ms), y)], "faint-line", 2)
        svg.dot(scale.at(row.p50_ms), y, "s0", 4.5)
        svg.dot(scale.at(row.p99_ms), y, "s1", 4.5)
        told = f"{number(row.p50_ms)} / {number(row.p99_ms)} ms"
        svg.text(_WIDTH - _RIGHT + 10, y + 4, told)
    return str(svg)


def curves(
    title: str,
    lines: Sequence[Curve],
    *,
    x_name: str,
    y_name: str,
    log_x: bool = False,
    bound: float | None = None,
) -> str:
    """A line for each, from y = 0; `bound` is drawn across."""
    top, left, right, bottom = 92.0, 60.0, 40.0, 50.0
    height = 360.0
    svg = Svg(_WIDTH, height, title)
    floor = height - bottom
    xs = [x for one in lines for x, _ in one.points]
    most = max([y for one in lines for _, y in one.points] + ([bound] if bound else []))
    step = _round_step(most)
    y_end = step * math.ceil(most / step + 1e-9)
    scale = _LogScale(xs, left, _WIDTH - left - right) if log_x else None
    x_end = max(xs)

    def at(x: float, y: float) -> tuple[float, float]:
        across = scale.at(x) if scale else left + (_WIDTH - left - right) * x / x_end
        return across, floor - (floor - top) * y / y_end

    for number_ in range(round(y_end / step) + 1):
        _, y = at(x_end, number_ * step)
        svg.line([(left, y), (_WIDTH - right, y)], "line-line")
        svg.text(left - 8, y + 4, number(number_ * step), "faint", "end")
    for x in scale.ticks if scale else _ticks(x_end, few=set(xs)):
        across, _ = at(x, 0)
        svg.text(across, floor + 18, number(x), "faint", "middle")
    svg.text(_WIDTH - right, floor + 38, x_name, "faint", "end")
    svg.text(left, top - 12, y_name, "faint")
    if bound:
        svg.line([at(x_end, bound), (left, at(x_end, bound)[1])], "ink-line dashed", 1.5)
    _legend(svg, [(f"s{n % SERIES}", one.name) for n, one in enumerate(lines)])
    for n, one in enumerate(lines):
        places = [at(x, y) for x, y in one.points]
        svg.line(places, f"s{n % SERIES}-line", 2)
        if len(places) <= 12:
            for x, y in places:
                svg.dot(x, y, f"s{n % SERIES}")
    return str(svg)


def _legend(svg: Svg, named: Sequence[tuple[str, str]]) -> None:
    x, y = 16.0, 46.0
    for kind, name in named:
        wide = 26 + 7.0 * len(name)
        if x + wide > _WIDTH - 10:
            x, y = 16.0, y + 18
        svg.rect(x, y - 9, 10, 10, kind)
        svg.text(x + 15, y, name, "faint")
        x += wide


def _grid(svg: Svg, scale: _LogScale, height: float, unit: str) -> None:
    for value in scale.ticks:
        x = scale.at(value)
        svg.line([(x, _TOP), (x, height - _BOTTOM)], "line-line")
        svg.text(x, height - _BOTTOM + 18, f"{value:,g} {unit}", "faint", "middle")


def _round_step(most: float) -> float:
    """About five steps of 1, 2 or 5 times a power of ten."""
    rough = most / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def _ticks(end: float, few: set[float]) -> list[float]:
    """Where there are few values, just these."""
    if len(few) <= 5:
        return sorted(few)
    step = _round_step(end)
    return [n * step for n in range(int(end / step + 1e-9) + 1)]

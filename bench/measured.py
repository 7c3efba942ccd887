"""What a benchmark found: a figure, the bare limit from the same run, and their ratio."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """`figure` and `bare` in `unit`. Of rates, `ratio` is figure / bare; of times and sizes
    bare / figure: 1 is the limit, and less is further away from it."""

    name: str
    figure: float
    unit: str
    bare: float | None = None
    bare_name: str = ""
    more_is_better: bool = True
    details: dict[str, Any] = {}

    @property
    def ratio(self) -> float | None:
        """How near the figure comes to the bare limit."""
        if not self.bare or not self.figure:
            return None
        return self.figure / self.bare if self.more_is_better else self.bare / self.figure


def tell(results: Sequence[Measured], *, as_json: bool) -> None:
    """Print results for people, or as JSON."""
    if as_json:
        rows = [{**msgspec.to_builtins(one), "ratio": one.ratio} for one in results]
        print(json.dumps(rows))
        return
    for one in results:
        line = f"{one.name:44} {_number(one.figure):>10} {one.unit}"
        if one.ratio is not None and one.bare is not None:
            line += f"   bare {_number(one.bare)} ({one.bare_name}), ratio {one.ratio:.2f}"
        print(line)
        for name, value in one.details.items():
            print(f"    {name}: {_words(value)}")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"

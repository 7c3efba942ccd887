"""Which results come of a short run (`python -m bench --short`)."""

import importlib
from typing import Any

import click

from bench.__main__ import SHORT
from bench.measured import Results


def is_short(told: Results) -> bool:
    """Whether it was run with what `--short` gives."""
    short = SHORT.get(told.bench)
    if not short:
        return False
    given, usual = options(told.bench, short), options(told.bench, ())
    shortened = {key: value for key, value in given.items() if value != usual[key]}
    return all(
        told.options.get(key) == (list(value) if isinstance(value, tuple) else value)
        for key, value in shortened.items()
    )


def options(name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """A benchmark's options with these arguments."""
    command: click.Command = importlib.import_module(f"bench.{name}").main
    return command.make_context(name, list(arguments)).params

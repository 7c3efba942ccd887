"""How far long work has come: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click

_LINE_EVERY_S = 2.0
_BAR_EVERY_S = 0.1

PARTS = 10_000
"""A bar's resolution in `scaled`: the total is often known only when the work has begun."""

Advance = Callable[[int, str], None]


@contextmanager
def progress_of(name: str, total: int) -> Generator[Advance]:
    """Show progress on standard error while the block runs.

    The block calls `advance(done, what)` as often as it likes: `done` of `total`, and in words.
    Nothing is shown of a command that was asked for JSON: a machine reads what it prints.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("as_json"):
        yield lambda _done, _what: None
    elif sys.stderr.isatty():
        with _bar(name, total) as advance:
            yield advance
    else:
        yield _lines(name, total)


def scaled(advance: Advance, what: str = "events") -> Callable[[int, int], None]:
    """What is told `done` and `total`, and shows them on progress of PARTS."""

    def progress(done: int, total: int) -> None:
        advance(done * PARTS // max(total, 1), f"{done} of {total} {what}")

    return progress


def _lines(name: str, total: int) -> Advance:
    next_s = time.monotonic() + _LINE_EVERY_S

    def advance(done: int, what: str) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _LINE_EVERY_S
            click.echo(f"{name}: {done / max(total, 1):.0%}, {what}", err=True)

    return advance


@contextmanager
def _bar(name: str, total: int) -> Generator[Advance]:
    # Imported here: only a terminal has use for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=max(total, 1), what="")
        next_s = 0.0

        def advance(done: int, what: str) -> None:
            nonlocal next_s
            if time.monotonic() >= next_s or done >= total:
                next_s = time.monotonic() + _BAR_EVERY_S
                progress.update(task, completed=done, what=what)

        yield advance

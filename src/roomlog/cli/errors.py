"""What a command says when it fails."""

import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager

import click

from roomlog.settings import PREFIX, SettingsError

INTERRUPTED = 130


class CliError(click.ClickException):
    """A command failed; the message says in one line what to do. Exit code 1."""


@contextmanager
def interruptible(afterwards: str) -> Generator[None]:
    """Have whoever interrupts the block with Ctrl-C told how things stand, and what to do.

    Raises click's Exit with the code that shells give for it.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        after_the_keys = "\n" if sys.stderr.isatty() else ""
        click.echo(f"{after_the_keys}roomlog: interrupted: {afterwards}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error


def failure_line(error: Exception) -> str:
    """One line about any failure. One that nobody foresaw comes with where it happened."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, _foreseen()):
        return " ".join(str(error).split()) + _what_to_do(error)
    if os.environ.get(PREFIX + "LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    return (
        f"unexpected {type(error).__name__}: {text}{place} "
        f"(set {PREFIX}LOG_LEVEL=debug for the whole traceback)"
    )


def _what_to_do(error: Exception) -> str:
    """Advice for errors that know nothing of the command line."""
    from roomlog.ports import DatabaseUnavailableError, LogUnavailableError  # noqa: PLC0415

    if isinstance(error, DatabaseUnavailableError | LogUnavailableError):
        return ": see whether `roomlog up` runs; `roomlog doctor` tells more"
    return ""


def _foreseen() -> tuple[type[Exception], ...]:
    """Errors whose text is meant for the user. Imported after the failure, to start fast."""
    from roomlog.embedded.errors import EmbeddedError  # noqa: PLC0415
    from roomlog.jetstream.stream import LogMismatchError  # noqa: PLC0415
    from roomlog.ports import DatabaseUnavailableError, LogUnavailableError  # noqa: PLC0415
    from roomlog.postgres.migrate import UnknownRevisionError  # noqa: PLC0415
    from roomlog.projection_ports import BusyError, TablesMissingError  # noqa: PLC0415

    return (
        *(SettingsError, EmbeddedError, LogUnavailableError, LogMismatchError),
        *(DatabaseUnavailableError, UnknownRevisionError, TablesMissingError, BusyError),
    )

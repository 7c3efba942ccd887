"""`roomlog import`: existing chat as events with their original time and sender."""

import asyncio
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import msgspec

from roomlog.cli.errors import CliError, interruptible
from roomlog.cli.opened_log import open_log_to_append
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import progress_of
from roomlog.core.decide import Limits
from roomlog.ports import LogUnavailableError
from roomlog.services.chat_file import DamagedFileError
from roomlog.services.chat_sources import SOURCES, ChatSource
from roomlog.services.import_service import (
    ImportConflictError,
    ImportReport,
    ImportService,
    ImportStoppedError,
    OnBadEntry,
)
from roomlog.settings import Settings, load_settings, required


class Imported(msgspec.Struct, frozen=True):
    """What `--json` prints. `rooms` to `reactions` are those of the file, `already_there` the
    messages of it that an earlier run had brought in; rates count events appended."""

    rooms: int
    messages: int
    edits: int
    reactions: int
    events_added: int
    already_there: int
    skipped: int
    direct_left_out: int
    seconds: float
    events_per_second: float


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(SOURCES)),
    default="jsonl",
    show_default=True,
    help="JSON Lines (plain or in gzip), a Slack export (zip), a Mattermost bulk export (JSON "
    "Lines or zip).",
)
@click.option(
    "--skip-bad", is_flag=True, help="Leave entries out that cannot be imported, and count them."
)
@json_option
@data_option
def command(*, file: Path, format_: str, skip_bad: bool, as_json: bool, data: Path) -> int:
    """Bring the chat in FILE into the log; running it again adds nothing.

    Rooms get their id from their name, and every sender becomes a responder. An entry that cannot
    be imported ends the import, unless --skip-bad is given; what came before it is in then.
    """
    settings = load_settings(data)
    required(settings.nats_url, "NATS_URL")

    def tell(place: str, detail: str) -> None:
        click.echo(f"{file}:{place}: {detail}", err=True)

    started_s = time.monotonic()
    limits = Limits(
        text_bytes_max=settings.max_text_bytes,
        structured_bytes_max=settings.max_structured_bytes,
    )
    with (
        interruptible("run the same command again, what is in already is not added twice"),
        _failures_told(file),
        closing(_opened(file, format_, limits)) as chat,
    ):
        report = asyncio.run(_import(chat, settings, tell if skip_bad else None))
    seconds = time.monotonic() - started_s
    result = Imported(
        rooms=report.rooms,
        messages=report.messages,
        edits=report.edits,
        reactions=report.reactions,
        events_added=report.events_added,
        already_there=report.already_there,
        skipped=report.skipped,
        direct_left_out=chat.direct_left_out,
        seconds=round(seconds, 3),
        events_per_second=round(report.events_added / seconds, 1),
    )
    click.echo(msgspec.json.encode(result).decode() if as_json else _in_words(result))
    return 0


async def _import(
    chat: ChatSource, settings: Settings, on_bad_entry: OnBadEntry | None
) -> ImportReport:
    async with open_log_to_append(settings, "roomlog import") as log:
        with progress_of("import", chat.size) as advance:
            return await ImportService(log).run(
                chat.entries(),
                names=chat.names,
                on_bad_entry=on_bad_entry,
                on_progress=lambda report: advance(chat.position, f"{report.messages:,} messages"),
            )


@contextmanager
def _failures_told(file: Path) -> Generator[None]:
    try:
        yield
    except ImportStoppedError as error:
        raise CliError(
            f"{file}:{error.place}: {error.detail}. What came before it is in; correct it and run "
            "the same command again, or leave such entries out with --skip-bad"
        ) from error
    except (DamagedFileError, ImportConflictError) as error:
        raise CliError(f"{file}: {error}") from error
    except LogUnavailableError as error:
        raise CliError(
            f"{error.detail}: when the log is back, run the same command again; "
            "what is in already is not added twice"
        ) from error


def _opened(file: Path, format_: str, limits: Limits) -> ChatSource:
    try:
        return SOURCES[format_](file, limits)
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror or error}") from error


def _in_words(result: Imported) -> str:
    skipped = f", {result.skipped:,} entries left out" if result.skipped else ""
    direct = result.direct_left_out
    skipped += f", {direct:,} direct conversations left out" if direct else ""
    return (
        f"{result.messages:,} messages in {result.rooms:,} rooms: {result.events_added:,} events "
        f"added, {result.already_there:,} messages already there{skipped} "
        f"({result.seconds:.1f} s, {result.events_per_second:,.0f} events/s)"
    )

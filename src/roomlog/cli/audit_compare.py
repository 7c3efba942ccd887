"""`roomlog audit compare`: whether the log still is what checkpoints held elsewhere say it was."""

from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.audit.comparing import Compared, compare
from roomlog.cli.errors import CliError
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of, scaled
from roomlog.cli.trail import record_failure, trail_log
from roomlog.core.printable import printable
from roomlog.core.room_tree import Origin, parse_origin
from roomlog.core.signed_note import (
    NOTE_BYTES_MAX,
    NoteError,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    verify,
)
from roomlog.core.tree_head import TreeHead, parse_tree_head
from roomlog.services.audit_keys import key_ring
from roomlog.settings import Settings, load_settings


class _Kept(msgspec.Struct, frozen=True):
    file: Path
    head: TreeHead
    origin: Origin


class _Told(msgspec.Struct, frozen=True):
    file: str
    origin: str
    size: int
    holds: bool
    detail: str | None


def _keys(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[VerifierKey]:
    try:
        return [parse_verifier_key(value) for value in values]
    except NoteError as error:
        raise click.BadParameter(f"{error}.", ctx, param) from error


@click.command(name="compare")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    callback=_keys,
    help="A public key that may have signed them, beside those of `roomlog audit keys`.",
)
@json_option
@data_option
def compare_(*, files: tuple[Path, ...], keys: list[VerifierKey], as_json: bool, data: Path) -> int:
    """Hold the log to the signed checkpoints in FILES, which were kept elsewhere.

    Reads the log itself and no tables. Exit 1 where something that a checkpoint counts is gone,
    or is not what it was.
    """
    settings = load_settings(data)
    known = [*key_ring(settings).verifiers, *keys]
    kept = [_kept(file, known) for file in files]
    found = uvloop.run(_compare(settings, kept))
    for one, compared in zip(kept, found, strict=True):
        told = _Told(
            str(one.file), compared.origin, compared.size, compared.detail is None, compared.detail
        )
        click.echo(msgspec.json.encode(told).decode() if as_json else _in_words(told))
    return 1 if any(one.detail is not None for one in found) else 0


def _kept(file: Path, known: list[VerifierKey]) -> _Kept:
    """A checkpoint that one of ours signed. Raises CliError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror or error}") from error
    try:
        note = parse_note(data)
        head = parse_tree_head(note.text)
        kept = _Kept(file, head, parse_origin(head.origin))
    except NoteError as error:
        raise CliError(
            f"{file} is no signed checkpoint, which `roomlog audit checkpoint` prints: "
            f"{printable(str(error))}"
        ) from error
    try:
        verify(note, known)
    except NoteError as error:
        raise CliError(f"{file}: {printable(str(error))}") from error
    return kept


async def _compare(settings: Settings, kept: list[_Kept]) -> list[Compared]:
    found: list[Compared] = []
    async with open_log(settings, "roomlog audit compare") as log:
        trail = trail_log(log)
        for one in kept:
            with progress_of(one.file.name, PARTS) as advance:
                progress = scaled(advance, "sequences")
                compared = await compare(log, trail, one.head, one.origin, progress)
            if compared.detail is not None:
                told = f"audit compare: {printable(compared.origin)}: {compared.detail}"
                await record_failure(log, told)
            found.append(compared)
    return found


def _in_words(told: _Told) -> str:
    what = f"{told.file}: {printable(told.origin)}, {told.size:,} leaves"
    if told.holds:
        return f"{what}: all of them are in the log as they were"
    return f"{what}: THE LOG IS ANOTHER: {told.detail}"


COMMANDS = (compare_,)

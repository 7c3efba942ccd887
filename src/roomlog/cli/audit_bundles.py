"""`roomlog audit export` and `verify`: a room as one file, and what such a file proves."""

import os
import tempfile
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
import uvloop

from roomlog.audit.bundle_notes import Checkpoint, Key, parse_checkpoint, parse_key
from roomlog.audit.export import Exported, ExportError, export_room, no_events
from roomlog.audit.tree_comparison import TreeComparison
from roomlog.audit.verify_bundle import Verdict, verify
from roomlog.cli.audit_proofs import open_trees, room_id
from roomlog.cli.errors import CliError
from roomlog.cli.moments import Moment, moment, sequence_of
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of
from roomlog.cli.trail import record, record_failure
from roomlog.core.printable import printable
from roomlog.core.tree_head import TreeHead
from roomlog.files import take_name
from roomlog.jetstream.log import JetStreamLog
from roomlog.services.audit_keys import key_ring
from roomlog.services.proof_service import ProofService
from roomlog.settings import Settings, load_settings
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.trail import RecordKind

NOTE_FILE_BYTES_MAX = 64 * 1024
_PROGRESS_EVENTS = 1000


class _Told(msgspec.Struct, frozen=True):
    """What `export --json` prints."""

    file: str
    room_id: str
    events: int
    erased: int
    head: int
    root: str
    checkpoint: str
    bytes: int


@click.command(name="export")
@click.argument("room", callback=room_id)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Where the bundle goes; a file that is there already is left as it is.",
)
@click.option(
    "--as-of",
    callback=moment,
    metavar="SEQUENCE|TIME",
    help="Only what was in the log by then.",
)
@click.option(
    "--log-alone",
    is_flag=True,
    help="Do not compare with the trees in the tables, where these are lost or behind.",
)
@json_option
@data_option
def export(
    *, room: str, output: Path, as_of: Moment | None, log_alone: bool, as_json: bool, data: Path
) -> int:
    """Write ROOM into one file: every event, a signed checkpoint, a page to read, all of it proved.

    The file is verified before it gets its name. Whoever has it checks it with `audit verify`, or
    any other program that knows the format, and needs nobody else for that.
    """
    settings = load_settings(data)
    if os.path.lexists(output):
        raise CliError(f"{output} is there already: choose another name")
    try:
        with _new_file(output) as out:
            exported = uvloop.run(_export(settings, room, out, as_of, log_alone=log_alone))
            size_bytes = out.tell()
            _require_whole(out, size_bytes)
    except ExportError as error:
        raise CliError(str(error)) from error
    except RefusedError as error:
        behind = error.code == ErrorCode.PROJECTION_BEHIND
        hint = "; try again, or leave them out with --log-alone" if behind else ""
        raise CliError(f"{error}{hint}") from error
    except OSError as error:
        raise CliError(f"cannot write {output}: {error.strerror or error}") from error
    if as_json:
        told = _Told(str(output), room, **msgspec.structs.asdict(exported), bytes=size_bytes)
        click.echo(msgspec.json.encode(told).decode())
    else:
        erased = f", {exported.erased:,} of them erased" if exported.erased else ""
        click.echo(f"{output}: {exported.events:,} events{erased}, {size_bytes:,} bytes, verified")
    return 0


@contextmanager
def _new_file(path: Path) -> Generator[BinaryIO]:
    """A file that gets its name when the block has ended well, and goes when it has not."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        take_name(Path(name), path)
    except FileExistsError as error:
        raise CliError(f"{path} is there already: choose another name") from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


async def _export(
    settings: Settings, room: str, out: BinaryIO, as_of: Moment | None, *, log_alone: bool
) -> Exported:
    key = key_ring(settings).required()
    connected = _log_alone(settings) if log_alone else _with_trees(settings, room)
    async with connected as (log, comparison):
        up_to = None if as_of is None else await sequence_of(log, room, as_of)
        if up_to == 0:
            raise ExportError("there was nothing in the room by then")
        end = as_of if isinstance(as_of, int) else up_to

        async def confirm(head: TreeHead, explained: Collection[int]) -> None:
            if comparison is not None:
                try:
                    await comparison.require(head, up_to=end, explained=explained)
                except ExportError as error:
                    await record_failure(log, f"audit export of room {room}: {error}")
                    raise

        head = await log.last_sequence(room)
        if not head:
            raise no_events(room)  # before it is on record as exported
        await record(log, RecordKind.EXPORTED, room, past=as_of is not None)
        with progress_of("export", PARTS) as advance:
            return await export_room(
                log,
                room,
                key,
                out,
                exported_at=datetime.now(UTC),
                up_to=up_to,
                confirm=confirm,
                progress=lambda done, what: advance(done * PARTS // max(2 * head, 1), what),
            )


@asynccontextmanager
async def _with_trees(
    settings: Settings, room: str
) -> AsyncGenerator[tuple[JetStreamLog, TreeComparison | None]]:
    async with open_trees(settings) as (log, trees):
        proofs = ProofService(log=log, trees=trees, keys=key_ring(settings))
        yield log, TreeComparison(log, trees, proofs, room)


@asynccontextmanager
async def _log_alone(
    settings: Settings,
) -> AsyncGenerator[tuple[JetStreamLog, TreeComparison | None]]:
    async with open_log(settings, "roomlog audit export") as log:
        yield log, None


def _require_whole(out: BinaryIO, size_bytes: int) -> None:
    out.seek(0)
    verdict = _verified(out, size_bytes, [], None)
    if not verdict.ok:
        raise ExportError(
            f"what the log holds does not make a whole bundle: {printable(verdict.detail)} "
            "(`roomlog audit check` says more)"
        )


def _keys(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Key]:
    """Keys as they are, or files with one on each line."""
    found: list[Key] = []
    for value in values:
        texts = [value]
        if "+" not in value:
            texts = [line for line in _small_file(Path(value)).splitlines() if line.strip()]
            if not texts:
                raise click.BadParameter(f"{value} holds no key.", ctx, param)
        try:
            found += [parse_key(text) for text in texts]
        except ValueError as error:
            raise click.BadParameter(f"{value}: {error}.", ctx, param) from error
    return found


def _against(ctx: click.Context, param: click.Parameter, value: Path | None) -> Checkpoint | None:
    if value is None:
        return None
    try:
        return parse_checkpoint(_small_file(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value} is no checkpoint ({error}): give a file that holds what `roomlog audit "
            "checkpoint ROOM` printed.",
            ctx,
            param,
        ) from error


def _small_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(NOTE_FILE_BYTES_MAX + 1)
        if len(data) > NOTE_FILE_BYTES_MAX:
            raise CliError(f"{path} has more than {NOTE_FILE_BYTES_MAX} bytes")
        return data.decode()
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not text") from error


@click.command(name="verify")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    callback=_keys,
    metavar="KEY|FILE",
    help="A public key that you know to be theirs, or a file of such; one must have signed.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_against,
    metavar="CHECKPOINT_FILE",
    help="An earlier checkpoint of the room that was held elsewhere.",
)
@json_option
def verify_(*, file: Path, keys: list[Key], against: Checkpoint | None, as_json: bool) -> int:
    """Verify the bundle in FILE: without server, network or settings.

    Says what is proved and what is not. Exit 1, and the first bad event, on any change, loss,
    reordering or end too early.
    """
    try:
        with file.open("rb") as bundle:
            size_bytes = os.fstat(bundle.fileno()).st_size
            verdict = _verified(bundle, size_bytes, keys, against)
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror or error}") from error
    if as_json:
        click.echo(msgspec.json.encode(asdict(verdict)).decode())
    else:
        click.echo("\n".join(_in_words(file, verdict)))
    return 0 if verdict.ok else 1


def _verified(
    bundle: BinaryIO, size_bytes: int, keys: list[Key], against: Checkpoint | None
) -> Verdict:
    with progress_of("verify", PARTS) as advance:

        def progress(events: int) -> None:
            if not events % _PROGRESS_EVENTS:
                done = bundle.tell() * PARTS // max(size_bytes, 1)
                advance(done, f"{events:,} events")

        return verify(bundle, keys, against, progress)


def _in_words(file: Path, verdict: Verdict) -> list[str]:
    if not verdict.ok:
        lines = [f"{file}: NOT PROVED ({verdict.code}): {printable(verdict.detail)}"]
        if verdict.sequence is not None:
            lines.append(f"first bad event: {verdict.sequence}")
        if verdict.last_good is not None:
            lines.append(f"the last event before it that was as it should be: {verdict.last_good}")
        return lines
    erased = f", {verdict.erased:,} of them erased" if verdict.erased else ""
    events = f"{verdict.events:,} events{erased}"
    return [
        f"{file}: room {verdict.room_id}, {events}, exported {verdict.exported_at}",
        f"signed with {printable(verdict.key or '')}",
        "proved:",
        *(f"  - {line}" for line in verdict.proved),
        "not proved:",
        *(f"  - {line}" for line in verdict.not_proved),
    ]


COMMANDS = (export, verify_)

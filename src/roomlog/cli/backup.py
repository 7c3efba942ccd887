"""`roomlog backup`: what can't be made again, into a folder, while everything runs."""

import fcntl
import os
from base64 import b64encode
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.backup import manifest as mf
from roomlog.backup.make import ForkedLogError, Made, Witnesses, make_backup
from roomlog.backup.records import DamagedBackupError
from roomlog.backup_ports import StreamDescription
from roomlog.cli.errors import CliError, interruptible
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import progress_of
from roomlog.core import room_tree as rt
from roomlog.core.merkle import tree_root
from roomlog.core.tree_head import TreeHead
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.raw_streams import JetStreamStreams
from roomlog.jetstream.subjects import is_log
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.postgres.diagnosis import examine
from roomlog.projection_ports import TablesMissingError
from roomlog.services.audit_keys import key_ring
from roomlog.settings import Settings, jwt_secret_file, load_settings, required
from roomlog.tree_ports import Heads

_CONNECT_TIMEOUT_S = 5.0


class Told(msgspec.Struct, frozen=True):
    """What `--json` prints. `last_sequences` are where the log's streams end in the backup, and
    `events` how many it holds of them; `unexplained` were never copied, being gone from the log
    without a redaction; `lost` are gone from it now, and here."""

    folder: str
    epoch: str
    last_sequences: dict[str, int]
    events: int
    added: int
    taken_out: int
    unexplained: int
    lost: int
    tables: bool
    trees: bool


@click.command(name="backup")
@click.argument("folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
@json_option
@data_option
def command(*, folder: Path, as_json: bool, data: Path) -> int:
    """Back up the log and the keys into FOLDER, while everything runs.

    Again into the same FOLDER, only what is new is added, once it is certain that the log still is
    the one that the backup holds. Exit 1 where it is not, and where events are missing from it.
    """
    with (
        interruptible("nothing of an earlier backup is lost; run the same command again"),
        _kept_for_us(folder),
    ):
        try:
            made = uvloop.run(_back_up(load_settings(data), folder, jwt_secret_file(data).parent))
        except (ForkedLogError, DamagedBackupError) as error:
            raise CliError(f"nothing was backed up: {error}") from error
        except OSError as error:
            raise CliError(
                f"nothing was backed up: cannot write into {folder} ({error.strerror or error}): "
                "make room there, or name another folder"
            ) from error
    told = _told(folder, made)
    if as_json:
        click.echo(msgspec.json.encode(told).decode())
    else:
        _print(told)
    if told.unexplained:
        click.echo(
            f"{told.unexplained} events are gone from the log, and no redaction explains it: see "
            "`roomlog audit check`",
            err=True,
        )
    if told.lost:
        click.echo(
            f"{told.lost} events that this backup has are gone from the log: restore it "
            "(`roomlog restore`)",
            err=True,
        )
    return 1 if told.unexplained or told.lost else 0


async def _back_up(settings: Settings, folder: Path, keys: Path) -> Made:
    before = mf.load(folder)
    witnesses = await _witnesses(settings)
    connection = Connection(required(settings.nats_url, "NATS_URL"), name="roomlog backup")
    await connection.open(timeout_s=_CONNECT_TIMEOUT_S)
    try:
        source = JetStreamStreams(connection)
        streams = await source.describe()
        if not any(is_log(stream.name) for stream in streams):
            raise CliError("there is no log at that NATS server: nothing to back up")
        done, total = 0, _new(streams, before)
        with progress_of("backup", total) as show:

            def advance(count: int) -> None:
                nonlocal done
                done += count
                show(done, f"{done} of {total} events")

            return await make_backup(
                streams,
                source,
                folder,
                before=before,
                keys=keys,
                witnesses=witnesses,
                advance=advance,
            )
    finally:
        await connection.close()


async def _witnesses(settings: Settings) -> Witnesses:
    """What the tables say; nothing where PostgreSQL is away, which the log does not need."""
    url = settings.database_url
    if url is None:
        return Witnesses()
    try:
        database = await examine(url)
        async with open_pool(url, size=1) as pool:
            heads = await PostgresTreeReader(pool).heads(None)
    except (DatabaseUnavailableError, TablesMissingError):
        return Witnesses()
    projected = [
        mf.Projected(
            one.partition,
            one.epoch,
            one.sequence,
            None if one.event_hash is None else one.event_hash.hex(),
        )
        for one in database.positions
    ]
    return Witnesses(projected, None if heads is None else _trees(settings, heads))


def _trees(settings: Settings, found: Heads) -> mf.Trees:
    heads = rt.heads_in_order(found.heads)
    root = tree_root(rt.heads_hashes(heads))
    keys = key_ring(settings)
    note = None
    if keys.signing is not None:
        origin = rt.heads_origin(keys.signing.name, found.epoch, found.sequences)
        note = keys.signed(TreeHead(origin, len(heads), root))
    return mf.Trees(found.epoch, list(found.sequences), len(heads), b64encode(root).decode(), note)


def _new(streams: Sequence[StreamDescription], before: mf.Manifest | None) -> int:
    known = {} if before is None else {one.stream: one.last_sequence for one in before.streams}
    return sum(
        max(0, stream.last_sequence - known.get(stream.name, 0))
        for stream in streams
        if not stream.is_bucket
    )


def _told(folder: Path, made: Made) -> Told:
    manifest = made.manifest
    log = [stream for stream in manifest.streams if is_log(stream.stream)]
    return Told(
        str(folder),
        manifest.epoch,
        {stream.stream: stream.last_sequence for stream in log},
        sum(stream.messages for stream in log),
        made.added,
        made.taken_out,
        made.unexplained,
        made.lost,
        bool(manifest.projected),
        manifest.trees is not None,
    )


def _print(told: Told) -> None:
    ends = ", ".join(f"{name} up to sequence {end}" for name, end in told.last_sequences.items())
    click.echo(f"{told.folder} holds {told.events} events: {ends}, epoch {told.epoch}")
    click.echo(f"{told.added} added, {told.taken_out} taken out because they were redacted")
    if not told.tables or not told.trees:
        click.echo(
            "the tables did not answer, or have no trees yet: a restore can't be compared with them"
        )


@contextmanager
def _kept_for_us(folder: Path) -> Generator[None]:
    """Keep two backups from writing into one folder. The lock ends with the process."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / mf.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CliError(
            f"cannot write into {folder} ({error.strerror}): name another folder"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CliError(f"another `roomlog backup` writes into {folder}: let it end") from error
    finally:
        os.close(descriptor)

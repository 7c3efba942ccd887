"""`roomlog restore`: a data directory's log and keys, made again from a backup and compared."""

import uuid
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from roomlog.audit.check import heads_at
from roomlog.backup import manifest as mf
from roomlog.backup.check import check_files, key_of, load_whole, messages_of
from roomlog.backup.compare import NotRestoredError, compare_stream
from roomlog.backup.records import DamagedBackupError
from roomlog.backup_ports import StoredMessage
from roomlog.cli.errors import CliError, interruptible
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of, scaled
from roomlog.core import room_tree as rt
from roomlog.core.merkle import tree_root
from roomlog.core.times import rfc3339
from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.nats import USER, NatsServer, RefillServer, has_room
from roomlog.embedded.restore_place import RestorePlace, restore_place
from roomlog.embedded.servers import running
from roomlog.files import write_private
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.raw_streams import JetStreamStreams
from roomlog.jetstream.refill import Refill, RefillError
from roomlog.jetstream.stream import with_epoch
from roomlog.jetstream.subjects import is_log
from roomlog.ports import LogUnavailableError

Advance = Callable[[int], None]


class Told(msgspec.Struct, frozen=True):
    """What `--json` prints. `last_sequences` are where the log's streams end, `last_at` when the
    last of its events was appended; `compared` is what the restored log was compared with;
    `set_aside` where what was there before lies now."""

    data: str
    epoch: str
    new_epoch: bool
    events: int
    last_sequences: dict[str, int]
    last_at: str | None
    compared: list[str]
    set_aside: list[str]
    keys_kept: list[str]


@click.command(name="restore")
@click.argument(
    "folder", metavar="FOLDER", type=click.Path(file_okay=False, exists=True, path_type=Path)
)
@click.option(
    "--force",
    is_flag=True,
    help="Into a directory that holds something: its log is kept beside the restored one.",
)
@click.option(
    "--new-epoch",
    is_flag=True,
    help="Something was accepted after the backup, and is lost: clients begin anew.",
)
@click.option("--check", is_flag=True, help="Only look whether the backup is whole.")
@json_option
@data_option
def command(
    *, folder: Path, force: bool, new_epoch: bool, check: bool, as_json: bool, data: Path
) -> None:
    """Restore the log and the keys from the backup in FOLDER into the data directory.

    Each event gets the sequence, time and bytes that it had. All of it is read again and compared
    before it is moved into place. Nothing may run in the data directory.
    """
    try:
        manifest = load_whole(folder)
        with progress_of("check", PARTS) as show:
            sizes = [segment.bytes for one in manifest.streams for segment in one.segments]
            check_files(folder, manifest, _counted(show, sum(sizes), "bytes"))
        if check:
            click.echo(f"{folder} is whole, as of {manifest.made_at}")
            return
        with (
            interruptible("start nothing there before this has come to its end; run it again"),
            restore_place(data, replace=force) as place,
        ):
            told = _restore(folder, manifest, place, new_epoch=new_epoch)
    except (DamagedBackupError, NotRestoredError) as error:
        raise CliError(f"nothing was restored: {error}") from error
    except (RefillError, LogUnavailableError) as error:
        raise CliError(f"nothing was restored: {error}{_make_room(data)}") from error
    except OSError as error:
        raise CliError(
            f"nothing was restored: {error.filename or data} ({error.strerror or error})"
            + (_make_room(data) or ": put that right, and restore again")
        ) from error
    if as_json:
        click.echo(msgspec.json.encode(told).decode())
    else:
        _print(told, manifest)


def _make_room(data: Path) -> str:
    """What to do where the disk is full, of which NATS tells its log alone."""
    there = next(path for path in (data, *data.absolute().parents) if path.exists())
    if has_room(there):
        return ""
    return f": the disk of {data} is full; make room there, or name another with --data"


def _restore(folder: Path, manifest: mf.Manifest, place: RestorePlace, *, new_epoch: bool) -> Told:
    epoch = str(uuid.uuid4()) if new_epoch else manifest.epoch
    total = sum(stream.messages for stream in manifest.streams)
    filling = RefillServer(place.work)
    with running(filling), progress_of("restore", PARTS) as show:
        advance = _counted(show, total, "events")
        uvloop.run(_fill(folder, manifest, filling, epoch, advance))
    # Started anew, so that what is compared is what it finds in its files.
    filled = NatsServer(place.work)
    with running(filled):
        compared = uvloop.run(_compare(folder, manifest, filled.url, total))
    keys_kept = _restore_keys(folder, manifest, place.data)
    aside = place.move_in(tables_too=new_epoch)
    log = [stream for stream in manifest.streams if is_log(stream.stream)]
    return Told(
        str(place.data.path),
        epoch,
        new_epoch,
        sum(stream.messages for stream in log),
        {stream.stream: stream.last_sequence for stream in log},
        _last_at(folder, log),
        compared,
        [str(path) for path in aside],
        keys_kept,
    )


async def _fill(
    folder: Path, manifest: mf.Manifest, server: RefillServer, epoch: str, advance: Advance
) -> None:
    connection = Connection(server.url, name="roomlog restore")
    await connection.open()
    refill = Refill(connection)
    try:
        await refill.open(server.leaf_port, USER, server.password)
        for stream in manifest.streams:
            config: dict[str, Any] = stream.config
            if stream.epoch:
                config = with_epoch(config, epoch)
            messages = _counting(messages_of(folder, stream), advance)
            await refill.fill(config, messages, stream.last_sequence)
    finally:
        await refill.close()
        await connection.close()


def _counting(messages: Iterator[StoredMessage], advance: Advance) -> Iterator[StoredMessage]:
    for message in messages:
        yield message
        advance(1)


async def _compare(folder: Path, manifest: mf.Manifest, nats_url: str, total: int) -> list[str]:
    """Compare with all that the backup tells of the log, of `total` messages; return what that
    was."""
    async with _connection(nats_url) as connection:
        source = JetStreamStreams(connection)
        found = {one.name: one for one in await source.describe()}
        with progress_of("compare", PARTS) as show:
            advance = _counted(show, total, "events")
            for stream in manifest.streams:
                await compare_stream(folder, stream, found.get(stream.stream), source, advance)
    compared = ["every event"]
    log = await JetStreamLog.connect(nats_url, name="roomlog restore")
    try:
        if manifest.projected:
            await _compare_checkpoints(log, manifest)
            compared.append("the checkpoints of the tables")
        if manifest.trees is not None:
            await _compare_trees(log, manifest.trees)
            compared.append("the heads of the trees")
    finally:
        await log.close()
    return compared


async def _compare_checkpoints(log: JetStreamLog, manifest: mf.Manifest) -> None:
    for one in manifest.projected:
        if one.epoch != manifest.epoch or one.event_hash is None:
            continue
        after, up_to = one.sequence - 1, one.sequence
        async for batch in log.read_partition(one.partition, after=after, up_to=up_to):
            for event in batch:
                if sha256(event.data).hexdigest() != one.event_hash:
                    raise NotRestoredError(
                        f"partition {one.partition} has another event at {one.sequence} than the "
                        "tables had seen when the backup was made"
                    )


async def _compare_trees(log: JetStreamLog, trees: mf.Trees) -> None:
    with progress_of("trees", PARTS) as advance:
        found = await heads_at(log, trees.sequences, scaled(advance))
    heads = rt.heads_in_order(found)
    if (len(heads), tree_root(rt.heads_hashes(heads))) != (trees.size, b64decode(trees.root)):
        raise NotRestoredError(
            "the rooms' trees are not those that there were when the backup was made: the log was "
            "changed before it was backed up"
        )


@asynccontextmanager
async def _connection(nats_url: str) -> AsyncGenerator[Connection]:
    connection = Connection(nats_url, name="roomlog restore")
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


def _restore_keys(folder: Path, manifest: mf.Manifest, data: DataDirectory) -> list[str]:
    """Put keys where there are none; return the names of those that were there and differ."""
    differ: list[str] = []
    for key in manifest.keys:
        path = data.private_folder("secrets") / Path(key.name).name
        content = key_of(folder, key)
        if not path.exists():
            write_private(path, content)
        elif path.read_bytes() != content:
            differ.append(str(path))
    return differ


def _last_at(folder: Path, log: list[mf.StreamBackup]) -> str | None:
    last_ns = 0
    for stream in log:
        only_last = msgspec.structs.replace(stream, segments=stream.segments[-1:])
        for message in messages_of(folder, only_last):
            last_ns = max(last_ns, message.appended_ns)
    if not last_ns:
        return None
    moment = datetime.fromtimestamp(last_ns / 1e9, UTC)
    return rfc3339(moment)


def _counted(show: Callable[[int, str], None], total: int, what: str) -> Advance:
    done, progress = 0, scaled(show, what)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return advance


def _print(told: Told, manifest: mf.Manifest) -> None:
    ends = ", ".join(f"{name} ends at sequence {end}" for name, end in told.last_sequences.items())
    click.echo(f"{told.events} events restored into {told.data}: {ends}, {told.last_at}")
    click.echo(f"compared with the backup of {manifest.made_at}: {', '.join(told.compared)}")
    for path in told.set_aside:
        click.echo(f"what was there before lies in {path}")
    for path in told.keys_kept:
        click.echo(f"{path} is another one than in the backup, and was left as it is")
    if told.new_epoch:
        click.echo(f"the log has a new epoch, {told.epoch}: clients begin anew")
    else:
        click.echo(
            f"the log has the epoch that it had, {told.epoch}. If anything was accepted after "
            f"sequence {', '.join(map(str, told.last_sequences.values()))}, clients have seen more "
            "than there is: restore again with --force --new-epoch before they come back"
        )
    click.echo(f"start it with `roomlog up --data {told.data}`")

"""`roomlog projections`: how far the tables are, and making or checking them anew."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.cli.doctor import check_checkpoint, stored_hash
from roomlog.cli.errors import interruptible
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of, scaled
from roomlog.cli.trail import record_failure
from roomlog.collector import spare_what_stays
from roomlog.jetstream.log import begin_epoch
from roomlog.postgres.checkpoint import CheckpointRow, checkpoints
from roomlog.postgres.diagnosis import examine
from roomlog.postgres.tables import PostgresTables
from roomlog.projection_ports import Difference
from roomlog.projector import Rebuilt, Retried, rebuild, retry, verify
from roomlog.settings import Settings, load_settings, required


class PartitionStatus(msgspec.Struct, frozen=True):
    """One partition, as `--json` prints it. `checkpoint` and `head` are sequences.

    `lag_seconds` is how long ago the tables showed all that the log held, 0 where they do now;
    null where nothing is projected yet. `halted` is why the projector refuses to go on.
    """

    partition: int
    epoch: str
    checkpoint: int
    head: int
    lag_events: int
    lag_seconds: float | None
    dead: int
    halted: str | None


class _Status(msgspec.Struct, frozen=True):
    partitions: list[PartitionStatus]


class _Repaired(msgspec.Struct, frozen=True):
    events: int
    seconds: float
    events_per_second: float
    repaired: Sequence[Difference] | None


class _Retries(msgspec.Struct, frozen=True):
    events: Sequence[Retried]


class _Verified(msgspec.Struct, frozen=True):
    differences: Sequence[Difference]


@click.group(name="projections")
def command() -> None:
    """The tables that are made from the log: how far they are, making and checking them anew."""


@command.command(name="status")
@json_option
@data_option
def status(*, as_json: bool, data: Path) -> None:
    """Show checkpoints and how far they lag behind the log."""
    shown = uvloop.run(_status(load_settings(data)))
    if as_json:
        click.echo(msgspec.json.encode(_Status(shown)).decode())
        return
    for one in shown:
        click.echo(in_words(one))


@command.command(name="rebuild")
@click.option(
    "--new-epoch",
    is_flag=True,
    help="The log was restored to an earlier point, and the tables with it: clients begin anew.",
)
@json_option
@data_option
def rebuild_(*, new_epoch: bool, as_json: bool, data: Path) -> None:
    """Make the tables anew from the log, and swap them in when they are complete.

    The service answers all the while. Says what was wrong with the tables before. Where the log is
    not the one that they were made from, it gets a new epoch, so that clients begin anew too.
    """
    begun_s = time.monotonic()
    with interruptible("the tables go on answering; run the same command again"):
        done = uvloop.run(_rebuild(load_settings(data), new_epoch=new_epoch))
    seconds = time.monotonic() - begun_s
    if as_json:
        told = _Repaired(
            done.events, round(seconds, 3), round(done.events / seconds, 1), done.repaired
        )
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(
        f"rebuilt from {done.events} events in {seconds:.1f} s "
        f"({done.events / seconds:.0f} events/s)"
    )
    if done.repaired is None:
        click.echo("the tables before were behind the log and were not compared")
    elif not done.repaired:
        click.echo("the tables before held the same")
    else:
        click.echo("the tables before differed:")
        _print_differences(done.repaired)


@command.command(name="retry")
@json_option
@data_option
def retry_(*, as_json: bool, data: Path) -> int:
    """Try the events that were set aside once more, after what was wrong has been put right.

    Their rooms are made anew from the log, in one transaction for each partition, while the
    service answers. Exit 1 where any is still set aside.
    """
    found = uvloop.run(_retry(load_settings(data)))
    if as_json:
        click.echo(msgspec.json.encode(_Retries(found)).decode())
    else:
        for one in found:
            became = "taken in" if one.error is None else f"still set aside: {one.error}"
            click.echo(f"event {one.event_id or '?'} at {one.sequence} of {one.room_id}: {became}")
        if not found:
            click.echo("no event is set aside")
    return 1 if any(one.error is not None for one in found) else 0


@command.command(name="verify")
@json_option
@data_option
def verify_(*, as_json: bool, data: Path) -> int:
    """Compare the tables with a fresh fold of the log. Exit 1, and the differences, if any."""
    found = uvloop.run(_verify(load_settings(data)))
    if as_json:
        click.echo(msgspec.json.encode(_Verified(found)).decode())
    elif found:
        _print_differences(found)
        click.echo("the tables differ from the log: run `roomlog projections rebuild`")
    else:
        click.echo("the tables agree with the log")
    return 1 if found else 0


async def _status(settings: Settings) -> list[PartitionStatus]:
    rows = await checkpoints(required(settings.database_url, "DATABASE_URL"))
    async with open_log(settings, "roomlog projections") as log:
        heads = [
            (await log.partition_state(partition)).last_sequence
            for partition in range(log.partitions)
        ]
        epoch = log.epoch
    now = datetime.now(UTC)
    known = {row.partition: row for row in rows}
    return [
        _partition_status(partition, known.get(partition), head, epoch, now)
        for partition, head in enumerate(heads)
    ]


def _partition_status(
    partition: int, row: CheckpointRow | None, head: int, epoch: str, now: datetime
) -> PartitionStatus:
    if row is None:
        return PartitionStatus(partition, epoch, 0, head, head, None if head else 0.0, 0, None)
    lag = max(head - row.sequence, 0)
    lag_s = 0.0
    if lag:
        lag_s = round(max((now - row.current_at).total_seconds(), 0.0), 3)
    return PartitionStatus(
        partition, row.epoch, row.sequence, head, lag, lag_s, row.dead, row.halted
    )


async def _rebuild(settings: Settings, *, new_epoch: bool) -> Rebuilt:
    database_url = required(settings.database_url, "DATABASE_URL")
    tables = PostgresTables(database_url)
    # Before the log is checked, which refuses one whose last new epoch was broken off.
    if new_epoch or not await _is_continued(settings, database_url):
        nats_url = required(settings.nats_url, "NATS_URL")
        epoch = await begin_epoch(nats_url, partitions=settings.partitions)
        click.echo(f"the log has a new epoch, {epoch}: clients begin anew", err=True)
    async with open_log(settings, "roomlog projections") as log:
        spare_what_stays()
        with progress_of("rebuild", PARTS) as advance:
            return await rebuild(log, tables, scaled(advance))


async def _is_continued(settings: Settings, database_url: str) -> bool:
    """Whether the log still holds what the tables were made from."""
    database = await examine(database_url)
    async with open_log(settings, "roomlog projections") as log:
        for position in database.positions:
            state = await log.partition_state(position.partition)
            stored = await stored_hash(log, position, state)
            if not check_checkpoint(position, state, stored).ok:
                return False
    return True


async def _retry(settings: Settings) -> Sequence[Retried]:
    tables = PostgresTables(required(settings.database_url, "DATABASE_URL"))
    async with open_log(settings, "roomlog projections") as log:
        return await retry(log, tables, log.snapshots)


async def _verify(settings: Settings) -> Sequence[Difference]:
    tables = PostgresTables(required(settings.database_url, "DATABASE_URL"))
    async with open_log(settings, "roomlog projections") as log:
        spare_what_stays()
        with progress_of("verify", PARTS) as advance:
            found = await verify(log, tables, scaled(advance))
        if found:
            rows = ", ".join(f"{d.table} {d.missing} and {d.surplus}" for d in found)
            await record_failure(log, f"projections verify: rows missing and too many: {rows}")
        return found


def in_words(one: PartitionStatus) -> str:
    """One line for people. Tables that belong to another log are never up to date."""
    line = f"partition {one.partition}: at {one.checkpoint} of {one.head}"
    if not one.lag_events:
        line += "" if one.halted is not None else ", up to date"
    elif one.lag_seconds is None:
        line += ", nothing projected yet"
    else:
        line += f", {one.lag_events} events ({one.lag_seconds:.1f} s) behind"
    if one.dead:
        line += f", {one.dead} events set aside (`roomlog projections retry` tries them again)"
    if one.halted is not None:
        line += f"; STOPPED: {one.halted}"
    return line


def _print_differences(differences: Sequence[Difference]) -> None:
    for difference in differences:
        click.echo(
            f"{difference.table}: {difference.missing} rows missing or wrong, "
            f"{difference.surplus} too many or wrong"
        )
        for example in difference.examples:
            click.echo(f"  {example}")

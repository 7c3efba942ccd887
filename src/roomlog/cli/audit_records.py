"""`roomlog audit records`: who read, exported or redacted by a right over all rooms."""

from datetime import datetime
from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.cli.audit_proofs import room_id
from roomlog.cli.moments import Moment, moment
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.core.printable import printable
from roomlog.jetstream.trail import JetStreamTrail
from roomlog.services.trail import told
from roomlog.settings import Settings, load_settings
from roomlog.trail_ports import RecordFilter
from roomlog_contract.trail import AuditRecord, RecordKind


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    found: Moment | None = moment(ctx, param, value)
    if isinstance(found, int):
        raise click.BadParameter("is a time, such as 2026-01-31T09:30:00Z.", ctx, param)
    return found


@click.command(name="records")
@click.option("--room", callback=room_id, metavar="ROOM", help="Records about this room only.")
@click.option("--actor", metavar="USER", help="What this user did only.")
@click.option("--kind", type=click.Choice([kind.value for kind in RecordKind]), help="This kind.")
@click.option("--since", callback=_time, metavar="TIME", help="Appended then or later.")
@click.option("--until", callback=_time, metavar="TIME", help="Appended then or before.")
@json_option
@data_option
def records(
    *,
    room: str | None,
    actor: str | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    data: Path,
) -> None:
    """List the audit trail, oldest first: exports, redactions, replays, reads by auditors and
    admins of rooms that they are no members of, and what did not verify.

    With --json, a record a line.
    """
    by_kind = None if kind is None else RecordKind(kind)
    asked = RecordFilter(room, actor, by_kind, since, until)
    uvloop.run(_list(load_settings(data), asked, as_json=as_json))


async def _list(settings: Settings, asked: RecordFilter, *, as_json: bool) -> None:
    async with open_log(settings, "roomlog audit records") as log:
        async for batch in JetStreamTrail(log.connection).read(asked):
            for stored in batch:
                record = told(stored)
                click.echo(msgspec.json.encode(record).decode() if as_json else _in_words(record))


def _in_words(record: AuditRecord) -> str:
    roles = f" ({', '.join(record.roles)})" if record.roles else ""
    parts = [
        f"{record.sequence} {record.at} {printable(record.actor)}{roles} {record.kind.value}",
        None if record.room_id is None else f"room {record.room_id}",
        None if record.message_id is None else f"message {record.message_id}",
        "as of a moment" if record.past else None,
        None if record.until is None else f"and again until {record.until}",
        None if record.detail is None else printable(record.detail),
    ]
    return ", ".join(part for part in parts if part is not None)


COMMANDS = (records,)

"""`roomlog audit visibility`: what somebody could see of a room, and by which events."""

from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.audit.visibility import Visibility, in_words, visibility
from roomlog.cli.audit_proofs import room_id
from roomlog.cli.errors import CliError
from roomlog.cli.moments import Moment, moment
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import progress_of
from roomlog.cli.trail import record
from roomlog.core import decide
from roomlog.settings import Settings, load_settings
from roomlog_contract.errors import RefusedError
from roomlog_contract.trail import RecordKind


def _user(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return decide.user_id(value, "user")
    except RefusedError as error:
        raise click.BadParameter(f"{error}.", ctx, param) from error


@click.command(name="visibility")
@click.argument("room", callback=room_id)
@click.option("--user", required=True, callback=_user, metavar="USER", help="Whose view.")
@click.option(
    "--at",
    "at",
    callback=moment,
    metavar="SEQUENCE|TIME",
    help="The moment, a place in the log; without it, now.",
)
@json_option
@data_option
def visibility_(*, room: str, user: str, at: Moment | None, as_json: bool, data: Path) -> None:
    """Show which messages of ROOM the user could see at a moment, and the membership events that
    say so.

    Members see the whole room, also what was said before they joined. Deleted messages, readable
    in views of the past only, and redacted ones are named as such.
    """
    seen = uvloop.run(_seen(load_settings(data), room, user, at))
    if as_json:
        click.echo(msgspec.json.encode(seen).decode())
    else:
        click.echo("\n".join(in_words(seen)))


async def _seen(settings: Settings, room: str, user: str, at: Moment | None) -> Visibility:
    async with open_log(settings, "roomlog audit visibility") as log:
        head = await log.last_sequence(room)
        if not head:
            raise CliError(f"room {room} has no events: see whether the id is right")
        await record(log, RecordKind.VISIBILITY_ASKED, room, past=at is not None, detail=user)
        with progress_of("visibility", 2 * head) as advance:
            return await visibility(log, room, user, at, advance)


COMMANDS = (visibility_,)

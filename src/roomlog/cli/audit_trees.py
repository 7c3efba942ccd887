"""`roomlog audit status`, `check` and `rebuild`: the trees themselves."""

from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.audit.check import Checked, NoTreesError, check_log, check_trail
from roomlog.cli.audit_proofs import open_trees
from roomlog.cli.errors import CliError
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of, scaled
from roomlog.cli.trail import record_failure, trail_log
from roomlog.postgres.tree_tables import forget_trees
from roomlog.services.identity import SystemClock
from roomlog.services.tree_lag import TreeLag, tree_lag
from roomlog.settings import Settings, load_settings, required
from roomlog_contract.trail import TRAIL_ID


class _Status(msgspec.Struct, frozen=True):
    partitions: list[TreeLag]


@click.command(name="status")
@json_option
@data_option
def status(*, as_json: bool, data: Path) -> int:
    """Show how far the trees are, and what they found wrong with the log. Exit 1 if anything."""
    found = uvloop.run(_status(load_settings(data)))
    if as_json:
        click.echo(msgspec.json.encode(_Status(found)).decode())
    else:
        for one in found:
            click.echo(in_words(one))
    return 1 if any(one.findings or one.unfinished or one.halted for one in found) else 0


@click.command(name="check")
@json_option
@data_option
def check(*, as_json: bool, data: Path) -> int:
    """Compare the whole log with its trees. Exit 1, and the first bad event of each room, if the
    log is not what the trees were made of."""
    try:
        found = uvloop.run(_check(load_settings(data)))
    except NoTreesError as error:
        raise CliError(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for one in found.mismatches:
            where = "the log" if one.room_id is None else f"room {one.room_id}"
            where = "the audit trail" if one.room_id == TRAIL_ID else where
            click.echo(f"{where}, sequence {one.sequence}: {one.detail}")
        compared = ", ".join(str(sequence) for sequence in found.sequences)
        if not found.mismatches:
            click.echo(f"up to sequence {compared}, the log is what the trees were made of")
    return 1 if found.mismatches else 0


@click.command(name="rebuild")
@data_option
def rebuild(*, data: Path) -> None:
    """Forget the trees and have them made anew from the log as it is, where they are damaged.

    What was found wrong with the log is forgotten too: run `check` before. Only checkpoints that
    others hold tell whether the new trees continue the old ones.
    """
    uvloop.run(forget_trees(required(load_settings(data).database_url, "DATABASE_URL")))
    click.echo("the trees are made anew: `roomlog audit status` shows how far they are")


async def _status(settings: Settings) -> list[TreeLag]:
    async with open_trees(settings) as (log, trees):
        return await tree_lag(log, trail_log(log), trees, SystemClock())


async def _check(settings: Settings) -> Checked:
    async with open_trees(settings) as (log, trees):
        with progress_of("check", PARTS) as advance:
            checked = await check_log(log, trees, scaled(advance))
        # With a record of its own that something is wrong: nobody else may have seen it yet.
        wrong = await check_trail(trail_log(log), trees)
        mismatches = [*checked.mismatches, *([] if wrong is None else [wrong])]
        if mismatches:
            first = mismatches[0]
            told = f"audit check: {len(mismatches)} differences, the first at {first.sequence}"
            await record_failure(log, f"{told}: {first.detail}")
        return Checked(checked.sequences, mismatches)


def in_words(one: TreeLag) -> str:
    """One line for people."""
    where = "the audit trail" if one.partition < 0 else f"partition {one.partition}"
    line = f"{where}: at {one.sequence} of {one.head}"
    if one.events:
        line += f", {one.events} events ({one.seconds:.1f} s) behind"
    if one.findings:
        line += (
            f"; {one.findings} findings in the log, {one.unexplained} events gone unexplained "
            "(table roomlog_audit.findings)"
        )
    if one.unfinished:
        line += f"; {one.unfinished} redactions begun, their events not erased yet"
    if one.halted is not None:
        line += f"; STOPPED: {one.halted}"
    return line


COMMANDS = (status, check, rebuild)

"""`roomlog audit checkpoint`, `inclusion` and `consistency`: signed heads and proofs."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click
import msgspec
import uvloop

from roomlog.cli.errors import CliError
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.trail import trail_log
from roomlog.jetstream.log import JetStreamLog
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.services.audit_keys import key_ring
from roomlog.services.proof_service import ProofService
from roomlog.settings import Settings, load_settings, required
from roomlog_contract.errors import RefusedError
from roomlog_contract.proofs import LogCheckpoint, RoomCheckpoint
from roomlog_contract.trail import TRAIL_ID

T = TypeVar("T", bound=msgspec.Struct)

_SIZE = click.IntRange(1, 2**63 - 1)
_CONNECTIONS = 2


def room_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A room's id in its one form."""
    if value is None:
        return None
    try:
        return str(UUID(value))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a room's id, a UUID.", ctx, param) from error


def tree_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A room's id, or that which stands for the audit trail."""
    return TRAIL_ID if value == "trail" else room_id(ctx, param, value)


@asynccontextmanager
async def open_trees(settings: Settings) -> AsyncGenerator[tuple[JetStreamLog, PostgresTreeReader]]:
    """The log and its trees for the length of the block. Raises LogUnavailableError."""
    database_url = required(settings.database_url, "DATABASE_URL")
    async with (
        open_log(settings, "roomlog audit") as log,
        open_pool(database_url, size=_CONNECTIONS) as pool,
    ):
        yield log, PostgresTreeReader(pool)


def _asked(data: Path, tree: str | None, ask: Callable[[ProofService], Awaitable[T]]) -> T:
    settings = load_settings(data)

    async def run() -> T:
        async with open_trees(settings) as (log, trees):
            source = trail_log(log) if tree == TRAIL_ID else log
            return await ask(ProofService(log=source, trees=trees, keys=key_ring(settings)))

    try:
        return uvloop.run(run())
    except RefusedError as error:
        raise CliError(
            f"{error.errors[0].field}: {error}" if error.errors else str(error)
        ) from error


@click.command(name="checkpoint")
@click.argument("room", required=False, callback=tree_id)
@click.option("--size", type=_SIZE, help="The room's head as it was with that many leaves.")
@json_option
@data_option
def checkpoint(*, room: str | None, size: int | None, as_json: bool, data: Path) -> None:
    """Print the signed checkpoint of ROOM, or of all rooms: keep it where others can't change it.

    It holds all that is in the log when the command begins. `trail` for a ROOM is the audit trail.
    """
    if size is not None and room is None:
        raise click.UsageError("--size needs a ROOM.")

    async def ask(proofs: ProofService) -> RoomCheckpoint | LogCheckpoint:
        if room is None:
            return await proofs.log_checkpoint()
        return await proofs.room_checkpoint(room, size)

    signed = _asked(data, room, ask)
    click.echo(msgspec.json.encode(signed).decode() if as_json else signed.note, nl=as_json)


@click.command(name="inclusion")
@click.argument("room", callback=tree_id)
@click.argument("sequence", type=_SIZE)
@click.option("--size", type=_SIZE, help="In the tree when it had that many leaves.")
@json_option
@data_option
def inclusion(*, room: str, sequence: int, size: int | None, as_json: bool, data: Path) -> None:
    """Prove that ROOM's event at SEQUENCE is in its tree; `trail` for a ROOM is the audit trail."""
    proof = _asked(data, room, lambda proofs: proofs.inclusion(room, sequence, size))
    if as_json:
        click.echo(msgspec.json.encode(proof).decode())
        return
    click.echo(f"sequence {proof.sequence} is leaf {proof.index} of {proof.size}")
    click.echo(f"leaf {proof.leaf_hash}")
    click.echo(f"root {proof.root}")
    for hashed in proof.hashes:
        click.echo(hashed)


@click.command(name="consistency")
@click.argument("room", callback=tree_id)
@click.argument("size", type=_SIZE)
@click.option("--to", "to_size", type=_SIZE, help="The later size.  [default: all there is]")
@json_option
@data_option
def consistency(*, room: str, size: int, to_size: int | None, as_json: bool, data: Path) -> None:
    """Prove that ROOM's tree of SIZE leaves is the beginning of what it is now; `trail` for a ROOM
    is the audit trail."""
    proof = _asked(data, room, lambda proofs: proofs.consistency(room, size, to_size))
    if as_json:
        click.echo(msgspec.json.encode(proof).decode())
        return
    click.echo(f"{proof.from_size} leaves are the beginning of {proof.to_size}")
    click.echo(f"from {proof.from_root}")
    click.echo(f"to {proof.to_root}")
    for hashed in proof.hashes:
        click.echo(hashed)


COMMANDS = (checkpoint, inclusion, consistency)

"""`roomlog project`: keep the tables at the log's end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import uvloop

from roomlog.audit.delivery import Folder, Place, Webhook, deliver_checkpoints
from roomlog.audit.tree_runner import keep_trees
from roomlog.cli.errors import CliError
from roomlog.cli.misspelt import warn_of_misspelt_settings
from roomlog.cli.options import data_option
from roomlog.cli.trail import record_failure, trail_log
from roomlog.collector import spare_what_stays
from roomlog.jetstream.erasing import JetStreamEraser
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.stream import LogMismatchError
from roomlog.observability import set_up_logging
from roomlog.ports import LogUnavailableError
from roomlog.postgres import PostgresReadModel, PostgresTreeReader, open_pool
from roomlog.postgres.tables import PostgresTables
from roomlog.postgres.tree_tables import PostgresTrees
from roomlog.projection_ports import TablesMissingError
from roomlog.projector import ProjectorHaltedError, run_projector
from roomlog.services.audit_keys import key_ring
from roomlog.services.proof_service import ProofService
from roomlog.services.recent_events import RecentEvents
from roomlog.settings import Settings, erase_url, load_settings, required

_CONNECT_PAUSE_S = 1.0
_READING_CONNECTIONS = 2
_HALTED_RETRY_S = 5.0

_log = logging.getLogger(__name__)


@click.command(name="project")
@data_option
def command(*, data: Path) -> None:
    """Project the log into the tables until SIGINT or SIGTERM.

    Of several that are started one works, the others wait to take over.
    """
    settings = load_settings(data)
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_misspelt_settings(_log)
    try:
        uvloop.run(_project_until_stopped(settings))
    except (ProjectorHaltedError, TablesMissingError, LogMismatchError) as error:
        raise CliError(f"the projector stops: {error}") from error


async def _project_until_stopped(settings: Settings) -> None:
    work = asyncio.create_task(_project(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _project(settings: Settings) -> None:
    database_url = required(settings.database_url, "DATABASE_URL")
    tables, keys = PostgresTables(database_url), key_ring(settings)
    log = await _connected(required(settings.nats_url, "NATS_URL"), settings.partitions)
    spare_what_stays()
    try:
        async with open_pool(database_url, size=_READING_CONNECTIONS) as pool:
            reader, trail = PostgresTreeReader(pool), trail_log(log)
            proofs = ProofService(log=log, trees=reader, keys=keys)
            of_trail = ProofService(log=trail, trees=reader, keys=keys)
            recent = [RecentEvents() for _ in range(log.partitions)]
            trees = asyncio.create_task(
                keep_trees(
                    log,
                    log.signals,
                    PostgresTrees(database_url),
                    trail=trail,
                    tell=lambda detail: record_failure(log, detail),
                    beside=_delivery(proofs, of_trail, settings),
                    eraser=JetStreamEraser(erase_url(settings), log.partitions),
                    recent=recent,
                )
            )
            try:
                await run_projector(
                    *(log, log.signals, log.snapshots, tables),
                    halted_retry_s=_HALTED_RETRY_S,
                    tell=lambda detail: record_failure(log, detail),
                    recent=recent,
                    read_model=PostgresReadModel(pool),
                )
            finally:
                trees.cancel()
                await asyncio.wait([trees])
    finally:
        await log.close()


def _delivery(
    proofs: ProofService, of_trail: ProofService, settings: Settings
) -> Callable[[], Coroutine[Any, Any, None]] | None:
    """What gives checkpoints to places elsewhere, where there are any."""
    places: list[Place] = []
    if settings.checkpoint_folder is not None:
        places.append(Folder(Path(settings.checkpoint_folder)))
    if settings.checkpoint_webhook is not None:
        places.append(Webhook(settings.checkpoint_webhook))
    if not places or not settings.checkpoint_seconds:
        return None
    return lambda: deliver_checkpoints(
        proofs, of_trail, places, every_s=settings.checkpoint_seconds
    )


async def _connected(nats_url: str, partitions: int | None) -> JetStreamLog:
    while True:
        try:
            return await JetStreamLog.connect(
                nats_url, partitions=partitions, name="roomlog projector"
            )
        except LogUnavailableError as error:
            _log.warning("waiting for NATS: %s", error.detail)
            await asyncio.sleep(_CONNECT_PAUSE_S)

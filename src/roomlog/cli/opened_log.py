"""The log, for the length of a command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from roomlog.jetstream.log import JetStreamLog
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.services.continuity import discontinuity
from roomlog.settings import Settings, required


@asynccontextmanager
async def open_log(settings: Settings, name: str) -> AsyncGenerator[JetStreamLog]:
    """Connect to the log that the settings name, and close it after the block. `name` is what NATS
    shows of the connection. Raises SettingsError, LogUnavailableError and LogMismatchError."""
    url = required(settings.nats_url, "NATS_URL")
    log = await JetStreamLog.connect(url, partitions=settings.partitions, name=name)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def open_log_to_append(settings: Settings, name: str) -> AsyncGenerator[JetStreamLog]:
    """The same for a command that appends: where the log is not the continuation of what the
    tables have seen, as far as these can be asked, appending raises LogUnavailableError."""
    async with open_log(settings, name) as log:
        if settings.database_url is None:
            yield log
            return
        async with open_pool(settings.database_url, size=1) as pool:
            read_model = PostgresReadModel(pool)
            await log.guard_with(lambda: discontinuity(log, read_model))
            yield log

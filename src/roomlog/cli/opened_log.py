"""The log, for the length of a command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from roomlog.jetstream.log import JetStreamLog
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

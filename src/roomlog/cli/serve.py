"""`roomlog serve`: one API process, on servers named in the settings."""

import logging
from pathlib import Path

import click
import msgspec

from roomlog.cli.errors import CliError
from roomlog.cli.misspelt import warn_of_misspelt_settings
from roomlog.cli.options import data_option
from roomlog.observability import set_up_logging
from roomlog.settings import load_settings

_log = logging.getLogger(__name__)


@click.command(name="serve")
@data_option
@click.option("--host", help="Address to listen on.  [default: ROOMLOG_HOST, 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; several processes may share it.  [default: ROOMLOG_PORT, 8080]",
)
def command(*, data: Path, host: str | None, port: int | None) -> None:
    """Serve REST and WebSocket until SIGINT or SIGTERM."""
    # Litestar and its friends take most of a second to import: only here.
    from roomlog.main import serve  # noqa: PLC0415

    settings = load_settings(data)
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_misspelt_settings(_log)
    settings = msgspec.structs.replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )
    try:
        serve(settings)
    except OSError as error:
        raise CliError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "choose another --host or --port"
        ) from error

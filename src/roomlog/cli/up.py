"""`roomlog up`: everything in one command, with servers of its own."""

import logging
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from roomlog.cli.errors import CliError
from roomlog.cli.misspelt import warn_of_misspelt_settings
from roomlog.cli.options import data_option
from roomlog.embedded import supervisor
from roomlog.embedded.data_directory import DataDirectory, RunFile
from roomlog.embedded.processes import death_signal_setter
from roomlog.observability import set_up_logging
from roomlog.settings import PREFIX, load_settings

WORKERS_MAX = 64
_DEMO = "roomlog.cli.demo"

_log = logging.getLogger(__name__)


@click.command(name="up")
@data_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the API; 0 takes a free one.  [default: ROOMLOG_PORT, 8080]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    default=1,
    show_default=True,
    help="Processes that serve the API.",
)
@click.option("--demo", is_flag=True, help="Fill in a sample incident; print links and a token.")
def command(*, data: Path, port: int | None, workers: int, demo: bool) -> None:
    """Run NATS, PostgreSQL, projector and API, and keep them running.

    Prints `ready URL` when everything works. Ctrl-C or SIGTERM stops it.
    """
    directory = DataDirectory(data)
    settings = load_settings(directory.path)
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_misspelt_settings(_log)
    for name in ("NATS_URL", "DATABASE_URL"):
        if os.environ.get(PREFIX + name):
            _log.warning("%s%s is not used: `roomlog up` runs servers of its own", PREFIX, name)
    if demo and find_spec(_DEMO) is None:
        raise CliError("there is no demo in this installation: leave --demo away")
    if demo and settings.jwt_jwks and settings.jwt_secret is None:
        raise CliError(
            f"the demo has no key to sign its tokens with beside {PREFIX}JWT_JWKS: leave --demo "
            f"away, or set {PREFIX}JWT_SECRET too"
        )
    plan = supervisor.Plan(
        data=directory,
        host=settings.host,
        port=settings.port if port is None else port,
        workers=workers,
        migrate=_roomlog("migrate", directory),
        project=_roomlog("project", directory),
        serve=_roomlog("serve", directory),
        jwt_secret=settings.jwt_secret,
        has_key_set=settings.jwt_jwks is not None,
        has_audit_key=settings.audit_key is not None,
    )
    supervisor.run(plan, lambda run: _ready(run, directory, demo=demo))


def _roomlog(name: str, directory: DataDirectory) -> tuple[str, ...]:
    # -P: a file in the working directory must not stand in for a module of ours.
    return (sys.executable, "-P", "-m", "roomlog", name, "--data", str(directory.path))


def _ready(run: RunFile, directory: DataDirectory, *, demo: bool) -> None:
    click.echo(f"ready {run.base_url}")
    if not demo:
        return
    # A process of its own, so that the supervisor keeps watching and keeps its memory small.
    # It shares our terminal: its links and token are for the user, and so is Ctrl-C.
    fill = (
        f"from pathlib import Path; from {_DEMO} import fill; fill(Path({str(directory.path)!r}))"
    )
    subprocess.Popen(  # noqa: S603 - our own program, no shell
        (sys.executable, "-P", "-c", fill),
        stdin=subprocess.DEVNULL,
        preexec_fn=death_signal_setter(signal.SIGKILL),  # noqa: PLW1509 - no threads here
    )

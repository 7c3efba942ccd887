"""`roomlog migrate`: bring the tables' schema up to date."""

import asyncio
from pathlib import Path

import click

from roomlog.cli.options import data_option
from roomlog.postgres.migrate import migrate
from roomlog.settings import load_settings, required


@click.command(name="migrate")
@data_option
def command(*, data: Path) -> None:
    """Create the tables, or bring them to this version's form. Does nothing where they are."""
    url = required(load_settings(data).database_url, "DATABASE_URL")
    revision = asyncio.run(migrate(url))
    click.echo(f"the tables are at revision {revision} now" if revision else "nothing to do")

"""`roomlog settings`: what can be set, to what, and what it means."""

from pathlib import Path

import click
import msgspec

from roomlog.cli.misspelt import misspelt_settings
from roomlog.cli.options import data_option, json_option
from roomlog.settings import list_settings


@click.command(name="settings")
@json_option
@data_option
def command(*, as_json: bool, data: Path) -> None:
    """List all settings with default and meaning.

    Each is an environment variable, or a line of a .env file in the working directory.
    """
    del data
    for sentence in misspelt_settings():
        click.echo(f"roomlog: {sentence}", err=True)
    listed = list_settings()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(listed)).decode())
        return
    # Imported here: the table is all that needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("default", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for setting in listed:
        table.add_row(setting.name, setting.default or "-", setting.meaning)
    Console(soft_wrap=False).print(table, markup=False)

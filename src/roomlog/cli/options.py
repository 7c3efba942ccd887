"""Options that commands share."""

from pathlib import Path

import click

from roomlog.settings import DEFAULT_DATA_DIRECTORY

# Every command takes it, and finds the servers and the development key there.
data_option = click.option(
    "--data",
    "data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA_DIRECTORY,
    show_default=True,
    metavar="DIR",
    help="The data directory of `roomlog up`.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")

"""The command line. Each command is a module here, imported when it is asked for."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

import click

from roomlog.cli.errors import INTERRUPTED, failure_line

# Name, and the module below roomlog.cli whose attribute `command` it is. Importing a module
# costs up to a second (Litestar, SQLAlchemy), and `roomlog token` has no use for that.
COMMANDS = MappingProxyType(
    {
        "up": "up",
        "serve": "serve",
        "project": "project",
        "migrate": "migrate",
        "token": "token",
        "import": "import_chat",
        "backup": "backup",
        "restore": "restore",
        "projections": "projections",
        "audit": "audit",
        "doctor": "doctor",
        "settings": "settings",
    }
)


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, module in COMMANDS.items() if find_spec(f"{__name__}.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{COMMANDS[cmd_name]}").command
        assert isinstance(command, click.Command)
        return command


@click.group(
    name="roomlog",
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="roomlog")
def group() -> None:
    """The message log of incident rooms. Begin with `roomlog up`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 done, 1 failed, 2 wrong use.

    What goes wrong is told in one line on standard error.
    """
    try:
        result: object = group.main(arguments, prog_name="roomlog", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "roomlog"
        click.echo(f"{path}: {error.format_message()} See `{path} --help`.", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it exits.
        sys.stdout = None
        return 1
    except Exception as error:  # noqa: BLE001 - the last place where it can be told in one line
        click.echo(f"roomlog: {failure_line(error)}", err=True)
        return 1
    return result if isinstance(result, int) else 0

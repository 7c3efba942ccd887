"""Progress of long work stands on standard error, and nowhere where a machine reads."""

import click
import pytest
from click.testing import CliRunner

from roomlog.cli import progress
from roomlog.cli.options import json_option
from roomlog.cli.progress import PARTS, progress_of, scaled


@click.command()
@json_option
def _work(*, as_json: bool) -> None:
    with progress_of("work", PARTS) as advance:
        tell = scaled(advance, "things")
        for done in (1, 2, 4):
            tell(done, 4)
    click.echo("{}" if as_json else "done")


@pytest.mark.parametrize(
    ("arguments", "told", "shown"),
    [
        ([], "done\n", ["25%, 1", "50%, 2", "100%, 4"]),
        (["--json"], "{}\n", []),
    ],
)
def test_progress_is_shown_to_people(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str, shown: list[str]
):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    result = CliRunner().invoke(_work, arguments)
    assert result.exit_code == 0
    assert result.stdout == told
    assert result.stderr == "".join(f"work: {one} of 4 things\n" for one in shown)

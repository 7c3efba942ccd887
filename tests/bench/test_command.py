"""`python -m bench`: which benchmarks run, with what."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import __main__ as command
from bench.measured import number


def run(*arguments: str) -> str:
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_without_names_it_lists_all_with_what_they_say_of_themselves():
    told = run()

    assert [line.split()[0] for line in told.splitlines()] == list(command.benchmarks())
    assert all(len(line.split()) > 5 for line in told.splitlines())


def test_it_goes_on_where_it_ended(tmp_path: Path):
    for name in command.benchmarks():
        (tmp_path / f"{name}.json").touch()

    assert run("all", "--json", str(tmp_path), "--missing") == ""


def test_an_unknown_name_is_refused_with_those_that_there_are():
    done = CliRunner().invoke(command.main, ["faster"])

    assert done.exit_code == 2
    assert "there are as_of, baseline" in done.output


@pytest.mark.parametrize(
    ("value", "told"), [(0.5, "0.50"), (12.34, "12.3"), (1234.5, "1,234"), (3.0, "3")]
)
def test_a_figure_has_about_three_digits(value: float, told: str):
    assert number(value) == told

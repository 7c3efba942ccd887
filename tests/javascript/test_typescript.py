"""The TypeScript client: whole types, a build, its own tests, and the rules of the house."""

import json
from pathlib import Path

import pytest

from tests.house.repository import ROOT, tracked_files
from tests.javascript import contract_types
from tests.npm import npm_run

PACKAGE = ROOT / "src" / "roomlog-js"
FILE_LINES_MAX = 450
SCRIPT_TIMEOUT_S = 200
LINE_CHARS_MAX = 100


def test_its_types_are_those_of_the_contract():
    assert contract_types.CONTRACT.read_text() == contract_types.contract(), (
        "run python -m tests.javascript.contract_types"
    )


@pytest.mark.parametrize("script", ["typecheck", "build", "test"])
def test_the_package_is_sound(script: str):
    told = npm_run(PACKAGE, script, timeout_s=SCRIPT_TIMEOUT_S)

    assert told.returncode == 0, told.stdout[-6000:]


def test_it_needs_nothing_at_run_time():
    package = json.loads((PACKAGE / "package.json").read_text())

    assert "dependencies" not in package
    assert package["peerDependenciesMeta"] == {"react": {"optional": True}}


def test_the_lock_is_silent_about_where_packages_come_from():
    lock = json.loads((PACKAGE / "package-lock.json").read_text())

    assert [name for name, one in lock["packages"].items() if "resolved" in one] == []
    assert [n for n, one in lock["packages"].items() if n and "integrity" not in one] == []


def _sources() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.is_relative_to(PACKAGE) and path.suffix in {".ts", ".tsx"}
    ]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_short_enough_to_be_read_at_once(path: Path):
    lines = path.read_text().splitlines()

    assert [line for line in lines if len(line) > LINE_CHARS_MAX] == []
    assert len(lines) <= FILE_LINES_MAX or path == contract_types.CONTRACT

"""The page: whole types, its own tests, and a build in the package that is that of its sources."""

import json
import re
from pathlib import Path

import pytest

from tests.house.repository import ROOT, tracked_files
from tests.npm import npm_run

CONSOLE = ROOT / "src" / "console"
BUILT = ROOT / "src" / "roomlog" / "http" / "console"
FILE_LINES_MAX = 400
LINE_CHARS_MAX = 100
SCRIPT_TIMEOUT_S = 200
BUNDLE_BYTES_MAX = 500_000


@pytest.mark.parametrize("script", ["typecheck", "test"])
def test_the_page_is_sound(script: str):
    told = npm_run(CONSOLE, script, timeout_s=SCRIPT_TIMEOUT_S)

    assert told.returncode == 0, told.stdout[-6000:]


def test_the_build_in_the_package_is_that_of_the_sources(tmp_path: Path):
    told = npm_run(CONSOLE, "build", timeout_s=SCRIPT_TIMEOUT_S, ROOMLOG_CONSOLE_OUT=str(tmp_path))

    assert told.returncode == 0, told.stdout[-6000:]
    assert _files(tmp_path) == _files(BUILT), "run npm run build in src/console"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_build_asks_for_nothing_but_its_own_files():
    page = (BUILT / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(loaded) == 3
    assert all((BUILT / path.removeprefix("/")).is_file() for path in loaded)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]* src=)", page)
    assert not re.search(rb"url\(|@import", _bundle("*.css"))
    assert len(_bundle("*.js")) <= BUNDLE_BYTES_MAX


def _bundle(pattern: str) -> bytes:
    (path,) = (BUILT / "assets").glob(pattern)
    return path.read_bytes()


def test_the_lock_is_silent_about_where_packages_come_from():
    lock = json.loads((CONSOLE / "package-lock.json").read_text())

    assert [name for name, one in lock["packages"].items() if "resolved" in one] == []
    assert [n for n, one in lock["packages"].items() if n and "integrity" not in one] == []


def test_only_one_place_puts_html_into_the_page():
    """And what it puts there is the server's: see the page's policy."""
    puts = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|dangerously")
    sources = [path for path in _sources() if path.is_relative_to(CONSOLE / "src")]

    assert sources
    assert [path.name for path in sources if puts.search(path.read_text())] == ["html.tsx"]


def _sources() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.is_relative_to(CONSOLE) and path.suffix in {".ts", ".tsx"}
    ]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(CONSOLE)))
def test_a_file_is_short_enough_to_be_read_at_once(path: Path):
    lines = path.read_text().splitlines()

    assert [line for line in lines if len(line) > LINE_CHARS_MAX] == []
    assert len(lines) <= FILE_LINES_MAX

"""The house rules that tools can check."""

import json
from pathlib import Path

import pytest

from tests.house.repository import ROOT, run, script

FILE_LINES_MAX = 450
_SOURCE = [p for folder in ("src", "projections") for p in (ROOT / folder).rglob("*.py")]


def test_the_flow_has_one_direction_and_each_library_its_one_place():
    told = run(script("lint-imports"), "--no-cache", environment={"COLUMNS": "200"})

    assert told.returncode == 0, told.stdout[-4000:]


def test_nothing_is_left_for_the_linter_to_say():
    told = run(script("ruff"), "check", "--output-format", "concise", ".")

    assert told.returncode == 0, told.stdout[-4000:]


def test_every_file_is_formatted():
    told = run(script("ruff"), "format", "--check", ".")

    assert told.returncode == 0, told.stdout[-4000:]


def test_types_are_complete():
    told = run(script("basedpyright"))

    assert told.returncode == 0, told.stdout[-4000:]


_IMPURE = """\
import asyncio
import datetime
import os
import random
import secrets
import socket
import time
from pathlib import Path
from uuid import uuid1, uuid4

from uuid_utils import uuid7

datetime.datetime.now()
datetime.datetime.utcnow()
datetime.datetime.today()
datetime.date.today()
"""
_BANNED = {
    *("asyncio", "os", "random", "secrets", "socket", "time", "pathlib"),
    *("uuid.uuid1", "uuid.uuid4", "uuid_utils"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    "datetime.date.today",
}


@pytest.mark.parametrize("folder", ["src/roomlog/core", "src/roomlog_client/core", "projections"])
def test_the_pure_parts_may_not_name_clock_ids_chance_tasks_or_files(folder: str):
    assert _banned_in(f"{folder}/_not_there.py") == _BANNED


def test_the_shell_may():
    assert _banned_in("src/roomlog/services/_not_there.py") == set()


def _banned_in(name: str) -> set[str]:
    told = run(
        script("ruff"),
        *("check", "--select", "TID251", "--output-format", "json"),
        *("--stdin-filename", name, "-"),
        text=_IMPURE,
    )
    return {found["message"].split("`")[1] for found in json.loads(told.stdout)}


@pytest.mark.parametrize("path", _SOURCE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_be_read_at_once(path: Path):
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX

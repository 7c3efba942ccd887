"""Folders that PostgreSQL's own user may enter, and waiting for conditions."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.stack import data_directory


@pytest.fixture
def folder() -> Generator[Path]:
    path = data_directory()
    yield path
    shutil.rmtree(path)

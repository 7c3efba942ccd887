"""Benchmarks run by hand only: what would keep one from starting shows here."""

import importlib

import pytest

from bench.__main__ import benchmarks
from tests.house.repository import ROOT

_MODULES = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if path.stem != "__main__")


@pytest.mark.parametrize("name", _MODULES)
def test_each_module_of_the_benchmarks_can_be_imported(name: str):
    importlib.import_module(f"bench.{name}")


def test_each_benchmark_can_be_run_from_the_command_line():
    for name in benchmarks():
        assert callable(importlib.import_module(f"bench.{name}").main), name

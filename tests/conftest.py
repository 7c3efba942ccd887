"""Fixtures that all tests share."""

import asyncio
import gc
import io
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.stack import Stack, running_stack

# How long an example takes says how loaded the machine is. In CI hypothesis knows that by itself.
if "CI" not in os.environ:
    settings.register_profile(
        "loaded", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("loaded")


@pytest.fixture(scope="session")
def stack() -> Generator[Stack]:
    """One running `roomlog up` for all tests that only use it; limits are set out of the way."""
    with running_stack(
        USER_MESSAGES_PER_SECOND="0",
        ROOM_MESSAGES_PER_SECOND="0",
        CONNECTS_PER_MINUTE="0",
        SPAM_GUARD="off",
    ) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that came to its deadline tells what every task of asyncio waited for."""
    report = yield
    if call.excinfo is not None and "from pytest-timeout" in str(call.excinfo.value):
        told = io.StringIO()
        for one in gc.get_objects():
            if isinstance(one, asyncio.Task) and not one.done():
                one.print_stack(file=told)
        report.sections.append(("tasks at the deadline", told.getvalue()))
    return report

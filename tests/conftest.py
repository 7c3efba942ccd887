"""Fixtures that all tests share."""

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

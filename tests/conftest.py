"""Fixtures that all tests share."""

from collections.abc import Generator

import pytest

from tests.stack import Stack, running_stack


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

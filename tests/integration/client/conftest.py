"""A server for what is done to the connections of clients."""

from collections.abc import Generator

import pytest

from tests.stack import Stack, running_stack

HEARTBEAT_S = 2


@pytest.fixture(scope="package")
def restless() -> Generator[Stack]:
    """A `roomlog up` with a short heartbeat, and a rate that a burst of sends comes against."""
    with running_stack(
        USER_MESSAGES_PER_SECOND="60",
        ROOM_MESSAGES_PER_SECOND="0",
        CONNECTS_PER_MINUTE="0",
        SPAM_GUARD="off",
        HEARTBEAT_SECONDS=str(HEARTBEAT_S),
    ) as running:
        yield running

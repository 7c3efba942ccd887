from collections.abc import Generator

import pytest

from tests.integration.http.api import Api
from tests.stack import Stack


@pytest.fixture(scope="session")
def api(stack: Stack) -> Generator[Api]:
    running = Api(stack)
    yield running
    running.client.close()

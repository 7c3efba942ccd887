"""The connection to NATS on the event loop that serves."""

import asyncio

import pytest
import uvloop

from roomlog.jetstream.connection import Connection
from roomlog.ports import LogUnavailableError

from .conftest import Server


def test_what_is_written_to_a_socket_that_is_gone_is_lost_as_on_any_other(server: Server) -> None:
    """uvloop raises a RuntimeError of its own there, until the connection is known to be lost."""

    async def write_until_that_is_known() -> None:
        connection = Connection(server.url)
        await connection.open()
        try:
            assert connection._client is not None
            connection._client.abort()
            async with asyncio.timeout(30):
                while True:
                    connection.publish("subject", b"")
                    await asyncio.sleep(0)
        finally:
            await connection.close()

    with pytest.raises(LogUnavailableError, match="no connection"):
        uvloop.run(write_until_that_is_known())

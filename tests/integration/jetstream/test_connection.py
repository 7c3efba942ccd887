"""A connection that breaks, in each turn of the event loop in which it may be noticed."""

import asyncio
import time

from roomlog.jetstream.connection import Connection, Reply
from roomlog.ports import LogUnavailableError

from .conftest import Server

_TURNS = 50


async def test_what_is_asked_while_a_connection_breaks_is_answered_with_log_unavailable(
    server: Server,
):
    connection = Connection(server.url)
    await connection.open()
    try:
        server.kill()
        asked: list[asyncio.Task[Reply]] = []
        for _ in range(_TURNS):
            asked.append(asyncio.create_task(connection.request("nobody.there", timeout_s=1)))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [LogUnavailableError] * _TURNS
        server.start()
        await connection.wait_connected(30)
        assert await connection.request("$JS.API.INFO", timeout_s=30)
    finally:
        await connection.close()


async def test_it_closes_in_any_turn_of_its_connecting(server: Server):
    hung: list[int] = []
    for turns in range(_TURNS):
        connection = Connection(server.url)
        connection.begin()
        for _ in range(turns):
            await asyncio.sleep(0)
            time.sleep(0.001)
        closing = asyncio.create_task(connection.close())
        await asyncio.wait([closing], timeout=5)
        if not closing.done():
            hung.append(turns)
    assert not hung

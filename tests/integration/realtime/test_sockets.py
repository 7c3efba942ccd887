"""Whoever connects is let in soon, however many do so at once."""

import asyncio
import contextlib
import socket

from roomlog.http.sockets import listening_sockets

_AT_ONCE = 64
_TURNS = 40


class Counting(asyncio.Protocol):
    """Counts who has been let in."""

    connected = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Counting.connected += 1


async def test_all_who_connect_at_once_are_let_in_within_less_turns_than_they_are():
    loop = asyncio.get_running_loop()
    sockets = listening_sockets("127.0.0.1", 0)
    assert len({one.getsockname() for one in sockets}) == 1
    async with contextlib.AsyncExitStack() as open_ones:
        for one in sockets:
            server = await loop.create_server(Counting, sock=one, backlog=_AT_ONCE)
            await open_ones.enter_async_context(server)
        for _ in range(_AT_ONCE):
            client = socket.create_connection(sockets[0].getsockname(), timeout=30)
            open_ones.enter_context(client)
        assert Counting.connected == 0
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        # By one socket it would be as many as there were turns.
        assert Counting.connected == _AT_ONCE

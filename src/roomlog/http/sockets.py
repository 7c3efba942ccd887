"""The sockets that a worker listens on."""

import socket
from typing import Final

SOCKETS: Final = 8


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Several of the same port, which the kernel shares out whoever connects to, here and among
    workers. The caller listens on them and closes them. Raises OSError.

    libuv takes one connection of each in a turn of the event loop. With one socket, whoever
    connects would wait for as many turns as others connect at the same time, unknown to the server.
    """
    first = _bound(host, port)
    there = int(first.getsockname()[1])
    return [first, *(_bound(host, there) for _ in range(SOCKETS - 1))]


def _bound(host: str, port: int) -> socket.socket:
    # SO_REUSEPORT spreads connections evenly over workers, which uvicorn's own workers do not.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener

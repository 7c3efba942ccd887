"""Ports on this machine: free ones for the servers, and a reservation for the API."""

import random
import socket
from pathlib import Path

from roomlog.embedded.errors import EmbeddedError

_LOWEST_PORT = 15_000
_EPHEMERAL_FROM = 32_768
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES_MAX = 200


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now.

    It lies below the ephemeral range: a client that keeps reconnecting to an ephemeral port
    whose server is away can be given that very port as its own, connects to itself (TCP's
    simultaneous open), and the server never gets its port back.
    """
    try:
        ephemeral_from = int(_RANGE_FILE.read_text().split()[0])
    except OSError:
        ephemeral_from = _EPHEMERAL_FROM
    highest = ephemeral_from if ephemeral_from > _LOWEST_PORT + 1000 else _EPHEMERAL_FROM
    for _ in range(_TRIES_MAX):
        port = random.randrange(_LOWEST_PORT, highest)  # noqa: S311 - not a secret
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise EmbeddedError("no free port found on 127.0.0.1: stop other servers on this machine")


def reserve_port(host: str, port: int) -> socket.socket:
    """A bound socket that never listens, holding `port` (0: a free one) for the API's workers.

    The workers bind the same port with SO_REUSEPORT; the socket returned keeps strangers away
    while all of them are down. The caller closes it at the end. Raises EmbeddedError when
    the port is taken or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Bound without SO_REUSEPORT first: with it, the kernel would let this user share the port
    # with another server, which would then take half of the connections.
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = int(probe.getsockname()[1])
        reservation = socket.socket(family, socket.SOCK_STREAM)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind((host, port))
    except OSError as error:
        raise EmbeddedError(
            f"cannot use port {port} on {host} ({error.strerror}): "
            "stop what listens there, or give another one with --port"
        ) from error
    return reservation

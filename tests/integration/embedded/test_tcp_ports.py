"""Ports for the servers and the reservation for the API."""

import socket
from pathlib import Path

import pytest

from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.tcp_ports import free_port, reserve_port


def test_a_reserved_port_is_for_workers_and_for_nobody_else():
    with reserve_port("127.0.0.1", 0) as reservation:
        address = reservation.getsockname()
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(address)
        with socket.socket() as client:
            assert client.connect_ex(address) != 0
        with socket.socket() as worker, socket.socket() as client:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(address)
            worker.listen()
            client.connect(address)


def test_a_second_reservation_of_the_same_port_is_refused():
    with (
        reserve_port("127.0.0.1", 0) as reservation,
        pytest.raises(EmbeddedError, match="--port"),
    ):
        reserve_port("127.0.0.1", reservation.getsockname()[1])


def test_a_port_is_free_again_at_once_after_its_connections_were_closed_by_the_server():
    with reserve_port("127.0.0.1", 0) as reservation:
        address = reservation.getsockname()
        with socket.socket() as worker, socket.socket() as client:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            worker.bind(address)
            worker.listen()
            client.connect(address)
            accepted = worker.accept()[0]
            accepted.close()
            assert client.recv(1) == b""
    reserve_port("127.0.0.1", address[1]).close()


def test_a_host_that_is_not_this_machine_is_refused():
    with pytest.raises(EmbeddedError, match=r"192\.0\.2\.1"):
        reserve_port("192.0.2.1", 0)


def test_free_ports_lie_where_no_client_gets_its_own():
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    ephemeral_from = int(ephemeral.split()[0])
    assert all(free_port() < ephemeral_from for _ in range(20))

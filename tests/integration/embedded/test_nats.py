"""The embedded NATS server."""

import os
import signal
import socket

import nats
import psutil

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.nats import NatsServer, run_nats
from roomlog.embedded.processes import Process, processes_in
from roomlog.embedded.servers import await_ready, running
from tests.integration.embedded.waiting import eventually


async def test_jetstream_keeps_what_it_acknowledged_over_a_restart(folder):
    with run_nats(folder) as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s"])
        assert (await stream.publish("s", b"kept")).seq == 1
        await client.close()
    with run_nats(folder) as server:
        client = await nats.connect(server.url)
        assert (await client.jetstream().get_msg("S", 1)).data == b"kept"
        await client.close()


def test_strangers_are_refused(folder):
    with run_nats(folder) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            lines = client.makefile("rb")
            assert lines.readline().startswith(b"INFO ")
            client.sendall(b'CONNECT {"verbose":false,"user":"roomlog","pass":"guess"}\r\nPING\r\n')
            assert b"Authorization Violation" in lines.readline()


async def test_erasing_is_not_the_ordinary_users_right(folder):
    with run_nats(folder) as server:
        refused: list[Exception] = []

        async def on_error(error: Exception) -> None:
            refused.append(error)

        client = await nats.connect(server.url, error_cb=on_error)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s"])
        await stream.publish("s", b"kept")
        await client.publish("$JS.API.STREAM.MSG.DELETE.S", b'{"seq":1}')
        await client.flush()
        assert (await stream.get_msg("S", 1)).data == b"kept"
        assert "permissions violation" in str(refused[0]).lower()
        await client.close()


def test_the_password_is_in_no_argument_and_no_file_of_others(folder):
    server = NatsServer(DataDirectory(folder))
    password = server.url.split(":")[2].split("@")[0]
    with running(server) as process:
        assert password not in " ".join(psutil.Process(process.pid).cmdline())
    holders = [
        path
        for path in folder.rglob("*")
        if path.is_file() and password in path.read_text("latin1")
    ]
    assert {path.name for path in holders} == {"nats_password", "embedded.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders)


def test_a_killed_server_comes_back_under_the_same_address(folder):
    server = NatsServer(DataDirectory(folder))
    url = server.url
    first = await_ready(server, Process(server.prepare()))
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: first.exit_code() is not None)
    with running(server) as second:
        assert second.pid != first.pid
        assert server.url == url


def test_a_server_left_by_an_earlier_run_is_ended_before_another_uses_its_folder(folder):
    first = NatsServer(DataDirectory(folder))
    left = await_ready(first, Process(first.prepare()))
    with run_nats(folder):
        assert left.exit_code() is not None
        assert len(processes_in(folder / "nats", "nats-server")) == 1


def test_a_port_taken_meanwhile_is_replaced_before_anybody_knows_it(folder):
    with run_nats(folder / "one") as other:
        taken = int(other.url.rsplit(":", 1)[1])
        server = NatsServer(DataDirectory(folder / "two"))
        server._port = taken
        with running(server):
            assert int(server.url.rsplit(":", 1)[1]) != taken

"""What another user of the same machine gets of a running `roomlog up`: nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from tests.stack import Stack

WAIT_S = 60.0
# A user whom no system has: PostgreSQL itself runs as `nobody` when root starts it.
STRANGER = 12345
as_stranger = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

# Prints each file that it can read, each folder that it can list or write to, below its arguments.
_LOOK_AROUND = """
import os, sys
for root in sys.argv[1:]:
    todo = [root]
    while todo:
        path = todo.pop()
        try:
            if os.path.isdir(path):
                if os.access(path, os.W_OK):
                    print(path)
                inside = os.listdir(path)
                if path != root:
                    print(path)
                todo += [os.path.join(path, name) for name in inside]
            else:
                open(path, "rb").close()
                print(path)
        except OSError:
            pass
"""


def _secrets(stack: Stack) -> dict[str, str]:
    folder = stack.data / "secrets"
    return {path.name: path.read_text().strip() for path in folder.iterdir()}


def _processes(stack: Stack) -> list[psutil.Process]:
    up = psutil.Process(stack.process.pid)
    return [up, *up.children(recursive=True)]


def _seen_by_a_stranger(*paths: Path) -> list[str]:
    told = subprocess.run(
        # Not this environment's Python: its folders may be closed to a stranger.
        ["/usr/bin/env", "python3", "-I", "-c", _LOOK_AROUND, *map(str, paths)],
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.environ["PATH"] if sys.prefix == sys.base_prefix else os.defpath},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    return told.stdout.split("\n")[:-1]


@as_stranger
def test_a_stranger_reads_nothing_in_the_data_directory(stack: Stack):
    open_to_all = stack.data / "open"
    open_to_all.write_text("")
    open_to_all.chmod(0o644)
    try:
        seen = _seen_by_a_stranger(stack.data)
    finally:
        open_to_all.unlink()
    # The tests' own file, which what the tests themselves leave there may lie beside.
    assert str(open_to_all) in seen
    assert set(seen) - {str(open_to_all), str(stack.data / "up.stderr")} == set()


@as_stranger
def test_a_stranger_reads_no_environment_of_any_process(stack: Stack):
    files = [Path(f"/proc/{process.pid}/environ") for process in _processes(stack)]

    assert _seen_by_a_stranger(*files) == []


def test_files_are_their_owners_alone_wherever_they_are_moved(stack: Stack):
    ours = [path for path in stack.data.rglob("*") if not path.is_symlink()]
    ours.remove(stack.data / "up.stderr")
    open_to_others = [str(path) for path in ours if path.stat().st_mode & 0o077]

    assert {"run.json", "secrets", "nats", "postgres", "logs"} <= {path.name for path in ours}
    assert open_to_others == []


def test_no_secret_is_in_a_command_line_or_a_log(stack: Stack):
    secrets = _secrets(stack)
    lines = [" ".join(process.cmdline()) for process in _processes(stack)]
    logs = [*(stack.data / "logs").iterdir(), stack.data / "up.stderr"]
    printed = [path.read_text(errors="replace") for path in logs]

    assert {"nats_password", "postgres_password", "jwt_secret", "audit_key"} <= secrets.keys()
    assert any("nats-server" in line for line in lines)
    found = [name for name, value in secrets.items() if any(value in t for t in lines + printed)]
    assert found == []


def test_everything_listens_on_this_machine_alone_and_only_where_passwords_are_asked(stack: Stack):
    urls = [stack.run[name] for name in ("base_url", "nats_url", "database_url")]
    expected = {("127.0.0.1", urlsplit(url).port) for url in urls}
    listening: set[tuple[str, int]] = set()
    unix: list[str] = []
    for process in _processes(stack):
        for connection in process.net_connections("all"):
            if connection.family == socket.AF_UNIX:
                unix += [connection.laddr] if connection.laddr else []
            elif connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM:
                listening.add((connection.laddr.ip, connection.laddr.port))

    assert listening == expected
    assert unix == []


@pytest.mark.parametrize(
    "connect",
    [
        b'CONNECT {"verbose":false}\r\nPING\r\n',
        b'CONNECT {"verbose":false,"user":"roomlog"}\r\nPING\r\n',
        b'CONNECT {"verbose":false,"user":"roomlog","pass":""}\r\nPING\r\n',
        b'CONNECT {"verbose":false,"auth_token":"roomlog"}\r\nPING\r\n',
        b"SUB live.> 1\r\nPING\r\n",
    ],
)
def test_nats_takes_nobody_without_the_password(stack: Stack, connect: bytes):
    at = urlsplit(stack.run["nats_url"])
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=WAIT_S) as client:
        lines = client.makefile("rb")
        assert lines.readline().startswith(b"INFO ")
        client.sendall(connect)
        assert b"Authorization Violation" in lines.readline()


@pytest.mark.parametrize("user", ["roomlog", "postgres", "nobody"])
@pytest.mark.parametrize("database", ["roomlog", "postgres", "template1"])
@pytest.mark.parametrize("password", [None, "", "guess"])
async def test_postgresql_takes_nobody_without_the_password(
    stack: Stack, user: str, database: str, password: str | None
):
    at = urlsplit(stack.run["database_url"])
    with pytest.raises(
        (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
    ):
        await asyncpg.connect(
            host=at.hostname, port=at.port, user=user, database=database, password=password
        )


async def test_postgresql_asks_every_way_in_for_a_scram_proof(stack: Stack):
    connection = await asyncpg.connect(stack.run["database_url"])
    try:
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        kept = await connection.fetch("SELECT rolpassword FROM pg_authid WHERE rolcanlogin")
    finally:
        await connection.close()

    assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
    assert [row["rolpassword"][:14] for row in kept] == ["SCRAM-SHA-256$"]

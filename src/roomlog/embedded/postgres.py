"""The embedded PostgreSQL: the tables of a `--data DIR`, made again from the log when lost."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.postgres_placement import ELSEWHERE, Placement, place
from roomlog.embedded.processes import (
    Process,
    ProcessSpec,
    death_signal_setter,
    end_leftovers,
)
from roomlog.embedded.servers import running
from roomlog.embedded.tcp_ports import free_port
from roomlog.files import write_private

USER = "roomlog"
DATABASE = "roomlog"
MAJOR_VERSION = "18"
_EXECUTABLE = "postgres"
_SETUP_TIMEOUT_S = 120.0
_STATUS_LINE = 8  # Of postmaster.pid; pg_ctl waits by it too.

# Log lines must not carry what people said: terse drops "Failing row contains", and a failing
# statement is not printed. Idle memory is small: the whole service has some 350 MB, and shared
# buffers are taken only as they fill. They hold some 400,000 messages with all that finds them.
_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = '256MB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
huge_pages = off
jit = off
io_method = sync
fsync = on
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
wal_recycle = off
max_wal_size = '512MB'
checkpoint_timeout = '5min'
gin_pending_list_limit = 1024
timezone = 'UTC'
log_timezone = 'UTC'
log_error_verbosity = terse
log_min_error_statement = panic
log_min_messages = warning
log_checkpoints = off
logging_collector = off
"""


class PostgresServer:
    """The tables' server. `url` is valid from the start and stays the same."""

    name = "postgres"

    def __init__(self, data: DataDirectory, elsewhere: tuple[Path, ...] = ELSEWHERE) -> None:
        self._data = data
        self._elsewhere = elsewhere
        self._password = data.secret("postgres_password")
        self._port = free_port()
        self._folder: Path | None = None

    @property
    def url(self) -> str:
        """Where clients reach it: `postgresql://roomlog:PASSWORD@127.0.0.1:PORT/roomlog`."""
        password = quote(self._password, safe="")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/{DATABASE}"

    def choose_port(self) -> None:
        """Take another free port."""
        self._port = free_port()

    def prepare(self) -> ProcessSpec:
        """Create the database where it is missing, end what an earlier run left, say what to run.

        Raises EmbeddedError when there is no place for it or the data is of another version.
        """
        placement = place(self._data, self._elsewhere)
        folder = placement.folder / "data"
        self._folder = folder
        if not folder.exists():
            self._create(placement, folder)
        _check_version(folder)
        _clear_leftovers(folder)
        self._configure(placement, folder)
        return ProcessSpec(
            name=self.name,
            argv=(placement.binary(_EXECUTABLE), "-D", str(folder)),
            cwd=Path("/"),
            env=_environment(),
            log=self._data.log_path(self.name),
            account=placement.account,
            # Fast shutdown: sessions are ended, a checkpoint is written.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )

    def is_ready(self, process: Process) -> bool:
        """Whether that very process says in its pid file that it takes clients."""
        if self._folder is None or process.exit_code() is not None:
            return False
        lines = _pid_file_lines(self._folder)
        return (
            len(lines) >= _STATUS_LINE
            and lines[0] == str(process.pid)
            and lines[_STATUS_LINE - 1].strip() == "ready"
        )

    def _create(self, placement: Placement, folder: Path) -> None:
        """Make the cluster and its database beside `folder`, and move them there when complete."""
        new = folder.with_name("new")
        shutil.rmtree(new, ignore_errors=True)
        password_file = folder.with_name("password")
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self._password + "\n")
            if placement.account:
                os.chown(password_file, placement.account.uid, placement.account.gid)
            self._initialise(placement, new, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        with (new / "postgresql.conf").open("a") as file:
            file.write("include 'roomlog.conf'\n")
        self._configure(placement, new)
        _run(
            placement,
            (placement.binary(_EXECUTABLE), "--single", "-F", "-D", str(new), "postgres"),
            f"CREATE DATABASE {DATABASE} STRATEGY wal_log\n",
        )
        new.rename(folder)

    def _configure(self, placement: Placement, folder: Path) -> None:
        path = folder / "roomlog.conf"
        write_private(path, _CONFIGURATION.format(port=self._port).encode())
        if placement.account:
            os.chown(path, placement.account.uid, placement.account.gid)

    def _initialise(self, placement: Placement, new: Path, password_file: Path) -> None:
        """Run initdb. Character classes come from C.UTF-8 where the system has it."""
        # No sync: what a power cut spoils before the first checkpoint is made again from the log.
        arguments = (
            placement.binary("initdb"), f"--pgdata={new}", f"--username={USER}",
            f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip
        try:
            _run(placement, (*arguments, "--lc-ctype=C.UTF-8"))
        except EmbeddedError as error:
            if "locale" not in str(error):
                raise
            shutil.rmtree(new, ignore_errors=True)
            _run(placement, arguments)


@contextlib.contextmanager
def run_postgres(folder: Path) -> Generator[PostgresServer]:
    """Run PostgreSQL with its data in `folder`, for the length of a `with` block.

    As root it runs as `nobody`: a folder that all may enter saves the copying elsewhere.
    """
    server = PostgresServer(DataDirectory(folder))
    with running(server):
        yield server


def _environment() -> dict[str, str]:
    """What PostgreSQL gets to see: nothing of ours, and no PG* or LC_* that would bend it."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {"TZ": "UTC", "LC_ALL": "C"} | {
        name: os.environ[name] for name in kept if name in os.environ
    }


def _run(placement: Placement, arguments: tuple[str, ...], standard_input: str = "") -> None:
    """Run one of PostgreSQL's programs to its end. Raises EmbeddedError when it fails."""
    account = placement.account
    try:
        result = subprocess.run(  # noqa: S603 - our own programs, no shell
            arguments,
            input=standard_input,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_SETUP_TIMEOUT_S,
            check=False,
            start_new_session=True,
            preexec_fn=death_signal_setter(signal.SIGKILL),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired as error:
        raise EmbeddedError(
            f"PostgreSQL's {Path(arguments[0]).name} took more than {_SETUP_TIMEOUT_S:.0f} s: "
            "is the disk very slow?"
        ) from error
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "error" in line.lower()), (lines or ["?"])[-1])
        raise EmbeddedError(f"PostgreSQL's {Path(arguments[0]).name} failed: {reason}")


def _check_version(folder: Path) -> None:
    try:
        found = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedError(
            f"{folder} holds no PostgreSQL data ({error.strerror}): "
            "remove it, and the tables are made again from the log"
        ) from error
    if found != MAJOR_VERSION:
        raise EmbeddedError(
            f"{folder} holds data of PostgreSQL {found}, and this is {MAJOR_VERSION}: "
            "remove it, and the tables are made again from the log"
        )


def _clear_leftovers(folder: Path) -> None:
    """End processes of an earlier run, and remove its pid file if it is nobody's any more.

    PostgreSQL itself refuses to start when the old pid now belongs to any other process.
    """
    end_leftovers(folder, _EXECUTABLE, signal.SIGQUIT)
    if Path("/proc/self/cwd").exists():
        (folder / "postmaster.pid").unlink(missing_ok=True)


def _pid_file_lines(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []

"""The data directory: its folders, its secrets, its lock, and `run.json`.

DIR/lock        held by the `roomlog up` that runs here
DIR/run.json    where the servers are (owner only), while they run
DIR/secrets/    generated passwords and keys (owner only)
DIR/nats/       the log: the truth
DIR/postgres/   the tables: made again from the log when lost
DIR/logs/       what the children print
DIR/metrics/    what the children count, while they run
"""

import base64
import contextlib
import errno
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Generator
from pathlib import Path

import msgspec

from roomlog.embedded.errors import EmbeddedError
from roomlog.files import write_private
from roomlog.settings import audit_key_file

SECRET_BYTES = 48

_log = logging.getLogger(__name__)


class Pids(msgspec.Struct, frozen=True):
    """The processes of a running `roomlog up`; of one that died, until it runs again, the last."""

    supervisor: int
    nats: int
    postgres: int
    projector: int
    api: list[int]


class RunFile(msgspec.Struct, frozen=True):
    """What `run.json` says: where a running `roomlog up` can be reached."""

    base_url: str
    nats_url: str
    database_url: str
    pids: Pids
    nats_erase_url: str = ""


class DataDirectory:
    """One `--data DIR`. Making it creates the directory where it is missing.

    Raises EmbeddedError when it cannot be created or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(
                f"cannot create the data directory {self.path} ({error.strerror}): "
                "give another one with --data"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise EmbeddedError(
                f"the data directory {self.path} is not writable for this user: "
                "give another one with --data, or run as its owner"
            )
        status = self.path.stat()
        self._trusted = {os.geteuid(), status.st_uid}
        if status.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            raise EmbeddedError(
                f"anybody may exchange what lies in the data directory {self.path}: "
                f"chmod o-w {self.path}, or give another one with --data"
            )

    def private_folder(self, name: str) -> Path:
        """`DIR/name`, with access for the owner only, also where a copy of it was opened to all.

        Raises EmbeddedError when somebody else made it, who could read what is put there.
        """
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid not in self._trusted:
            raise EmbeddedError(
                f"{folder} belongs to another user than {self.path}: "
                "find out who made it and remove it, or give another directory with --data"
            )
        _close_to_others(folder)
        return folder

    def log_path(self, name: str) -> Path:
        """Where the process of that name prints to."""
        return self.private_folder("logs") / f"{name}.log"

    def clear_metrics(self) -> None:
        """Begin counting at nothing: what is there was counted by processes of an earlier run."""
        for path in self.metrics.glob("*.db"):
            path.unlink(missing_ok=True)

    @property
    def metrics(self) -> Path:
        """Where the processes keep what they count, so that each can answer for all."""
        return self.private_folder("metrics")

    def secret(self, name: str) -> str:
        """The secret of that name: 48 random bytes in URL-safe base64, made when missing."""
        path = self.private_folder("secrets") / name
        with contextlib.suppress(FileNotFoundError):
            return _read_private(path)
        value = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        write_private(path, f"{value}\n".encode())
        return value

    def audit_key(self) -> str:
        """The key that signs checkpoints, as `signed_note` writes it, made when missing. Its name
        is random, so that no two logs have the same."""
        path = audit_key_file(self.path)
        self.private_folder(path.parent.name)
        with contextlib.suppress(FileNotFoundError):
            return _read_private(path)
        # Imported once in a directory's life: it is large.
        from roomlog.core.signed_note import SigningKey  # noqa: PLC0415

        key = SigningKey(f"roomlog/{secrets.token_hex(8)}", secrets.token_bytes(32)).written()
        write_private(path, f"{key}\n".encode())
        return key

    @property
    def run_file(self) -> Path:
        """Where `run.json` is while the servers run."""
        return self.path / "run.json"

    def write_run_file(self, run: RunFile) -> None:
        """Put `run.json` in place of what was there, at once and readable by its owner only."""
        write_private(self.run_file, msgspec.json.format(msgspec.json.encode(run)) + b"\n")

    def read_run_file(self) -> RunFile | None:
        """What `run.json` says, or None where there is none that can be understood."""
        try:
            return msgspec.json.decode(self.run_file.read_bytes(), type=RunFile)
        except (OSError, msgspec.DecodeError):
            return None

    def remove_run_file(self) -> None:
        """Say that nothing runs here any more."""
        self.run_file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Hold the directory for this process; the lock ends with the process at the latest.

        Raises EmbeddedError when another process holds it.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode().strip()
            os.close(descriptor)
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            raise EmbeddedError(
                f"another `roomlog up` (process {holder or 'unknown'}) uses {self.path}: "
                "stop it, or give another directory with --data"
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


def _close_to_others(path: Path) -> bool:
    """Leave what is ours to ourselves; return whether others had any access to it until now."""
    status = path.stat()
    if status.st_mode & 0o077 == 0 or os.geteuid() not in {0, status.st_uid}:
        return False
    path.chmod(stat.S_IMODE(status.st_mode) & 0o700)
    return True


def _read_private(path: Path) -> str:
    text = path.read_text().strip()
    if _close_to_others(path):
        _log.warning(
            "others could read %s until now: if that matters, replace it (see docs/security.md)",
            path,
        )
    return text

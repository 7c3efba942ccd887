"""The data directory is its owner's alone."""

import os
from pathlib import Path

import pytest

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.processes import LOG_BYTES_MAX, shorten_log


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_copy_that_was_opened_to_all_is_closed_and_the_reader_is_told(folder, caplog):
    secret = DataDirectory(folder).secret("jwt_secret")
    key = DataDirectory(folder).audit_key()
    files = [folder / "secrets" / name for name in ("jwt_secret", "audit_key")]
    for file in files:
        file.chmod(0o644)
    (folder / "secrets").chmod(0o755)

    data = DataDirectory(folder)
    assert (data.secret("jwt_secret"), data.audit_key()) == (secret, key)

    assert [_mode(path) for path in (folder / "secrets", *files)] == [0o700, 0o600, 0o600]
    for file in files:
        assert f"others could read {file}" in caplog.text
    assert secret not in caplog.text


def test_one_that_anybody_may_change_is_refused(folder):
    folder.chmod(0o777)
    with pytest.raises(EmbeddedError, match=f"chmod o-w {folder}"):
        DataDirectory(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_secrets_are_put_into_no_folder_that_another_user_made(folder):
    folder.chmod(0o1777)
    (folder / "secrets").mkdir()
    os.chown(folder / "secrets", 12345, 12345)
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        DataDirectory(folder).secret("jwt_secret")
    assert list((folder / "secrets").iterdir()) == []


def test_what_moves_out_of_a_long_log_stays_its_owners_alone(folder):
    log = folder / "api.log"
    log.touch(mode=0o600)
    os.truncate(log, LOG_BYTES_MAX + 1)
    shorten_log(log)
    assert _mode(folder / "api.log.1") == 0o600

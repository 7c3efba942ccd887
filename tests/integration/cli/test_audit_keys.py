"""`roomlog audit keys` and `new-key` without any server."""

import json
import subprocess
import sys
from pathlib import Path

from roomlog.core.signed_note import parse_signing_key, parse_verifier_key
from tests.stack import clean_environment


def audit(
    data: Path, *arguments: str, code: int = 0, **settings: str
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "roomlog", "audit", *arguments, "--data", str(data)],
        env=clean_environment(**{f"ROOMLOG_{k}": v for k, v in settings.items()}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def test_where_there_is_no_key_it_is_said_and_a_new_one_is_printed_to_be_set(tmp_path: Path):
    data = tmp_path / "none"
    assert "ROOMLOG_AUDIT_KEY" in audit(data, "keys", code=1).stderr
    assert json.loads(audit(data, "keys", "--json").stdout) == {"keys": []}

    made = audit(data, "new-key", "--name", "chat.example.org/log")
    given = dict(line.split("=", 1) for line in made.stdout.splitlines())
    key = parse_signing_key(given["ROOMLOG_AUDIT_KEY"])
    assert (key.name, given["ROOMLOG_AUDIT_OLD_KEYS"]) == ("chat.example.org/log", "")
    assert str(key.verifier) in made.stderr
    assert not data.exists()


def test_a_key_that_is_set_is_followed_by_another_of_its_name(tmp_path: Path):
    first = json.loads(audit(tmp_path, "new-key", "--name", "a.example/log", "--json").stdout)
    told = audit(tmp_path, "new-key", "--json", AUDIT_KEY=first["signing_key"]).stdout
    second = json.loads(told)
    assert parse_verifier_key(second["key"]).name == "a.example/log"
    assert second["old_keys"] == [first["key"]]

    third = audit(
        tmp_path,
        *("new-key", "--json"),
        AUDIT_KEY=second["signing_key"],
        AUDIT_OLD_KEYS=",".join(second["old_keys"]),
    )
    assert json.loads(third.stdout)["old_keys"] == [second["key"], first["key"]]


def test_in_a_data_directory_keys_are_kept_for_their_owner_alone(tmp_path: Path):
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    keys = [audit(tmp_path, "new-key").stdout.strip() for _ in range(3)]

    assert audit(tmp_path, "keys").stdout.split() == keys[::-1]
    told = json.loads(audit(tmp_path, "keys", "--json").stdout)["keys"]
    assert [key["current"] for key in told] == [True, False, False]
    assert len({key["name"] for key in told}) == 1
    for name in ("audit_key", "audit_old_keys"):
        assert (secrets / name).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in secrets.iterdir()} == {"audit_key", "audit_old_keys"}


def test_what_is_no_key_or_name_is_refused_without_being_told(tmp_path: Path):
    made = json.loads(audit(tmp_path, "new-key", "--json").stdout)
    damaged = made["signing_key"][:-4] + "AAA="
    refused = audit(tmp_path, "keys", code=1, AUDIT_KEY=damaged).stderr
    assert "ROOMLOG_AUDIT_KEY is not valid" in refused
    assert damaged[-20:] not in refused
    assert "ROOMLOG_AUDIT_OLD_KEYS" in audit(tmp_path, "keys", code=1, AUDIT_OLD_KEYS="x").stderr
    assert "spaces" in audit(tmp_path, "new-key", "--name", "a b", code=2).stderr


def test_wrong_use_is_told(tmp_path: Path):
    assert "UUID" in audit(tmp_path, "checkpoint", "lobby", code=2).stderr
    assert "needs a ROOM" in audit(tmp_path, "checkpoint", "--size", "1", code=2).stderr
    assert "ROOMLOG_" in audit(tmp_path, "checkpoint", code=1).stderr

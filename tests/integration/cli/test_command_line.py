"""The command line from outside: `token`, `settings`, and what it says when something is wrong."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest

from roomlog.cli import COMMANDS
from roomlog.cli.projections import PartitionStatus, in_words
from roomlog.settings import list_settings
from tests.stack import clean_environment

KEY = "k" * 48


def roomlog(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "roomlog", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=clean_environment(**environment),
        check=False,
    )


def one_line(result: "subprocess.CompletedProcess[str]", code: int) -> str:
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_token_says_who_what_and_until_when(tmp_path):
    result = roomlog(
        "token", "a@example.org", "--role", "admin", "--role", "auditor", "--ttl", "2h",
        "--name", "Ada", cwd=tmp_path, ROOMLOG_JWT_SECRET=KEY,
    )  # fmt: skip
    claims = jwt.decode(result.stdout.strip(), KEY, algorithms=["HS256"])
    assert claims["sub"] == "a@example.org"
    assert claims["roles"] == ["admin", "auditor"]
    assert claims["name"] == "Ada"
    assert claims["exp"] - claims["iat"] == 7200
    assert abs(claims["iat"] - time.time()) < 120


def test_a_token_carries_the_configured_audience_and_issuer(tmp_path):
    result = roomlog(
        "token", "a", cwd=tmp_path,
        ROOMLOG_JWT_SECRET=KEY, ROOMLOG_JWT_AUDIENCE="rooms", ROOMLOG_JWT_ISSUER="desk",
    )  # fmt: skip
    jwt.decode(result.stdout.strip(), KEY, algorithms=["HS256"], audience="rooms", issuer="desk")


def test_beside_a_key_set_there_is_nothing_to_sign_with(tmp_path):
    (tmp_path / ".roomlog" / "secrets").mkdir(parents=True)
    (tmp_path / ".roomlog" / "secrets" / "jwt_secret").write_text(KEY)
    for command in (("token", "a"), ("up", "--demo")):
        told = one_line(roomlog(*command, cwd=tmp_path, ROOMLOG_JWT_JWKS="keys.json"), 1)
        assert "set ROOMLOG_JWT_SECRET too" in told


def test_a_token_is_signed_with_the_data_directorys_key(tmp_path):
    (tmp_path / "d" / "secrets").mkdir(parents=True)
    (tmp_path / "d" / "secrets" / "jwt_secret").write_text(KEY + "\n")
    result = roomlog("token", "a", "--data", "d", cwd=tmp_path)
    jwt.decode(result.stdout.strip(), KEY, algorithms=["HS256"])


def test_without_a_key_it_says_what_to_do_and_makes_nothing(tmp_path):
    line = one_line(roomlog("token", "a", cwd=tmp_path), 1)
    assert "roomlog up" in line
    assert "ROOMLOG_JWT_SECRET" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",), ("token",), ("token", "a", "--ttl", "soon"), ("token", "a", "--ttl", "0s"),
        ("token", "a", "--role", "king"), ("token", " a"), ("token", "a", "--frob"),
        ("up", "--port", "70000"), ("up", "--workers", "0"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_in_one_line_and_exits_2(tmp_path, arguments):
    assert "--help" in one_line(roomlog(*arguments, cwd=tmp_path), 2)


def test_a_wrong_setting_is_told_in_one_line_and_exits_1(tmp_path):
    line = one_line(roomlog("up", cwd=tmp_path, ROOMLOG_PORT="many"), 1)
    assert "ROOMLOG_PORT" in line


def test_settings_are_listed_with_default_and_meaning(tmp_path):
    listed = json.loads(roomlog("settings", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in listed] == [setting.name for setting in list_settings()]
    text = roomlog("settings", cwd=tmp_path).stdout
    assert all(setting.name in text for setting in list_settings())


def test_help_names_the_commands(tmp_path):
    result = roomlog("--help", cwd=tmp_path)
    assert result.returncode == 0
    present = [name for name in COMMANDS if f"  {name} " in result.stdout]
    assert {"up", "token", "settings"} <= set(present)


def test_a_token_needs_none_of_the_heavy_parts(tmp_path):
    code = "import sys; from roomlog.cli import main; main(['token', 'a']); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120, cwd=tmp_path, check=True,
        env=clean_environment(ROOMLOG_JWT_SECRET=KEY),
    )  # fmt: skip
    loaded = set(result.stdout.split())
    assert not loaded & {"litestar", "sqlalchemy", "asyncpg", "nats", "uvicorn", "rich", "alembic"}


@pytest.mark.parametrize("command", [("up", "--demo"), ("serve",), ("project",), ("settings",)])
def test_a_misspelt_setting_is_told_and_nothing_fails_for_it(tmp_path, command):
    # All but the last one then say what else they lack.
    result = roomlog(
        *command, cwd=tmp_path, ROOMLOG_APPEND_WAIT_SECOND="1", ROOMLOG_JWT_JWKS="none.json"
    )
    told = "ROOMLOG_APPEND_WAIT_SECOND is no setting and not heeded: ROOMLOG_APPEND_WAIT_SECONDS"
    assert told in result.stderr
    assert result.returncode == (0 if command == ("settings",) else 1)


def test_doctor_tells_of_a_misspelt_setting_and_finds_nothing_wrong_with_it(tmp_path):
    result = roomlog("doctor", cwd=tmp_path, ROOMLOG_APPEND_WAIT_SECOND="1")
    told = "ok     settings: ROOMLOG_APPEND_WAIT_SECOND is no setting and not heeded"
    assert any(line.startswith(told) for line in result.stdout.splitlines())


def test_tables_that_belong_to_another_log_are_not_called_up_to_date():
    status = PartitionStatus(0, "epoch", 12, 12, 0, 0.0, 0, None)
    assert in_words(status) == "partition 0: at 12 of 12, up to date"
    halted = PartitionStatus(0, "epoch", 12, 3, 0, 0.0, 0, "the log has lost events")
    assert in_words(halted) == "partition 0: at 12 of 3; STOPPED: the log has lost events"


def test_who_interrupts_an_import_is_told_how_to_go_on(tmp_path):
    (tmp_path / "chat.jsonl").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        running = subprocess.Popen(
            [sys.executable, "-m", "roomlog", "import", "chat.jsonl"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=clean_environment(ROOMLOG_NATS_URL=address),
            # In the background of a script the tests ignore it, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        silent.settimeout(60)
        waiting, _ = silent.accept()
        with waiting:
            running.send_signal(signal.SIGINT)
            stdout, stderr = running.communicate(timeout=60)

    assert (running.returncode, stdout) == (130, ""), stderr
    assert stderr == (
        "roomlog: interrupted: run the same command again, what is in already is not added twice\n"
    )

"""Settings: where they come from, and what is said when one is wrong."""

import json
import re

import msgspec
import pytest

from roomlog.cli.misspelt import misspelt_settings
from roomlog.settings import (
    PREFIX,
    Settings,
    SettingsError,
    erase_url,
    list_settings,
    load_settings,
    required,
)

FIXED_DEFAULTS = {
    "NATS_URL": None, "DATABASE_URL": None, "JWT_SECRET": None, "JWT_JWKS": None,
    "JWT_AUDIENCE": None, "JWT_ISSUER": None, "ALLOWED_ORIGINS": None,
    "EDIT_WINDOW_SECONDS": "900", "USER_MESSAGES_PER_SECOND": "10",
    "ROOM_MESSAGES_PER_SECOND": "1000", "CONNECTS_PER_MINUTE": "60", "HEARTBEAT_SECONDS": "30",
    "TYPING_SECONDS": "3", "MAX_TEXT_BYTES": "10240", "MAX_STRUCTURED_BYTES": "102400",
    "SPAM_GUARD": "on",
}  # fmt: skip
SECRET = "s" * 32


@pytest.fixture
def load(tmp_path):
    """Load with an environment that holds nothing but what is given, without the prefix."""

    def load(**values: str) -> Settings:
        environ = {PREFIX + name: value for name, value in values.items()}
        return load_settings(tmp_path, environ=environ, env_file=tmp_path / ".env")

    return load


def test_the_names_and_defaults_that_others_rely_on_stand():
    listed = {setting.name: setting.default for setting in list_settings()}
    assert {
        PREFIX + name: value for name, value in FIXED_DEFAULTS.items()
    }.items() <= listed.items()


def test_each_setting_says_what_it_means():
    assert len(list_settings()) == len(Settings.__struct_fields__)
    for setting in list_settings():
        assert setting.meaning.endswith("."), setting.name


def test_each_listed_default_is_what_one_would_write_to_get_it(load):
    written = {s.name.removeprefix(PREFIX): s.default for s in list_settings() if s.default}
    assert load(**written) == load()


def test_values_are_read_as_their_types(load):
    settings = load(
        PORT="0",
        SPAM_GUARD="Off",
        USER_MESSAGES_PER_SECOND="2.5",
        ALLOWED_ORIGINS="https://a.example, http://localhost:5173",
        LOG_FORMAT="JSON",
        JWT_SECRET=SECRET,
    )
    assert settings.port == 0
    assert settings.spam_guard is False
    assert settings.user_messages_per_second == 2.5
    assert settings.allowed_origins == ("https://a.example", "http://localhost:5173")
    assert settings.log_format == "json"
    assert settings.jwt_secret == SECRET


def test_an_empty_value_counts_as_unset(load):
    assert load(PORT="", JWT_AUDIENCE="  ") == load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"), ("PORT", "65536"), ("PARTITIONS", "0"), ("SPAM_GUARD", "perhaps"),
        ("EDIT_WINDOW_SECONDS", "-1"), ("USER_MESSAGES_PER_SECOND", "nan"),
        ("ROOM_MESSAGES_PER_SECOND", "inf"), ("HEARTBEAT_SECONDS", "0"), ("LOG_FORMAT", "xml"),
        ("ALLOWED_ORIGINS", "https://a.example/path"), ("ALLOWED_ORIGINS", "*"),
        ("MAX_TEXT_BYTES", "1e99"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_in_one_line_that_names_it(load, name, value):
    with pytest.raises(SettingsError) as raised:
        load(**{name: value})
    text = str(raised.value)
    assert PREFIX + name in text
    assert repr(value) in text
    assert "\n" not in text


def test_a_short_key_is_refused_without_being_shown(load):
    with pytest.raises(SettingsError, match=r"ROOMLOG_JWT_SECRET.*32 bytes") as raised:
        load(JWT_SECRET="tooshortakey")
    assert "tooshortakey" not in str(raised.value)


def test_the_length_of_a_key_counts_bytes(load):
    assert load(JWT_SECRET="é" * 16).jwt_secret == "é" * 16


def test_environment_wins_over_env_file_wins_over_data_directory(load, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "jwt_secret").write_text("d" * 64 + "\n")
    run = {
        "base_url": "b",
        "nats_url": "nats://run",
        "database_url": "postgresql://run",
        "pids": {},
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert load().nats_url == "nats://run"
    assert load().jwt_secret == "d" * 64
    (tmp_path / ".env").write_text(
        "ROOMLOG_NATS_URL=nats://file\nROOMLOG_PORT=1\nROOMLOG_HOST=::\n"
    )
    settings = load(PORT="2")
    assert (settings.nats_url, settings.database_url) == ("nats://file", "postgresql://run")
    assert (settings.port, settings.host) == (2, "::")


def test_beside_a_key_set_the_development_key_is_out_of_use(load, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "jwt_secret").write_text("d" * 64 + "\n")
    assert load(JWT_JWKS=" ").jwt_secret == "d" * 64
    assert load(JWT_JWKS="keys.json").jwt_secret is None
    assert load(JWT_JWKS="keys.json", JWT_SECRET="s" * 64).jwt_secret == "s" * 64
    (tmp_path / ".env").write_text("ROOMLOG_JWT_JWKS=keys.json\n")
    assert load().jwt_secret is None


def test_who_erases_is_found_where_the_log_is(load, tmp_path):
    servers = {"nats_url": "nats://a", "database_url": "postgresql://a"}
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps(servers | {"nats_erase_url": "nats://erasing@a"}))
    assert erase_url(load()) == "nats://erasing@a"
    assert erase_url(load(NATS_URL="nats://b")) == "nats://b"
    assert erase_url(load(NATS_URL="nats://b", NATS_ERASE_URL="nats://c")) == "nats://c"
    run_file.write_text(json.dumps(servers))  # of an earlier version
    assert erase_url(load()) == "nats://a"


def test_a_name_that_is_nearly_a_settings_is_told_with_the_one_that_may_be_meant(tmp_path):
    (tmp_path / ".env").write_text("ROOMLOG_PORTS=1\nROOMLOG_PORT=1\n")
    environ = {"ROOMLOG_APPEND_WAIT_SECOND": "1", "APPEND_WAIT_SECOND": "1", "ROOMLOG_HOST": "::"}
    assert misspelt_settings(environ, tmp_path / ".env") == [
        (
            "ROOMLOG_APPEND_WAIT_SECOND is no setting and not heeded: "
            "ROOMLOG_APPEND_WAIT_SECONDS may be meant"
        ),
        "ROOMLOG_PORTS is no setting and not heeded: ROOMLOG_PORT may be meant",
    ]


def test_names_that_are_somebody_elses_are_passed_over(tmp_path):
    others = (
        *("TOKEN", "URL", "ROOM", "MARKERS", "MEMORY", "SNAPSHOTS", "AUDIT", "CONSOLE_OUT"),
        *("TEST_SECONDS", "TEST_SEED", "TEST_SERVER", "BUNDLE_MUTANTS", "FUZZING_USERS"),
        *("FUZZING_ADMIN", "FUZZING_AUDITOR", "FUZZING_WORLD"),
        *("SERVICE_HOST", "SERVICE_PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"),  # Kubernetes'
    )
    environ = {PREFIX + name: "x" for name in others}
    assert misspelt_settings(environ, tmp_path / ".env") == []


def test_a_damaged_run_file_is_named(load, tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(SettingsError, match=r"run\.json is damaged"):
        load()


def test_what_is_needed_but_missing_is_told_with_what_to_do():
    assert required("x", "NATS_URL") == "x"
    with pytest.raises(SettingsError, match=r"ROOMLOG_NATS_URL is not set.*roomlog up"):
        required(None, "NATS_URL")


def test_settings_are_listed_for_machines():
    decoded = json.loads(msgspec.json.encode(list_settings()))
    assert all(re.fullmatch(r"ROOMLOG_[A-Z_]+", row["name"]) for row in decoded)
    assert {row["name"] for row in decoded if row["secret"]} == {
        "ROOMLOG_NATS_URL", "ROOMLOG_DATABASE_URL", "ROOMLOG_JWT_SECRET", "ROOMLOG_AUDIT_KEY",
        "ROOMLOG_CHECKPOINT_WEBHOOK", "ROOMLOG_NATS_ERASE_URL",
    }  # fmt: skip

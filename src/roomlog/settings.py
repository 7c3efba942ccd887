"""Every setting, with its type, default and meaning in one place.

A setting is an environment variable `ROOMLOG_<NAME>`; a `.env` file in the working directory is
read too, below the environment. `roomlog settings` and the documentation list this very class.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "ROOMLOG_"
DEFAULT_DATA_DIRECTORY = Path(".roomlog")
JWT_SECRET_BYTES_MIN = 32

_SECRET = {"secret": True}
_TRUE, _FALSE = frozenset({"1", "true", "on", "yes"}), frozenset({"0", "false", "off", "no"})

Partitions = Annotated[int, Meta(ge=1, le=64)]
Origin = Annotated[str, Meta(pattern=r"^https?://[^/\s,]+$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/\s]+(/\S*)?$", max_length=2000)]


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and is meant for the user as it is."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process, read once at its start by `load_settings`."""

    nats_url: Annotated[
        str | None,
        Meta(
            description="The log's NATS server, nats://USER:PASSWORD@HOST:PORT. "
            "Default: the one that `roomlog up` runs in the data directory.",
            extra=_SECRET,
        ),
    ] = None
    nats_erase_url: Annotated[
        str | None,
        Meta(
            description="The same server as NATS_URL, with the one user who may delete messages "
            "of streams: only redactions use it. Default: in the data directory as NATS_URL is, "
            "else NATS_URL.",
            extra=_SECRET,
        ),
    ] = None
    database_url: Annotated[
        str | None,
        Meta(
            description="The tables' PostgreSQL, postgresql://USER:PASSWORD@HOST:PORT/DATABASE. "
            "Default: the one that `roomlog up` runs in the data directory.",
            extra=_SECRET,
        ),
    ] = None
    jwt_secret: Annotated[
        str | None,
        Meta(
            description="Key of tokens signed with HS256, 32 bytes or more. "
            "Default: the development key in the data directory, unless there is a key set.",
            extra=_SECRET,
        ),
    ] = None
    jwt_jwks: Annotated[
        str | None,
        Meta(
            description="File or URL of the JSON Web Key Set whose keys tokens may be signed with "
            "(RS256, ES256, EdDSA)."
        ),
    ] = None
    jwt_audience: Annotated[
        str | None, Meta(description="What a token's `aud` must name; not checked when unset.")
    ] = None
    jwt_issuer: Annotated[
        str | None, Meta(description="What a token's `iss` must be; not checked when unset.")
    ] = None
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            description="Origins, separated by commas, whose pages may call the API and open "
            "WebSockets. Default: the server's own."
        ),
    ] = ()
    host: Annotated[str, Meta(description="Address that the API listens on.", min_length=1)] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(description="Port that the API listens on; 0 takes a free one.", ge=0, le=65535)
    ] = 8080
    partitions: Annotated[
        Partitions | None,
        Meta(
            description="Streams that a new log is divided into; fixed for the life of a log. "
            "Default: as many as the log has, 1 for a new one."
        ),
    ] = None
    edit_window_seconds: Annotated[
        int,
        Meta(
            description="How long after sending a message its author may edit it; 0: always.", ge=0
        ),
    ] = 900
    user_messages_per_second: Annotated[
        float,
        Meta(description="Messages a second that one user may send; 0: no limit.", ge=0, le=1e6),
    ] = 10
    room_messages_per_second: Annotated[
        float,
        Meta(description="Messages a second that one room takes; 0: no limit.", ge=0, le=1e6),
    ] = 1000
    connects_per_minute: Annotated[
        float,
        Meta(
            description="WebSocket connections a minute that one user may open; 0: no limit.",
            ge=0,
            le=1e6,
        ),
    ] = 60
    heartbeat_seconds: Annotated[
        float,
        Meta(
            description="Time between the server's pings; a peer that does not answer until the "
            "next one is cut off.",
            gt=0,
            le=3600,
        ),
    ] = 30
    typing_seconds: Annotated[
        float,
        Meta(description="How long somebody counts as typing after saying so.", gt=0, le=60),
    ] = 3
    max_text_bytes: Annotated[
        int,
        Meta(description="Size limit of a message's text, in UTF-8 bytes; 0: no limit.", ge=0),
    ] = 10_240
    max_structured_bytes: Annotated[
        int,
        Meta(
            description="Size limit of a message's metadata, in bytes of JSON; 0: no limit.", ge=0
        ),
    ] = 102_400
    spam_guard: Annotated[
        bool,
        Meta(
            description="Refuse the fifth equal text of one user in one room within 30 seconds, "
            "and floods of mentions and of newcomers' links."
        ),
    ] = True
    max_connections: Annotated[
        int,
        Meta(description="WebSocket connections that one worker takes.", ge=1, le=1_000_000),
    ] = 20_000
    outbox_frames: Annotated[
        int,
        Meta(
            description="Frames that may wait for one WebSocket connection; beyond, it is closed "
            "with 4000 and resumes.",
            ge=16,
            le=1_000_000,
        ),
    ] = 4096
    outbox_bytes: Annotated[
        int,
        Meta(
            description="Bytes that may wait for one WebSocket connection; beyond, it is closed "
            "with 4000 and resumes.",
            ge=65_536,
            le=1 << 30,
        ),
    ] = 8 * 1024 * 1024
    append_wait_seconds: Annotated[
        float,
        Meta(
            description="How long what is sent may wait for the worker, and then for the log, "
            "under overload; what would wait longer is refused with 503 (a burst may wait four "
            "times as long). 0: no limit but the queues' own.",
            ge=0,
            le=5,
        ),
    ] = 0.25
    request_wait_seconds: Annotated[
        float,
        Meta(
            description="How long a request may wait for the worker, and each read of it for a "
            "connection to PostgreSQL, under overload; what would wait longer is refused with 503 "
            "(a burst may wait four times as long). 0: no limit but the deadline of reads.",
            ge=0,
            le=30,
        ),
    ] = 0.25
    database_pool_size: Annotated[
        int, Meta(description="Connections to PostgreSQL that one process holds.", ge=1, le=100)
    ] = 8
    audit_key: Annotated[
        str | None,
        Meta(
            description="Key that signs checkpoints, as `roomlog audit new-key` prints it. Default: "
            "the one in the data directory, made by the first `roomlog up`; without one, nothing "
            "is signed.",
            extra=_SECRET,
        ),
    ] = None
    audit_old_keys: Annotated[
        tuple[str, ...],
        Meta(
            description="Verifier keys, separated by commas, that signed earlier checkpoints. "
            "Default: those in the data directory."
        ),
    ] = ()
    checkpoint_seconds: Annotated[
        int,
        Meta(
            description="Time between checkpoints that go to CHECKPOINT_FOLDER and "
            "CHECKPOINT_WEBHOOK; 0: none do.",
            ge=0,
            le=31_536_000,
        ),
    ] = 3600
    checkpoint_folder: Annotated[
        str | None,
        Meta(
            description="Folder into which checkpoints of all rooms are written, best on another "
            "machine; it must be there."
        ),
    ] = None
    checkpoint_webhook: Annotated[
        Url | None,
        Meta(
            description="URL to which checkpoints of all rooms are posted as text.", extra=_SECRET
        ),
    ] = None
    trail_span_seconds: Annotated[
        int,
        Meta(
            description="How long one record on the audit trail stands for further reads of the "
            "same by the same user; 0: each read has its own.",
            ge=0,
            le=86_400,
        ),
    ] = 600
    log_format: Annotated[
        Literal["auto", "json", "human"],
        Meta(description="Form of log lines; auto: human on a terminal, json elsewhere."),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe log lines that are written."),
    ] = "info"
    otlp_endpoint: Annotated[
        Origin | None,
        Meta(
            description="OpenTelemetry collector that takes traces by OTLP over HTTP, as in "
            "http://127.0.0.1:4318; none are made when unset. Needs the extra `otel`."
        ),
    ] = None


class SettingInfo(msgspec.Struct, frozen=True):
    """One setting as `roomlog settings` lists it. `default` is as one would write it, or null."""

    name: str
    default: str | None
    meaning: str
    secret: bool


def list_settings() -> list[SettingInfo]:
    """All settings in the order of the class."""
    hints = get_type_hints(Settings, include_extras=True)
    listed: list[SettingInfo] = []
    for field in msgspec.structs.fields(Settings):
        meta = _meta(hints[field.name])
        listed.append(
            SettingInfo(
                name=PREFIX + field.encode_name.upper(),
                default=_as_written(field.default),
                meaning=meta.description or "",
                secret=_is_secret(meta),
            )
        )
    return listed


def load_settings(
    data: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    env_file: Path = Path(".env"),
) -> Settings:
    """Read the settings: environment over `.env` over what lies in the data directory.

    `data` (default `.roomlog`) gives the servers of `run.json` and the development key; the key
    only where tokens are not verified by a key set. Raises SettingsError, which names the variable.
    """
    said = from_env_file(env_file) | dict(environ)
    has_key_set = bool(said.get(PREFIX + "JWT_JWKS", "").strip())
    found = _from_data_directory(data or DEFAULT_DATA_DIRECTORY, key=not has_key_set)
    if said.get(PREFIX + "NATS_URL", "").strip():
        found.pop(PREFIX + "NATS_ERASE_URL", None)  # of another server
    given = found | said
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, object] = {}
    for field in Settings.__struct_fields__:
        text = given.get(PREFIX + field.upper(), "").strip()
        if text:
            values[field] = _parse(field, text, hints[field])
    return Settings(**values)  # pyright: ignore[reportArgumentType] - each was converted to its field's type


def required(value: str | None, name: str) -> str:
    """`value`, the setting called `name` (as in NATS_URL). Raises SettingsError when unset."""
    if value is None:
        raise SettingsError(
            f"{PREFIX}{name} is not set: start `roomlog up`, name its directory with --data, "
            f"or set {PREFIX}{name}"
        )
    return value


def erase_url(settings: Settings) -> str:
    """Where NATS is for who erases. Raises SettingsError."""
    return settings.nats_erase_url or required(settings.nats_url, "NATS_URL")


def jwt_secret_file(data: Path | None) -> Path:
    """Where the development key lies."""
    return (data or DEFAULT_DATA_DIRECTORY) / "secrets" / "jwt_secret"


def audit_key_file(data: Path | None) -> Path:
    """Where the key lies that signs checkpoints."""
    return (data or DEFAULT_DATA_DIRECTORY) / "secrets" / "audit_key"


def audit_old_keys_file(data: Path | None) -> Path:
    """Where the verifier keys lie that signed earlier checkpoints, separated by commas."""
    return (data or DEFAULT_DATA_DIRECTORY) / "secrets" / "audit_old_keys"


class _Servers(msgspec.Struct):
    """The part of `run.json` that matters here."""

    nats_url: str
    database_url: str
    nats_erase_url: str = ""


def _from_data_directory(data: Path, *, key: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    run_file = data / "run.json"
    if text := _read(run_file):
        try:
            servers = msgspec.json.decode(text, type=_Servers)
        except msgspec.DecodeError as error:
            raise SettingsError(
                f"{run_file} is damaged ({error}): stop `roomlog up` there, remove the file, "
                "and start again"
            ) from error
        found |= {
            PREFIX + "NATS_URL": servers.nats_url,
            PREFIX + "DATABASE_URL": servers.database_url,
            PREFIX + "NATS_ERASE_URL": servers.nats_erase_url,
        }
    if key and (secret := _read(jwt_secret_file(data))):
        found[PREFIX + "JWT_SECRET"] = secret
    if audit_key := _read(audit_key_file(data)):
        found[PREFIX + "AUDIT_KEY"] = audit_key
    if old_keys := _read(audit_old_keys_file(data)):
        found[PREFIX + "AUDIT_OLD_KEYS"] = old_keys
    return found


def _read(path: Path) -> str | None:
    """The text of a file, or None where there is none. SettingsError where it is not for us."""
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(
            f"cannot read {path} ({error.strerror}): run as the user who runs `roomlog up`"
        ) from error


def from_env_file(path: Path) -> dict[str, str]:
    """The variables that a `.env` file sets; none where there is no such file."""
    if not path.is_file():
        return {}
    # Imported where needed: most processes have no such file.
    from dotenv import dotenv_values  # noqa: PLC0415

    return {
        name: value
        for name, value in dotenv_values(path, interpolate=False).items()
        if value is not None
    }


def _parse(field: str, text: str, hint: object) -> object:
    name = PREFIX + field.upper()
    meta = _meta(hint)
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    value: object = text
    if plain is bool:
        value = text.lower() in _TRUE if text.lower() in _TRUE | _FALSE else text
    elif get_origin(plain) is tuple:
        value = tuple(part.strip() for part in text.split(",") if part.strip())
    elif get_origin(plain) is Literal:
        value = text.lower()
    if field == "jwt_secret" and len(text.encode()) < JWT_SECRET_BYTES_MIN:
        raise SettingsError(f"{name} is too short: give it {JWT_SECRET_BYTES_MIN} bytes or more")
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        shown = "" if _is_secret(meta) else f" {text[:80]!r}"
        reason = str(error).replace("`", "")
        raise SettingsError(f"{name}{shown} is not valid: {reason}") from error


def _meta(hint: object) -> Meta:
    """The Meta of a setting's annotation; every field has one."""
    return next(part for part in get_args(hint) if isinstance(part, Meta))


def _is_secret(meta: Meta) -> bool:
    return bool(meta.extra and meta.extra.get("secret"))


def _as_written(default: object) -> str | None:
    if default is None or default == ():
        return None
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)

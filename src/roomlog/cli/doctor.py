"""`roomlog doctor`: what is wrong, and what to do about it."""

import asyncio
import stat
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import msgspec

from roomlog.cli.misspelt import misspelt_settings
from roomlog.cli.options import data_option, json_option
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.replay import Reader
from roomlog.jetstream.stream import (
    check_log,
    find_partitions,
    partition_state,
    stream_info,
    trail_state,
)
from roomlog.jetstream.subjects import TRAIL_STREAM
from roomlog.jetstream.trail import JetStreamTrail
from roomlog.ports import DatabaseUnavailableError, EventLog, LogUnavailableError, PartitionState
from roomlog.postgres.diagnosis import DatabaseState, TablesPosition, examine
from roomlog.projection_ports import TablesMissingError
from roomlog.services.continuity import event_hash_at
from roomlog.services.identity import SystemClock
from roomlog.services.jwks import KeySet, KeySetError, parse_key_set
from roomlog.services.signing_keys import key_source
from roomlog.services.trail import Trail
from roomlog.services.tree_lag import unfinished_redactions
from roomlog.settings import PREFIX, Settings, SettingsError, jwt_secret_file, load_settings
from roomlog.trail_ports import TRAIL_PARTITION
from roomlog.tree_ports import TreeStatus

LAG_S_MAX = 10.0
CATCH_UP_S = 3.0
_CATCH_UP_PAUSE_S = 0.1
_CONNECT_TIMEOUT_S = 5.0
_OF_THE_LOG = {"log", "checkpoint"}  # the trees' keeper records what it finds
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Finding(msgspec.Struct, frozen=True):
    """One check. `detail` says what was found, `todo` what to do where that is wrong."""

    check: str
    ok: bool
    detail: str
    todo: str = ""


Tell = Callable[[Finding], None]
Examine = Callable[[], Awaitable[DatabaseState]]
"""Reads the tables' state anew. Raises DatabaseUnavailableError, TablesMissingError."""


class _Diagnosis(msgspec.Struct, frozen=True):
    ok: bool
    checks: list[Finding]


@click.command(name="doctor")
@json_option
@data_option
def command(*, as_json: bool, data: Path) -> int:
    """Check settings, servers, the log's settings, and the tables against the log."""
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            click.echo(_in_words(finding))

    asyncio.run(_examine(data, tell))
    ok = all(finding.ok for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode(_Diagnosis(ok, findings)).decode())
    elif not ok:
        wrong = sum(not finding.ok for finding in findings)
        click.echo(f"{wrong} of {len(findings)} checks found something wrong", err=True)
    return 0 if ok else 1


async def _examine(data: Path, tell: Tell) -> None:
    for finding in check_directory(data):
        tell(finding)
    try:
        settings = load_settings(data)
    except SettingsError as error:
        tell(Finding("settings", ok=False, detail=str(error), todo="correct it and look again"))
        return
    tell(check_settings(settings, data))
    for sentence in misspelt_settings():
        tell(Finding("settings", ok=True, detail=sentence))
    if settings.jwt_jwks:
        tell(await asyncio.to_thread(check_keys, settings.jwt_jwks))
    database = partial(examine, settings.database_url) if settings.database_url else None
    if database is not None and not await _database(database, tell):
        database = None
    if not settings.nats_url:
        return
    connection = Connection(settings.nats_url, name="roomlog doctor")
    try:
        await connection.open(timeout_s=_CONNECT_TIMEOUT_S)
        tell(Finding("nats", ok=True, detail="answers"))
        partitions = settings.partitions or await find_partitions(connection) or 1
        found: list[Finding] = []
        try:
            await log_and_tables(connection, partitions, database, found.append)
        except (TablesMissingError, DatabaseUnavailableError) as error:
            found.append(_no_tables(error))
        for finding in found:
            tell(finding)
        await _record(connection, found)
    except LogUnavailableError as error:
        tell(Finding("nats", ok=False, detail=error.detail, todo=_start_or_set("NATS_URL")))
    finally:
        await connection.close()


async def _record(connection: Connection, found: list[Finding]) -> None:
    """Put on the audit trail that the log, the tables or the trees are not what they were."""
    wrong = [one for one in found if one.check in _OF_THE_LOG and not one.ok]
    if not wrong or await stream_info(connection, TRAIL_STREAM) is None:
        return
    trail = Trail(JetStreamTrail(connection), SystemClock(), span_s=0)
    for one in wrong:
        await trail.failure(f"doctor: {one.check}: {one.detail}")


async def _database(read: Examine, tell: Tell) -> bool:
    """Whether there are tables of this version to be compared with the log."""
    try:
        database = await read()
    except (TablesMissingError, DatabaseUnavailableError) as error:
        tell(_no_tables(error))
        return False
    tell(Finding("postgresql", ok=True, detail="answers"))
    tell(check_migrations(database))
    return database.revision == database.newest


def _no_tables(error: TablesMissingError | DatabaseUnavailableError) -> Finding:
    if isinstance(error, TablesMissingError):
        return Finding("migrations", ok=False, detail=str(error), todo="run `roomlog migrate`")
    todo = _start_or_set("DATABASE_URL")
    if isinstance(error.__cause__, TimeoutError):
        todo = (
            "it is there, or its machine is, and says nothing: see whether its process is stopped "
            "(state T in `ps`) or waits for its disk (D), whether a firewall is in between, and "
            "what its log says (`roomlog up` keeps it in DIR/logs)"
        )
    return Finding("postgresql", ok=False, detail=str(error), todo=todo)


async def log_and_tables(
    connection: Connection,
    partitions: int,
    read: Examine | None,
    tell: Tell,
    *,
    catch_up_s: float = CATCH_UP_S,
) -> None:
    """Check the log, and the tables (where `read` reads any) against it.

    How far they are behind is told of what the log held before they were read, up to `catch_up_s`
    seconds after that: what is appended meanwhile is no lag. Raises LogUnavailableError and what
    `read` raises.
    """
    problems = await check_log(connection, partitions)
    tell(_log_finding(problems))
    if problems or read is None:
        return
    ends = [await partition_state(connection, one, partitions) for one in range(partitions)]
    ends.append(await trail_state(connection))
    database = await _caught_up(read, ends, catch_up_s)
    reader = Reader(connection, partitions)
    positions = {position.partition: position for position in database.positions}
    trees = {status.partition: status for status in database.trees}
    *log_ends, trail_end = ends
    for end in log_ends:
        position = positions.get(end.partition)
        if position is None:
            tell(_never_projected(end))
        else:
            # The tables may show more by now than the log held before they were read.
            state = await partition_state(connection, end.partition, partitions)
            stored = await stored_hash(reader, position, state)
            tell(check_checkpoint(position, state, stored))
            tell(check_projection(position, end, datetime.now(UTC)))
            tell(check_trees(trees.get(end.partition), state, end, datetime.now(UTC)))
    if positions:
        trail = await trail_state(connection)
        tell(check_trees(trees.get(TRAIL_PARTITION), trail, trail_end, datetime.now(UTC)))


async def _caught_up(read: Examine, ends: list[PartitionState], catch_up_s: float) -> DatabaseState:
    """The tables as they are when they show all that the log held at its `ends`, or after
    `catch_up_s`."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + catch_up_s
    while True:
        database = await read()
        if loop.time() >= deadline_s or not any(_may_catch_up(database, end) for end in ends):
            return database
        await asyncio.sleep(_CATCH_UP_PAUSE_S)


def _may_catch_up(database: DatabaseState, end: PartitionState) -> bool:
    """Whether something is behind the end that may yet come to it: of this log, and not halted."""
    return any(
        one.partition == end.partition
        and one.epoch == end.epoch
        and one.halted is None
        and one.sequence < end.last_sequence
        for one in (*database.positions, *database.trees)
    )


def _never_projected(state: PartitionState) -> Finding:
    return Finding(
        "projection",
        ok=state.last_sequence == 0,
        detail=f"{state.stream}: nothing was projected yet",
        todo="start the projector (`roomlog up`, or `roomlog project`)",
    )


async def stored_hash(
    reader: Reader | EventLog, position: TablesPosition, state: PartitionState
) -> bytes | None:
    """The hash of the log's event at the checkpoint: empty where it is gone, None where it was
    redacted, or lies beyond the log's end."""
    if not 0 < position.sequence <= state.last_sequence:
        return None
    return await event_hash_at(reader, position.partition, position.sequence)


def check_directory(data: Path) -> Iterator[Finding]:
    """Whether what must be private in the data directory is."""
    if not data.exists():
        return
    open_to_others = [
        str(path)
        for path in (data / "run.json", data / "secrets", *(data / "secrets").glob("*"))
        if path.exists() and path.stat().st_mode & _OTHERS
    ]
    yield Finding(
        "data directory",
        ok=not open_to_others,
        detail=f"open to other users: {', '.join(open_to_others)}"
        if open_to_others
        else f"{data}: what must be private is",
        todo=f"chmod go-rwx {' '.join(open_to_others)}" if open_to_others else "",
    )


def check_settings(settings: Settings, data: Path) -> Finding:
    """Whether the servers are known, and something to verify tokens with."""
    missing = [
        name
        for name, value in (
            ("NATS_URL", settings.nats_url),
            ("DATABASE_URL", settings.database_url),
        )
        if not value
    ]
    if not settings.jwt_secret and not settings.jwt_jwks:
        missing.append("JWT_SECRET")
    if not missing:
        return Finding("settings", ok=True, detail="servers and key are known")
    names = ", ".join(PREFIX + name for name in missing)
    places = f"{data / 'run.json'} nor {jwt_secret_file(data)}"
    return Finding(
        "settings",
        ok=False,
        detail=f"not set: {names}; and neither in {places}",
        todo=_start_or_set(*missing),
    )


def check_keys(where: str) -> Finding:
    """Whether the key set can be read and holds keys that tokens can be verified with."""
    found = KeySet()
    try:
        found = parse_key_set(key_source(where)())
        problem = "; ".join(found.faults)
    except KeySetError as error:
        problem = f"the key set {error}"
    return Finding(
        "keys",
        ok=not problem,
        detail=problem or "; ".join([f"{len(found.keys)} keys can be used", *found.unused]),
        todo=f"set {PREFIX}JWT_JWKS to a file or URL of public keys: RSA of 2048 bits or more, "
        "EC on P-256, or Ed25519, each with its kid"
        if problem
        else "",
    )


def _log_finding(problems: list[str]) -> Finding:
    return Finding(
        "log",
        ok=not problems,
        detail="; ".join(problems) or "the streams are as they should be",
        todo="make the streams again as they were, from a backup if need be, or set "
        f"{PREFIX}PARTITIONS to what they were made with"
        if problems
        else "",
    )


def check_migrations(database: DatabaseState) -> Finding:
    """Whether the tables have this version's form."""
    at_newest = database.revision == database.newest
    return Finding(
        "migrations",
        ok=at_newest,
        detail=f"the tables are at {database.revision or 'no revision'}"
        + ("" if at_newest else f", the newest is {database.newest}"),
        todo="" if at_newest else "run `roomlog migrate`",
    )


def check_checkpoint(
    position: TablesPosition, state: PartitionState, stored_hash: bytes | None
) -> Finding:
    """Whether the log still is the one that the tables were made from.

    `stored_hash` is that of the log's event at the checkpoint, empty where it is gone, None where
    that is explained.
    """
    wrong = ""
    if position.epoch != state.epoch:
        wrong = f"the tables are of epoch {position.epoch}, the log of {state.epoch}"
    elif position.sequence > state.last_sequence:
        wrong = f"the tables are at {position.sequence}, the log ends at {state.last_sequence}"
    elif (
        stored_hash is not None
        and position.event_hash is not None
        and stored_hash != position.event_hash
    ):
        wrong = f"the log's event {position.sequence} is not the one that was projected"
        if not stored_hash:
            wrong = f"the log's event {position.sequence} is gone, and no redaction explains it"
    return Finding(
        "checkpoint",
        ok=not wrong,
        detail=f"{state.stream}: {wrong or f'at {position.sequence}, as in the log'}",
        todo="the log was lost, cut or replaced: bring its backup back, or accept it as it is "
        "with `roomlog projections rebuild`"
        if wrong
        else "",
    )


def check_projection(position: TablesPosition, end: PartitionState, now: datetime) -> Finding:
    """Whether the projector keeps up and has left nothing out. `end` is what the log said before
    the tables were read."""
    behind = end.last_sequence - position.sequence
    lag_s = (now - position.current_at).total_seconds()
    if position.halted:
        wrong, todo = f"the projector has stopped: {position.halted}", "see the checkpoint's check"
    elif position.dead:
        wrong = f"{position.dead} events could not be projected (table dead_events)"
        todo = "put right what the projector's log says (mostly: install the roomlog that can read "
        todo += "them), then run `roomlog projections retry`"
    elif behind > 0 and lag_s > LAG_S_MAX:
        wrong = f"{behind} events behind for {lag_s:.0f} s"
        todo = "see whether the projector runs (`roomlog up` keeps its output in DIR/logs)"
    else:
        wrong = todo = ""
    return Finding(
        "projection",
        ok=not wrong,
        detail=f"{end.stream}: {wrong or f'{max(behind, 0)} events behind, none set aside'}",
        todo=todo,
    )


def check_trees(
    status: TreeStatus | None, state: PartitionState, end: PartitionState, now: datetime
) -> Finding:
    """Whether the trees keep up, and the log is what they were made of as far as they know.

    `state` is what the log said after the trees were read, `end` what it said before.
    """
    wrong, todo = "", "see whether the projector runs (`roomlog up` keeps its output in DIR/logs)"
    sequence = 0 if status is None or status.epoch != state.epoch else status.sequence
    behind = max(end.last_sequence - sequence, 0)
    since = state.created if status is None or not sequence else status.current_at
    if status is not None and status.halted is not None:
        wrong, todo = f"they have stopped: {status.halted}", "see docs/audit.md"
    elif status is not None and status.findings:
        wrong = f"they found {status.findings} things wrong with the log, {status.unexplained} "
        wrong += "events gone (table roomlog_audit.findings)"
        todo = "run `roomlog audit check`, and find out who or what changed the log"
    elif status is not None and (unfinished := unfinished_redactions(status, state)):
        wrong = f"{unfinished} redactions are on record, and what they redact is in the log still"
        todo = "see the projector's log: it tries again and again, and says why it can't "
        todo += "(mostly: the NATS user of ROOMLOG_NATS_ERASE_URL may not erase)"
    elif behind and (now - since).total_seconds() > LAG_S_MAX:
        wrong = f"{behind} events behind for {(now - since).total_seconds():.0f} s"
    return Finding(
        "trees",
        ok=not wrong,
        detail=f"{state.stream}: {wrong or f'{behind} events behind, nothing found wrong'}",
        todo=todo if wrong else "",
    )


def _start_or_set(*names: str) -> str:
    settings = ", ".join(PREFIX + name for name in names)
    return f"start `roomlog up`, name its directory with --data, or set {settings}"


def _in_words(finding: Finding) -> str:
    if finding.ok:
        return f"ok     {finding.check}: {finding.detail}"
    return f"WRONG  {finding.check}: {finding.detail}\n       -> {finding.todo}"

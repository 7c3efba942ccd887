"""`roomlog audit redact`: remove what a message said, and what is left of it in files."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import uvloop

from roomlog.audit.erased_files import commit_of, left_in
from roomlog.audit.finishing import Finisher
from roomlog.audit.growing import redaction_of
from roomlog.cli.audit_proofs import room_id
from roomlog.cli.errors import CliError
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.progress import PARTS, progress_of, scaled
from roomlog.core.policy import Actor
from roomlog.jetstream.erasing import JetStreamEraser
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import LogUnavailableError
from roomlog.postgres.scrub import Step, scrub_database
from roomlog.postgres.tables import PostgresTables
from roomlog.projector import rebuild
from roomlog.services.identity import SystemClock
from roomlog.services.trail import operator
from roomlog.settings import Settings, erase_url, load_settings, required
from roomlog_contract.errors import RefusedError
from roomlog_contract.resources import REASON_CHARS_MAX, MessageRedact
from roomlog_contract.types import GlobalRole


class _Event(NamedTuple):
    """An event by its place."""

    room_id: str
    sequence: int


class _Redacted(msgspec.Struct, frozen=True):
    """One message, as `--json` prints it. `erased` are the sequences of its events whose bytes
    this run erased: none where an earlier one had."""

    message_id: str
    room_id: str
    erased: Sequence[int]


class _Told(msgspec.Struct, frozen=True):
    """What `--json` prints. `steps` are those of `--scrub`; a `problem` is what is left to do."""

    redacted: Sequence[_Redacted]
    steps: Sequence[Step]


@click.command(name="redact")
@click.argument("messages", nargs=-1, type=click.UUID, metavar="[MESSAGE_ID]...")
@click.option(
    "--reason",
    metavar="TEXT",
    help="Why. It stays on record for good and must not repeat what is to be removed.",
)
@click.option(
    "--room",
    callback=room_id,
    metavar="ROOM",
    help="With --sequence: the room of events that no message's id leads to.",
)
@click.option(
    "--sequence",
    "sequences",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="SEQUENCE",
    help="Redact the message of which this event of the room says something; may be repeated.",
)
@click.option(
    "--scrub",
    is_flag=True,
    help="Then rid the tables' files of what they held before; alone, of all redacted so far.",
)
@json_option
@data_option
def redact(
    *,
    messages: tuple[object, ...],
    reason: str | None,
    room: str | None,
    sequences: tuple[int, ...],
    scrub: bool,
    as_json: bool,
    data: Path,
) -> int:
    """Remove for good what messages said: from the log's files, and from all that reads of them.

    What remains proves that something was said, by whom and when. Who redacts is on record under
    the login name. With --scrub the tables are made anew, while the service goes on, and what
    PostgreSQL keeps of the old ones is removed; exit 1 where something of it could not be done.

    A MESSAGE_ID may also be the id of an event that the projector set aside.
    """
    if bool(sequences) != (room is not None):
        raise click.UsageError("--room and --sequence go together.")
    events = [_Event(room, one) for one in sequences] if room is not None else []
    targets = [*(str(one) for one in messages), *events]
    _check_use(targets, reason, scrub=scrub)
    settings = load_settings(data)
    redacted: list[_Redacted] = []
    steps: Sequence[Step] = ()

    def tell(one: _Redacted) -> None:
        redacted.append(one)
        if not as_json:
            click.echo(_in_words(one))

    try:
        if targets:
            uvloop.run(_redact(settings, targets, MessageRedact(reason or ""), tell))
        steps = uvloop.run(_scrub(settings, data)) if scrub else ()
    finally:
        # Nobody can undo it: what was done is told, however the rest ends.
        if as_json:
            click.echo(msgspec.json.encode(_Told(redacted, steps)).decode())
    if not as_json:
        for step in steps:
            click.echo(f"{step.name}: {step.problem or 'clean'}")
    return 1 if any(step.problem for step in steps) else 0


def _check_use(targets: Sequence[object], reason: str | None, *, scrub: bool) -> None:
    if targets and not (reason and reason.strip()):
        raise click.UsageError("--reason is needed: it stays on record.")
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise click.UsageError(f"--reason is longer than {REASON_CHARS_MAX} characters.")
    if not targets and not scrub:
        raise click.UsageError("name a message, or say --scrub.")


def _in_words(one: _Redacted) -> str:
    erased = f"{len(one.erased)} events erased" if one.erased else "was redacted before"
    return f"message {one.message_id}: {erased}"


async def _redact(
    settings: Settings,
    targets: Sequence[str | _Event],
    asked: MessageRedact,
    tell: Callable[[_Redacted], None],
) -> None:
    """Redact one after the other, and tell of each when it is done. Raises CliError."""
    # Imported where needed: it brings all that serves REST.
    from roomlog.main import open_services  # noqa: PLC0415

    admin = Actor(operator().user_id, roles=frozenset({GlobalRole.ADMIN}))
    async with open_services(settings) as services:
        redactions = services.redactions
        for target in targets:
            try:
                if isinstance(target, _Event):
                    room_id, sequence = target
                    one = await redactions.redact_event(admin, room_id, sequence, asked)
                else:
                    one = await redactions.redact_message(admin, target, asked)
            except RefusedError as error:
                raise CliError(f"{_name(target)} was not redacted: {error}") from error
            tell(_Redacted(one.message.message_id, one.message.room_id, one.erased))


def _name(target: str | _Event) -> str:
    if isinstance(target, _Event):
        return f"event {target.sequence} of room {target.room_id}"
    return f"message {target}"


async def _scrub(settings: Settings, data: Path) -> Sequence[Step]:
    database_url = required(settings.database_url, "DATABASE_URL")
    async with open_log(settings, "roomlog audit redact") as log:
        commits = await _erase_all(settings, log)
        in_files = Step("log", await asyncio.to_thread(_left_in_log, data, commits))
        with progress_of("rebuild", PARTS) as advance:
            await rebuild(log, PostgresTables(database_url), scaled(advance))
    return [in_files, Step("tables"), *await scrub_database(database_url)]


def _left_in_log(data: Path, commits: set[bytes]) -> str:
    """What is left to do about the log's own files, where they lie in the data directory."""
    # The log itself, and those that a restore has set aside.
    files = (path for path in data.glob("nats*/**/*") if path.is_file())
    left = left_in(files, commits)
    if not left:
        return ""
    return (
        f"files of NATS' still hold {len(left)} redacted events. Remove logs that a restore has set "
        "aside (nats.before-…); if it is the log itself, restore a new backup with --force first"
    )


async def _erase_all(settings: Settings, log: JetStreamLog) -> set[bytes]:
    """Tables made from a log that still says it would hold it again. Returns the commits of all
    events that are redacted."""
    commits: set[bytes] = set()
    for partition in range(log.partitions):
        eraser = JetStreamEraser(erase_url(settings), log.partitions)
        finisher = Finisher(log, eraser, SystemClock())
        head = (await log.partition_state(partition)).last_sequence
        with progress_of("redactions", head) as advance:
            async for batch in log.read_partition(partition, after=0):
                found = [one for event in batch if (one := redaction_of(event)) is not None]
                finisher.know(found)
                commits.update(filter(None, (commit_of(one.envelope) for one in found)))
                advance(batch[-1].sequence, f"{batch[-1].sequence} of {head} events")
        await finisher.finish()
        if finisher.pending:
            sequence, failure = next(iter(finisher.failures.items()))
            raise LogUnavailableError(
                f"{finisher.pending} redactions can't be finished now: event {sequence} is in the "
                f"log still ({failure.detail})"
            )
    return commits


COMMANDS = (redact,)

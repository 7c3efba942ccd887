"""`roomlog audit replay`: a room's timeline in the terminal, as it unfolded."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import click
import msgspec
import uvloop

from roomlog.audit.pace import Pace
from roomlog.audit.replay import Replay, Told, as_it_stood, for_machines, in_words
from roomlog.cli.audit_proofs import room_id
from roomlog.cli.errors import CliError
from roomlog.cli.moments import Moment, moment, sequence_of
from roomlog.cli.opened_log import open_log
from roomlog.cli.options import data_option, json_option
from roomlog.cli.trail import record
from roomlog.core.views import message_response
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import LogEvent
from roomlog.settings import Settings, load_settings
from roomlog_contract.trail import RecordKind

PAUSE_S_MAX = 10.0
WAITING_EVENTS_MAX = 10_000


class Asked(msgspec.Struct, frozen=True):
    """What to replay: `begin` and `end` as given, `speed` 0 for no pauses."""

    room_id: str
    begin: Moment | None
    end: Moment | None
    as_of: Moment | None
    speed: float
    longest_pause: float
    follow: bool
    as_json: bool


@click.command(name="replay")
@click.argument("room", callback=room_id)
@click.option(
    "--from", "begin", callback=moment, metavar="SEQUENCE|TIME", help="Show from there on."
)
@click.option("--to", "end", callback=moment, metavar="SEQUENCE|TIME", help="Show up to there.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="How many times as fast as it happened; 0: all at once.",
)
@click.option(
    "--longest-pause",
    type=click.FloatRange(min=0),
    default=PAUSE_S_MAX,
    show_default=True,
    metavar="SECONDS",
    help="With --speed: a silence that would take longer takes as long as this.",
)
@click.option(
    "--as-of",
    callback=moment,
    metavar="SEQUENCE|TIME",
    help="Show the room as it stood then, and nothing else.",
)
@click.option("--follow", is_flag=True, help="Go on with what happens now, until Ctrl-C.")
@json_option
@data_option
def replay(
    *,
    room: str,
    begin: Moment | None,
    end: Moment | None,
    speed: float,
    longest_pause: float,
    as_of: Moment | None,
    follow: bool,
    as_json: bool,
    data: Path,
) -> None:
    """Show the timeline of ROOM as it unfolded: messages, edits with what was there before,
    deletions, reactions, members, status. Times are when things were said.

    A sequence or a time is a place in the log: a time means what was appended by then.
    """
    if as_of is not None and (begin is not None or end is not None or follow or speed):
        raise click.UsageError("--as-of shows one moment: leave the other options out.")
    if follow and end is not None:
        raise click.UsageError("--follow has no end: leave --to out.")
    asked = Asked(room, begin, end, as_of, speed, longest_pause, follow, as_json)
    uvloop.run(_replay(load_settings(data), asked))


async def _replay(settings: Settings, asked: Asked) -> None:
    async with open_log(settings, "roomlog audit replay") as log:
        if not await log.last_sequence(asked.room_id):
            raise CliError(f"room {asked.room_id} has no events: see whether the id is right")
        await record(log, RecordKind.REPLAYED, asked.room_id, past=asked.as_of is not None)
        if asked.as_of is not None:
            await _show_as_of(log, asked, asked.as_of)
        else:
            await _show(log, asked)


async def _show_as_of(log: JetStreamLog, asked: Asked, as_of: Moment) -> None:
    replayed = Replay()
    up_to = await sequence_of(log, asked.room_id, as_of)
    async for _ in replayed.events(log, asked.room_id, up_to=up_to):
        pass
    if not asked.as_json:
        click.echo("\n".join(as_it_stood(replayed.fold)))
        return
    for message in sorted(replayed.fold.messages.values(), key=lambda one: one.sequence):
        click.echo(msgspec.json.encode(message_response(message)).decode())


async def _show(log: JetStreamLog, asked: Asked) -> None:
    first = await _first(log, asked)
    up_to = None if asked.end is None else await sequence_of(log, asked.room_id, asked.end)
    pace = Pace(asked.speed, longest_s=asked.longest_pause, first=first)
    async for told in _told(log, asked, up_to):
        pause_s = pace.pause_s(told.sequence, told.at)
        if pause_s is not None:
            await asyncio.sleep(pause_s)
            _print(told, as_json=asked.as_json)


async def _first(log: JetStreamLog, asked: Asked) -> int:
    """The first sequence to be shown. Of a time: the first event that was not appended before."""
    if not isinstance(asked.begin, datetime):
        return asked.begin or 0
    return await log.sequence_at(asked.room_id, asked.begin) + 1


async def _told(log: JetStreamLog, asked: Asked, up_to: int | None) -> AsyncIterator[Told]:
    replayed = Replay()
    if not asked.follow:
        async for told in replayed.events(log, asked.room_id, up_to=up_to):
            yield told
        return
    # Listening begins before the log is read, so that nothing falls between the two.
    coming: asyncio.Queue[LogEvent] = asyncio.Queue(WAITING_EVENTS_MAX)
    feed = await log.follow(asked.room_id, lambda events: _put(coming, events))
    try:
        async for told in replayed.events(log, asked.room_id):
            yield told
        while True:
            event = await coming.get()
            if event.prev_sequence > replayed.position:
                # More came than could wait: the log has it.
                async for told in replayed.events(log, asked.room_id, up_to=event.prev_sequence):
                    yield told
            if event.sequence > replayed.position:
                yield replayed.tell(event)
    finally:
        await feed.close()


def _put(coming: "asyncio.Queue[LogEvent]", events: Sequence[LogEvent]) -> None:
    for event in events:
        if coming.full():
            coming.get_nowait()
        coming.put_nowait(event)


def _print(told: Told, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(for_machines(told)).decode())
    else:
        click.echo("\n".join(in_words(told)))


COMMANDS = (replay,)

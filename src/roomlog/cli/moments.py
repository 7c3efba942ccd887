"""A place in a room's past on the command line: a sequence, or a time."""

from datetime import UTC, datetime
from typing import Annotated

import click
import msgspec
from msgspec import Meta

from roomlog.ports import EventLog

MOMENT_CHARS_MAX = 40
_SEQUENCE_MAX = 2**63 - 1

Moment = int | datetime


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> Moment | None:
    """What the option was given. Raises click.BadParameter."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) <= MOMENT_CHARS_MAX:
        if int(value) <= _SEQUENCE_MAX:
            return int(value)
    elif len(value) <= MOMENT_CHARS_MAX:
        try:
            return msgspec.convert(value, Annotated[datetime, Meta(tz=True)]).astimezone(UTC)
        except (msgspec.ValidationError, OverflowError, ValueError):
            pass
    raise click.BadParameter(
        "must be a sequence, or an RFC 3339 time such as 2030-01-31T12:00:00Z.", ctx, param
    )


async def sequence_of(log: EventLog, room_id: str, place: Moment) -> int:
    """The room's last event at or before that place in the log, 0 where there was none."""
    if isinstance(place, datetime):
        return await log.sequence_at(room_id, place)
    return await log.last_sequence(room_id, up_to=place)

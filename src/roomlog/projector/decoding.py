"""From what the log holds to events, or to events set aside."""

import re
from datetime import datetime

from roomlog.core.upcasters import UnreadableEventError, decode_event, room_event
from roomlog.ports import LogEvent
from roomlog.projection_ports import SetAside
from roomlog_contract import events as ev

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def decode(logged: LogEvent) -> ev.RoomEvent | SetAside:
    """The event as readers see it; set aside where no version of the format explains the bytes,
    or where it would stand in the tables under another name than its own."""
    try:
        event = room_event(logged.sequence, logged.prev_sequence, logged.data)
        _check(event, logged)
    except UnreadableEventError as error:
        return set_aside(logged, f"unreadable: {error}")
    return event


def set_aside(logged: LogEvent, reason: str) -> SetAside:
    """The event as it is kept when it can't be projected for `reason`."""
    return SetAside(logged.sequence, logged.room_id, event_id(logged.data), reason, logged.data)


def event_id(data: bytes) -> str | None:
    """The id in stored bytes, where it can be made out and is one."""
    try:
        found = decode_event(data).id
    except UnreadableEventError:
        return None
    return found if is_canonical_id(found) else None


def _check(event: ev.RoomEvent, logged: LogEvent) -> None:
    if event.room_id != logged.room_id:
        raise UnreadableEventError(f"it names room {event.room_id}")
    _check_id(event.room_id)
    _check_id(event.event.id)
    match event.event:
        case ev.MessageSent(reply_to=None):  # by far the most
            pass
        case ev.MessageSent(reply_to=str() as reply_to):
            _check_id(reply_to)
        case ev.RoomCreated() | ev.RoomUpdated():
            pass
        case ev.MemberAdded() | ev.MemberRoleChanged() | ev.MemberRemoved():
            pass
        case _:
            _check_id(event.event.message_id)
    try:
        moment = datetime.fromisoformat(event.at)
    except ValueError as error:
        raise UnreadableEventError(f"at: {error}") from error
    if moment.tzinfo is None:
        raise UnreadableEventError(f"at: {event.at} has no time zone")


def _check_id(text: str) -> None:
    # In another form the same id would be found in the tables, but not in the fold's memory.
    if not is_canonical_id(text):
        raise UnreadableEventError(f"{text[:40]!r} is not a UUID in canonical form")


def is_canonical_id(text: str) -> bool:
    """Whether it is a UUID in the one form that the tables take it in."""
    return _CANONICAL.fullmatch(text) is not None

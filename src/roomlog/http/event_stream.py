"""A room's events as a live feed of server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from litestar.response import Stream

from roomlog import metrics
from roomlog.http.answers import NO_STORE
from roomlog.http.pieces import one_at_a_time
from roomlog.http.requests import SEQUENCE_MAX, ApiRequest
from roomlog.ports import LogUnavailableError
from roomlog.services.event_feed import EventFeed
from roomlog.services.room_cache import LiveRoom
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import RoomEvent

EVENT_STREAM = "text/event-stream"
HEARTBEAT_S = 15.0
RETRY_MS = 1000
_TICK_S = 1.0

_encoder = msgspec.json.Encoder()


def resume_position(after: int | None, last_event_id: str | None) -> int | None:
    """The sequence to go on after: the one that a reconnecting client names wins over the
    URL's, which it keeps from its first request. None: live only.

    Raises RefusedError `invalid`.
    """
    if not last_event_id:
        return after
    digits = last_event_id if last_event_id.isascii() and last_event_id.isdigit() else ""
    if not digits or len(digits) > len(str(SEQUENCE_MAX)) or int(digits) > SEQUENCE_MAX:
        raise RefusedError(ErrorCode.INVALID, "must be a sequence", field="Last-Event-ID")
    return int(digits)


def event_stream(request: ApiRequest, room: LiveRoom, after: int | None, head: int) -> Stream:
    """The room's events after `after`, or after its `head` where that is None, then live ones.

    Raises RefusedError `rate_limited`, and `invalid` where `after` lies above the head.
    """
    request.parts.feeds.require_room_for_one(request.user)
    if after is not None and after > head:
        raise RefusedError(ErrorCode.INVALID, "lies above the room's head", field="after")
    headers = {
        "Cache-Control": NO_STORE,
        "Roomlog-Epoch": request.parts.events.epoch,
        "X-Accel-Buffering": "no",  # nginx would hold events back
    }
    position = head if after is None else after
    pieces = one_at_a_time(_pieces(request, room, position))
    return Stream(pieces, media_type=EVENT_STREAM, headers=headers)


async def _pieces(request: ApiRequest, room: LiveRoom, after: int) -> AsyncGenerator[bytes, None]:
    """The bytes of the feed. It ends, and the client comes again by itself, when the token has
    expired, the right to read has ended, the log is away or another one, or the worker stops."""
    parts = request.parts
    feed = EventFeed(parts.events, request.user, room, after)
    metrics.EVENT_STREAMS.inc()
    try:
        with parts.feeds.one(request.user):
            yield b"retry: %d\n\n" % RETRY_MS
            quiet_s = 0.0
            async with aclosing(feed.batches(_TICK_S)) as batches:
                async for batch in batches:
                    expired = parts.clock.now().timestamp() > request.auth.expires_at
                    if expired or parts.stopping():
                        return
                    quiet_s = 0.0 if batch else quiet_s + _TICK_S
                    if quiet_s >= HEARTBEAT_S:
                        quiet_s = 0.0
                        yield b":\n\n"
                    lines = [_event(event) for event in batch]
                    del batch
                    if lines:
                        yield _joined(lines)
    except (RefusedError, LogUnavailableError):
        return
    finally:
        metrics.EVENT_STREAMS.dec()


def _joined(lines: list[bytes]) -> bytes:
    """As one piece; what they were is not held for as long as it is not taken."""
    piece = b"".join(lines)
    lines.clear()
    return piece


def _event(event: RoomEvent) -> bytes:
    # JSON has no line ends of its own, so that one `data` line holds all of it.
    return b"id: %d\ndata: %b\n\n" % (event.sequence, _encoder.encode(event))

"""Who goes on following a room that they are no member of goes on being on the audit trail."""

import asyncio
import logging

from roomlog.core import policy
from roomlog.ports import LogUnavailableError
from roomlog.realtime.websocket_manager import ManagedConnection, WebSocketManager
from roomlog.services.event_service import EventService
from roomlog_contract.errors import CloseCode, RefusedError

RETRY_S = 10.0

_log = logging.getLogger(__name__)


async def stay_on_record(
    manager: WebSocketManager, events: EventService, *, retry_s: float = RETRY_S
) -> None:
    """Record them anew whenever the last records have run out, until cancelled; whatever goes
    wrong is told, and tried again."""
    due = False
    while True:
        try:
            if not due:
                await events.readers.next_span()
            due = True
            await record_followers(manager, events)
            due = False
        except Exception:  # noqa: BLE001 - whoever follows unrecorded does so until somebody looks
            _log.exception("who follows rooms by a role over all rooms is not recorded anew")
            await asyncio.sleep(retry_s)


async def record_followers(manager: WebSocketManager, events: EventService) -> None:
    """Have everybody on record who follows a room by a role over all rooms. Whom that fails for
    is closed, and comes back only with a record."""
    for connection in manager.connections:
        if not await _is_recorded(manager, events, connection):
            connection.close(CloseCode.POSITION_LOST, "not on the audit trail: resume")


async def _is_recorded(
    manager: WebSocketManager, events: EventService, connection: ManagedConnection
) -> bool:
    for room_id in list(connection.subscriptions):
        channel = manager.channels.get(room_id)
        if channel is None or policy.role_of(connection.actor, channel.room.state):
            continue
        try:
            await events.open_room(connection.actor, room_id)
        except (RefusedError, LogUnavailableError):
            return False
        except Exception:  # noqa: BLE001 - nobody reads on unrecorded, whatever went wrong
            _log.exception("%s can't be recorded in room %s", connection.actor.user_id, room_id)
            return False
    return True

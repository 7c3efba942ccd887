"""Who goes on following a room that they are no member of goes on being on the audit trail."""

from roomlog.core import policy
from roomlog.ports import LogUnavailableError
from roomlog.realtime.websocket_manager import WebSocketManager
from roomlog.services.event_service import EventService
from roomlog_contract.errors import CloseCode, RefusedError


async def stay_on_record(manager: WebSocketManager, events: EventService) -> None:
    """Record them anew whenever the last records have run out, until cancelled."""
    while True:
        await events.readers.next_span()
        await record_followers(manager, events)


async def record_followers(manager: WebSocketManager, events: EventService) -> None:
    """Have everybody on record who follows a room by a role over all rooms. Whom that fails for
    is closed, and comes back only with a record."""
    for connection in manager.connections:
        for room_id in list(connection.subscriptions):
            channel = manager.channels.get(room_id)
            if channel is None or policy.role_of(connection.actor, channel.room.state):
                continue
            try:
                await events.open_room(connection.actor, room_id)
            except (RefusedError, LogUnavailableError):
                connection.close(CloseCode.POSITION_LOST, "not on the audit trail: resume")
                break

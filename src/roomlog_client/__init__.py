"""A client of roomlog that is whole again by itself after any outage.

    async with RoomlogClient("http://127.0.0.1:8080", token=token) as client:
        room = await client.room(room_id, after=0)
        async for event in room:
            print(event.sequence, event.event)

`docs/client/python.md` is the guide, `docs/client/specification.md` says what it does.
"""

from roomlog_client.client import RoomlogClient
from roomlog_client.core.states import Reason, ReasonCode, State
from roomlog_client.errors import (
    ClosedError,
    QueueFileError,
    RefusedError,
    RoomEndedError,
    RoomlogError,
    UnavailableError,
    UnsentError,
)
from roomlog_client.rest import Reload
from roomlog_client.room import Pending, Room
from roomlog_client.signals import OnSignal, Signal
from roomlog_client.tokens import TokenSource
from roomlog_client.view import RoomView
from roomlog_client.waiters import Sent

__all__ = [
    "ClosedError",
    "OnSignal",
    "Pending",
    "QueueFileError",
    "Reason",
    "ReasonCode",
    "RefusedError",
    "Reload",
    "Room",
    "RoomEndedError",
    "RoomView",
    "RoomlogClient",
    "RoomlogError",
    "Sent",
    "Signal",
    "State",
    "TokenSource",
    "UnavailableError",
    "UnsentError",
]

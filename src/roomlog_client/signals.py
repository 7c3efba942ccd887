"""What `on_signal` hears of: everything that is neither an event nor an answer."""

from collections.abc import Callable

from roomlog_client.core.effects import (
    Acked,
    Held,
    Merged,
    Refused,
    Report,
    RoomEnded,
    RoomLive,
    StateChanged,
)
from roomlog_contract import frames as fr

Signal = (
    StateChanged
    | RoomLive
    | RoomEnded
    | Held
    | Merged
    | Acked
    | Refused
    | Report
    | fr.Subscribed
    | fr.Presence
    | fr.TypingUsers
    | fr.Notification
    | fr.Notice
)
OnSignal = Callable[[Signal], None]

__all__ = [
    "Acked",
    "Held",
    "Merged",
    "OnSignal",
    "Refused",
    "Report",
    "RoomEnded",
    "RoomLive",
    "Signal",
    "StateChanged",
]

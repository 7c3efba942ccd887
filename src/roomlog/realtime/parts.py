"""What the WebSocket interface is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from roomlog.core.admission import Patience
from roomlog.ports import Clock
from roomlog.realtime.listening import LINE_WEIGHT
from roomlog.realtime.replay_slots import ReplaySlots
from roomlog.realtime.websocket_manager import WebSocketManager
from roomlog.services.denials import DenialLog
from roomlog.services.event_service import EventService
from roomlog.services.identity import SystemClock
from roomlog.services.limiter import Limiter, Rates
from roomlog.services.message_service import MessageService
from roomlog.services.reaction_service import ReactionService
from roomlog.services.room_service import RoomService
from roomlog.services.tokens import TokenVerifier
from roomlog.services.turns import Turns

# Of a room and of all, in one turn of the event loop.
LINES_PER_TURN: Final = {"share": 8 * LINE_WEIGHT, "most": 64 * LINE_WEIGHT}
ACKS_PER_TURN: Final = {"share": 16, "most": 128}


def _no_limiter() -> Limiter:
    return Limiter(Rates(), SystemClock())


def _no_limits() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class RealtimeParts:
    """Everything that `websocket_handlers` serves, wired by the caller.

    `allowed_origins` empty means the server's own. `limits` are those that `hello` tells beside
    the interface's own (such as `text_bytes`). A connection for which more than `outbox_lines`
    lines or `outbox_bytes` bytes wait is closed. Pings go every `heartbeat_s` seconds.
    `patience` is of what is said on all connections: writes that wait longer are turned away.
    The caller also has `manager.log_was_reset` called when the log's epoch changes, before it
    lets the rooms go.
    """

    manager: WebSocketManager
    messages: MessageService
    reactions: ReactionService
    rooms: RoomService
    events: EventService
    tokens: TokenVerifier
    limiter: Limiter = field(default_factory=_no_limiter)
    clock: Clock = field(default_factory=SystemClock)
    heartbeat_s: float = 30.0
    allowed_origins: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=_no_limits)
    outbox_lines: int = 4096
    outbox_bytes: int = 8 * 1024 * 1024
    denials: DenialLog = field(default_factory=DenialLog)
    patience: Patience = field(default_factory=lambda: Patience(0))
    replay_slots: ReplaySlots = field(default_factory=ReplaySlots)
    line_turns: Turns = field(default_factory=lambda: Turns(**LINES_PER_TURN))
    ack_turns: Turns = field(default_factory=lambda: Turns(**ACKS_PER_TURN))

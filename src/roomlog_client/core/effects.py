"""What comes out of the machine, in order, for the shell to carry out."""

import msgspec

from roomlog_client.core.inputs import StoredItem, UnreadableEvent
from roomlog_client.core.states import Reason, State
from roomlog_contract import frames as fr


class _Effect(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    pass


class StateChanged(_Effect, frozen=True, tag="state"):
    state: State
    reason: Reason | None


class FetchToken(_Effect, frozen=True, tag="fetch_token"):
    """Get a token, then tell `Token` or `TokenFailed`."""


class OpenSocket(_Effect, frozen=True, tag="open_socket"):
    token: str


class CloseSocket(_Effect, frozen=True, tag="close_socket"):
    """Close it, and hand on nothing more of it, not even its end."""

    code: int
    reason: str


class Send(_Effect, frozen=True, tag="send"):
    """Send one text frame with this one object."""

    frame: fr.WebSocketMessage


class SetTimer(_Effect, frozen=True, tag="set_timer"):
    """Replaces a timer of the same name."""

    timer: str
    after_ms: int


class CancelTimer(_Effect, frozen=True, tag="cancel_timer"):
    timer: str


class CancelTimers(_Effect, frozen=True, tag="cancel_timers"):
    """Cancel every timer that runs."""


class Deliver(_Effect, frozen=True, tag="deliver"):
    """The room's next event; `key` is that of the own command that became it."""

    frame: fr.MessageBroadcast | UnreadableEvent
    key: str | None


class Merged(_Effect, frozen=True, tag="merged"):
    """An acked command has its event by now, or nobody follows its room: no more pending."""

    room_id: str
    key: str


class Pass(_Effect, frozen=True, tag="pass"):
    """Tell of it."""

    frame: fr.Subscribed | fr.Presence | fr.TypingUsers | fr.Notification | fr.Notice


class RoomLive(_Effect, frozen=True, tag="room_live"):
    """Nothing was missed up to `position`."""

    room_id: str
    position: int


class RoomEnded(_Effect, frozen=True, tag="room_ended"):
    room_id: str
    code: str
    detail: str


class Load(_Effect, frozen=True, tag="load"):
    """Read the room's newest page with `min_sequence=position`, then `Loaded` or `LoadFailed`."""

    room_id: str
    load: str
    epoch: str
    position: int


class Reset(_Effect, frozen=True, tag="reset"):
    """Throw away what there is of the room and show what was loaded; events follow."""

    room_id: str
    epoch: str
    position: int


class Acked(_Effect, frozen=True, tag="acked"):
    """The command is in the log. `merged`: no event of it is still to come."""

    room_id: str
    key: str
    sequence: int
    message_id: str
    at: str
    duplicate: bool
    merged: bool


class Refused(_Effect, frozen=True, tag="refused"):
    """The command will not be done; `field` is the one at fault, where there is one."""

    room_id: str
    key: str
    code: str
    detail: str
    field: str | None = None


class Unsent(_Effect, frozen=True, tag="unsent"):
    """The client closed. `maybe_sent`: it may be in the log all the same. `kept`: it stays in the
    persistent queue."""

    room_id: str
    key: str
    code: str
    detail: str
    maybe_sent: bool
    kept: bool


class Withdrawn(_Effect, frozen=True, tag="withdrawn"):
    """Never sent, and never to be."""

    room_id: str
    key: str


class Held(_Effect, frozen=True, tag="held"):
    """Refused for now; sent again after `retry_after_ms`."""

    room_id: str
    key: str
    code: str
    detail: str
    retry_after_ms: int


class Store(_Effect, frozen=True, tag="store"):
    """Write it into the persistent queue, durably, before any later effect."""

    item: StoredItem


class Forget(_Effect, frozen=True, tag="forget"):
    """Strike it from the persistent queue."""

    room_id: str
    key: str


class Report(_Effect, frozen=True, tag="report"):
    """An error that belongs to no command."""

    code: str
    detail: str
    room_id: str | None = None


Settlement = Acked | Refused | Unsent | Withdrawn

Effect = (
    StateChanged
    | FetchToken
    | OpenSocket
    | CloseSocket
    | Send
    | SetTimer
    | CancelTimer
    | CancelTimers
    | Deliver
    | Merged
    | Pass
    | RoomLive
    | RoomEnded
    | Load
    | Reset
    | Settlement
    | Held
    | Store
    | Forget
    | Report
)

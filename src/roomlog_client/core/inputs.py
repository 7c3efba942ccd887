"""What goes into the machine."""

from typing import Any

import msgspec

from roomlog_contract import frames as fr

Command = fr.Send | fr.Edit | fr.Delete | fr.React | fr.Unreact


class _Input(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    pass


class Connect(_Input, frozen=True, tag="connect"):
    """The user starts the client, or wants no more waiting."""


class Close(_Input, frozen=True, tag="close"):
    """The user ends it."""


class Online(_Input, frozen=True, tag="online"):
    """The device says that it has a network."""


class Offline(_Input, frozen=True, tag="offline"):
    """The device says that it has none."""


class Token(_Input, frozen=True, tag="token"):
    """The answer to `FetchToken`, or a token that the user brings."""

    token: str
    expires_at_ms: int | None = None


class TokenFailed(_Input, frozen=True, tag="token_failed"):
    detail: str


class Opened(_Input, frozen=True, tag="opened"):
    """The socket is open."""


class Closed(_Input, frozen=True, tag="closed"):
    """The socket closed, or could not be opened (1006)."""

    code: int
    reason: str = ""


class UnreadableEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event of a type that this client does not know. It has its place in the chain."""

    room_id: str
    sequence: int
    prev_sequence: int
    at: str
    event: dict[str, Any]


class Frame(_Input, frozen=True, tag="frame"):
    """One JSON object that came."""

    frame: fr.ServerFrame


class UnreadableFrame(_Input, frozen=True, tag="unreadable_frame"):
    """An `event` frame whose event has a type that this client does not know."""

    frame: UnreadableEvent


class Timer(_Input, frozen=True, tag="timer"):
    """A timer that was set fired."""

    timer: str


class Join(_Input, frozen=True, tag="join"):
    """Follow a room: everything after `after`; live only where that is null."""

    room_id: str
    after: int | None = None
    epoch: str | None = None
    html: bool = False


class Leave(_Input, frozen=True, tag="leave"):
    room_id: str


class Pause(_Input, frozen=True, tag="pause"):
    """The room's reader is behind."""

    room_id: str


class Unpause(_Input, frozen=True, tag="unpause"):
    """The room's reader takes more."""

    room_id: str


class Loaded(_Input, frozen=True, tag="loaded"):
    """The shell holds the page that `Load` asked for."""

    room_id: str
    load: str


class LoadFailed(_Input, frozen=True, tag="load_failed"):
    room_id: str
    load: str
    code: str
    detail: str
    retry_after_ms: int | None = None


class StoredItem(msgspec.Struct, frozen=True):
    """A command as the persistent queue keeps it; `command` without `ref` and `room_id`."""

    room_id: str
    key: str
    user_id: str | None
    command: dict[str, Any]


class Restore(_Input, frozen=True, tag="restore"):
    """Commands of an earlier run."""

    items: list[StoredItem]


class Enqueue(_Input, frozen=True, tag="enqueue"):
    """A command; its `ref`, `room_id` and `idempotency_key` are the machine's to fill in."""

    room_id: str
    key: str
    command: Command


class Withdraw(_Input, frozen=True, tag="withdraw"):
    """The caller gives up waiting."""

    room_id: str
    key: str


class Typing(_Input, frozen=True, tag="typing"):
    room_id: str
    active: bool


class Seen(_Input, frozen=True, tag="seen"):
    room_id: str
    sequence: int


WantedOfRoom = Join | Leave | Pause | Unpause | Seen | Typing
RoomInput = WantedOfRoom | Loaded | LoadFailed

Input = (
    Connect
    | Close
    | Online
    | Offline
    | Token
    | TokenFailed
    | Opened
    | Closed
    | Frame
    | UnreadableFrame
    | Timer
    | RoomInput
    | Restore
    | Enqueue
    | Withdraw
)

"""What can go wrong, each with a stable `code`: switch on it, never on the prose beside it."""


class RoomlogError(Exception):
    """Everything that this package raises. `code` is one of the contract's, or of this page."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class RefusedError(RoomlogError):
    """The server, or this client, refused for good: repeating it would not help.

    For a command: it will not be done. `field` names what is at fault, where something is.
    """

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(code, detail)
        self.field = field


class UnavailableError(RoomlogError):
    """A question went unanswered for as long as it was allowed to: ask again later.

    Commands never end so: they wait.
    """

    def __init__(self, code: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class ClosedError(RoomlogError):
    """The client is closed, and `code` says why; `close_code` is the WebSocket's, where that is
    the cause. It can be started again by `RoomlogClient.connect` or, where its token was refused,
    by `RoomlogClient.set_token`."""

    def __init__(self, code: str, detail: str, *, close_code: int | None = None) -> None:
        super().__init__(code, detail)
        self.close_code = close_code


class UnsentError(ClosedError):
    """The client closed before the command was answered.

    `maybe_sent`: it may be in the log all the same; the same command under the same idempotency
    key tells. `kept`: it stays in the queue file, and is sent when a client opens that.
    """

    def __init__(self, code: str, detail: str, *, key: str, maybe_sent: bool, kept: bool) -> None:
        super().__init__(code, detail)
        self.key = key
        self.maybe_sent = maybe_sent
        self.kept = kept


class RoomEndedError(RoomlogError):
    """The room can't be followed (any more): `forbidden`, `not_found` or what else was told."""

    def __init__(self, code: str, detail: str, *, room_id: str) -> None:
        super().__init__(code, detail)
        self.room_id = room_id


class QueueFileError(RoomlogError):
    """The queue file can't be used: `queue_in_use` by another client, or `queue_damaged`."""

"""What it takes to have a WebSocket out of uvicorn's hands after its handshake."""

import logging
from typing import Any, Final, Protocol


class Owner(Protocol):
    """Whom a connection is handed over to. None of this may raise."""

    def read(self) -> None:
        """A message waits (`next_message`), or several."""
        ...

    def resume(self) -> None:
        """The transport takes more."""
        ...

    def lost(self) -> None:
        """The end has begun: nothing more can be sent or read."""
        ...


class _Left:
    """Stands where uvicorn keeps what only ASGI needs: its queue of events, its event "writable"."""

    def put_nowait(self, event: object) -> None:
        """Nobody waits for it."""

    def set(self) -> None:
        """Nobody waits for it."""

    def clear(self) -> None:
        """Nobody waits for it."""


LEFT: Final[Any] = _Left()


class _Quiet(logging.Logger):
    """The library's debug lines would show requests, tokens included."""

    def __init__(self) -> None:
        super().__init__("roomlog.websockets", logging.ERROR)


QUIET: Final = _Quiet()

# uvicorn says "accepted" of each; what the connection itself says is more, and costs less.
WARNINGS: Final = logging.getLogger("uvicorn.error.websocket")
WARNINGS.setLevel(logging.WARNING)

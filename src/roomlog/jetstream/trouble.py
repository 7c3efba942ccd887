"""What the log's last answer to an append says of its state.

A server whose disk is full reads and answers as before, but takes nothing more into the stream
until it is started again, and says so to nobody. Only an append shows it. So the last one that was
left without an answer, or was refused, is remembered until another is taken, until the server is
another one, or for a while: then the next append has to show it again.
"""

from typing import Final

from roomlog.jetstream.connection import Connection

REMEMBERED_S: Final = 60.0


class Trouble:
    """Why the log takes nothing, as far as is known. Times are the event loop's, in seconds."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._noted: tuple[str, int, float] | None = None

    def note(self, reason: str, now_s: float) -> None:
        """An append failed, and not for what it was."""
        if self._connection.connected:
            self._noted = reason, self._connection.generation, now_s

    def clear(self) -> None:
        """An append was taken."""
        self._noted = None

    def reason(self, now_s: float) -> str:
        """What was noted last; empty where nothing is known to be wrong."""
        if self._noted is None:
            return ""
        reason, generation, at_s = self._noted
        if generation != self._connection.generation or now_s - at_s > REMEMBERED_S:
            self._noted = None
            return ""
        return reason

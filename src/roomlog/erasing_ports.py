"""What redaction needs of the log beside what everybody does."""

from collections.abc import Sequence
from typing import Protocol


class Eraser(Protocol):
    """What removes an event's bytes from the log. Nothing but redaction may, and only of events
    that a `message.redacted` in the log tells of."""

    async def erase(self, room_id: str, sequences: Sequence[int]) -> None:
        """Overwrite the bytes of these events; those that are gone already are passed over.

        Raises LogUnavailableError: what was erased until then stays so.
        """
        ...

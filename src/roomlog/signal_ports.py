"""Wake-ups between processes, as a Protocol; `main.py` wires the implementation."""

from collections.abc import Callable
from typing import Protocol


class Signals(Protocol):
    """Wake-ups between processes. Losing one costs time, never truth: everyone also polls."""

    async def on_appended(self, partition: int, listener: Callable[[int], None]) -> None:
        """Have `listener(sequence)` called when somebody appended up to there."""
        ...

    async def announce_projected(self, partition: int, sequence: int) -> None:
        """Tell all nodes that the projection has committed up to `sequence`."""
        ...

    async def on_projected(self, partition: int, listener: Callable[[int], None]) -> None:
        """Have `listener(sequence)` called for each announcement."""
        ...

    def announce_wanted(self, partition: int, sequence: int) -> None:
        """Tell the projector that somebody waits until the tables have `sequence`. Silent while
        disconnected."""
        ...

    async def on_wanted(self, partition: int, listener: Callable[[int], None]) -> None:
        """Have `listener(sequence)` called when somebody waits for that."""
        ...

    def announce_usage(self, report: bytes) -> None:
        """Tell all nodes, this one too, what limits were used here. Silent while disconnected."""
        ...

    async def on_usage(self, listener: Callable[[bytes], None]) -> None:
        """Have `listener(report)` called for each such report."""
        ...

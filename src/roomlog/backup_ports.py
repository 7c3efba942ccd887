"""What backup and restore need of the log, as Protocols; `roomlog.jetstream` implements them.

They speak of streams and messages as JetStream keeps them, not of rooms and events: a backup holds
whatever is there, to the byte, also what no version of roomlog can read.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec


class StoredMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as its stream holds it. `headers` are whole, from the version line to the empty
    line, and empty where there are none; `appended_ns` is in nanoseconds since the Unix epoch."""

    sequence: int
    appended_ns: int
    subject: bytes
    headers: bytes
    data: bytes


class StreamDescription(msgspec.Struct, frozen=True):
    """A stream: its configuration, as the server takes it again, and how far it reaches.

    `epoch` is empty for what is no partition of the log.
    """

    name: str
    config: dict[str, Any]
    epoch: str
    last_sequence: int
    messages: int

    @property
    def is_bucket(self) -> bool:
        """Whether newer messages replace older ones in it."""
        return self.name.startswith("KV_")


class Streams(Protocol):
    """All streams of roomlog's that cannot be made again. Methods raise LogUnavailableError."""

    async def describe(self) -> Sequence[StreamDescription]:
        """Every stream, in order of name."""
        ...

    def read(
        self, stream: str, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """A stream's messages above `after` and up to `up_to` (else to its end), in batches."""
        ...

    async def message_at(self, stream: str, sequence: int) -> StoredMessage | None:
        """The message at that sequence, None where there is none."""
        ...

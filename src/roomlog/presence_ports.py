"""What the presence and notice services need from the outside, as Protocols: all of it beside
the log."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from roomlog.core.presence import PresenceMessage
from roomlog.core.typists import Typed
from roomlog_contract.frames import Notice, Notification

NodeMessage = PresenceMessage | Typed


class Presence(Protocol):
    """What nodes tell each other of who is online and who types: never stored, never in the log.

    A message may be lost, but those of one node keep their order.
    """

    @property
    def connected(self) -> bool:
        """Whether anything can be heard and told now."""
        ...

    def tell(self, message: NodeMessage) -> None:
        """Tell all nodes, this one too. Nothing happens while disconnected."""
        ...

    def on_told(self, listener: Callable[[NodeMessage], None]) -> None:
        """Have `listener` called (on the event loop) for each message of any node."""
        ...


class PersonalNotice(msgspec.Struct, frozen=True):
    """A notification and the users whom it is for."""

    users: list[str]
    notification: Notification


class PublicNotice(msgspec.Struct, frozen=True):
    """A notice to every connection. Who hears the same id again passes it over."""

    notice_id: str
    notice: Notice


class Notices(Protocol):
    """What goes to connections on any node, beside the log: losing one loses no truth."""

    def notify(self, notice: PersonalNotice) -> None:
        """Send to all nodes, this one too. Raises LogUnavailableError while disconnected."""
        ...

    def on_personal(self, listener: Callable[[PersonalNotice], None]) -> None:
        """Have `listener` called for each notification to somebody."""
        ...

    async def broadcast(self, notice: PublicNotice) -> None:
        """Send to all nodes, this one too: it has left this one when this returns.

        Raises LogUnavailableError where that is not sure.
        """
        ...

    def on_public(self, listener: Callable[[PublicNotice], None]) -> None:
        """Have `listener` called for each notice to all."""
        ...

"""What nodes tell each other beside the log, on plain NATS subjects: presence and notices."""

import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from roomlog.jetstream import subjects
from roomlog.jetstream.connection import Connection, MessageHandler
from roomlog.presence_ports import NodeMessage, PersonalNotice, PublicNotice

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class JetStreamPresence:
    """The port Presence."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._connection = connection
        self._decoder: msgspec.json.Decoder[NodeMessage] = msgspec.json.Decoder(NodeMessage)

    @property
    def connected(self) -> bool:
        """See Presence.connected."""
        return self._connection.connected

    def tell(self, message: NodeMessage) -> None:
        """See Presence.tell."""
        if self._connection.connected:
            self._connection.publish(subjects.PRESENCE, msgspec.json.encode(message))

    def on_told(self, listener: Callable[[NodeMessage], None]) -> None:
        """See Presence.on_told."""
        self._connection.subscribe(subjects.PRESENCE, _decoded(self._decoder, listener))


class JetStreamNotices:
    """The port Notices."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._connection = connection
        self._personal = msgspec.json.Decoder(PersonalNotice)
        self._public = msgspec.json.Decoder(PublicNotice)

    def notify(self, notice: PersonalNotice) -> None:
        """See Notices.notify."""
        self._connection.publish(subjects.PERSONAL_NOTICES, msgspec.json.encode(notice))

    def on_personal(self, listener: Callable[[PersonalNotice], None]) -> None:
        """See Notices.on_personal."""
        self._connection.subscribe(subjects.PERSONAL_NOTICES, _decoded(self._personal, listener))

    async def broadcast(self, notice: PublicNotice) -> None:
        """See Notices.broadcast."""
        self._connection.publish(subjects.PUBLIC_NOTICES, msgspec.json.encode(notice))
        # Whoever is told that it is on its way shall not learn that it lay in a buffer here.
        await self._connection.echo()

    def on_public(self, listener: Callable[[PublicNotice], None]) -> None:
        """See Notices.on_public."""
        self._connection.subscribe(subjects.PUBLIC_NOTICES, _decoded(self._public, listener))


def _decoded(decoder: "msgspec.json.Decoder[_T]", listener: Callable[[_T], None]) -> MessageHandler:
    def take(_headers: bytes, data: bytes) -> None:
        try:
            message = decoder.decode(data)
        except msgspec.DecodeError as error:  # a node of another version
            _log.debug("a message between nodes is not understood: %s", error)
        else:
            listener(message)

    return take

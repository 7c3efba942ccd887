"""All connections of this node, and the rooms that they are subscribed to."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from roomlog import metrics
from roomlog.core.policy import Actor
from roomlog.core.presence import Shown
from roomlog.presence_ports import PersonalNotice
from roomlog.realtime.encoding import encode, text_frame
from roomlog.realtime.fan_out import FanOut
from roomlog.realtime.room_channel import RoomChannel, Subscriber, Subscription
from roomlog.services.event_service import EventService
from roomlog.services.notice_service import NoticeService
from roomlog.services.presence_service import PresenceService
from roomlog_contract.errors import CloseCode, ErrorCode, RefusedError
from roomlog_contract.frames import Notice, Presence, ServerFrame, TypingUsers

CONNECTIONS_MAX = 20_000
_RETRY_AFTER_S = 5.0


class ManagedConnection(Subscriber, Protocol):
    """A connection as the manager sees it."""

    connection_id: str
    subscriptions: dict[str, Subscription]


class WebSocketManager:
    """Connections by user and by room. Used on the event loop only."""

    def __init__(
        self,
        events: EventService,
        presence: PresenceService,
        *,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self._events = events
        self.presence = presence
        self._connections_max = connections_max
        self._connections: dict[str, ManagedConnection] = {}
        self._fan_out = FanOut()
        self._by_user: dict[str, dict[str, ManagedConnection]] = {}
        self.channels: dict[str, RoomChannel] = {}

    @property
    def connections(self) -> list[ManagedConnection]:
        """All connections."""
        return list(self._connections.values())

    def connect(self, connection: ManagedConnection) -> None:
        """Take in a connection; `disconnect` must follow. Raises RefusedError `rate_limited`
        where this node has as many as it takes."""
        if len(self._connections) >= self._connections_max:
            raise RefusedError(
                ErrorCode.RATE_LIMITED, "too many connections", retry_after_s=_RETRY_AFTER_S
            )
        metrics.CONNECTIONS_OPENED.inc()
        metrics.CONNECTIONS.inc()
        self._connections[connection.connection_id] = connection
        mine = self._by_user.setdefault(connection.actor.user_id, {})
        mine[connection.connection_id] = connection

    def disconnect(self, connection: ManagedConnection) -> None:
        """Let a connection go, out of all its rooms. Nothing happens when it is gone already."""
        if self._connections.pop(connection.connection_id, None) is None:
            return
        metrics.CONNECTIONS.dec()
        user = connection.actor.user_id
        del self._by_user[user][connection.connection_id]
        if not self._by_user[user]:
            del self._by_user[user]
        for room_id, subscription in list(connection.subscriptions.items()):
            self.leave(room_id, subscription)

    def broadcast_to_room(
        self, room_id: str, frame: ServerFrame, *, may_drop: bool = False
    ) -> None:
        """Send a frame, encoded once, to every connection in the room, after its events so far.

        Events themselves come by the room's channel and never through here.
        """
        channel = self.channels.get(room_id)
        if channel is not None:
            channel.send_to_all([encode(frame)], may_drop=may_drop)

    def broadcast_to_all(self, frame: ServerFrame) -> int:
        """Send a frame, encoded once, to every connection of this node; how many these are."""
        payload = encode(frame)
        shared = text_frame(payload)
        everyone = self.connections
        for connection in everyone:
            connection.outbox.push_shared(shared, payload, 1)
        return len(everyone)

    def listen(self, notices: NoticeService) -> None:
        """Hand on what concerns this node's connections: presence, typing and notices of all
        nodes. What comes of presence and typing may be dropped where much waits."""
        self.presence.on_shown(self._tell_presence)
        self.presence.on_typing(self._tell_typing)
        notices.on_personal(self._tell_personally)
        notices.on_public(self._tell_everyone)

    def _tell_presence(self, shown: Sequence[Shown]) -> None:
        lines: dict[str, list[bytes]] = {}
        for one in shown:
            if one.room_id in self.channels:
                frame = (
                    Presence(room_id=one.room_id, joined=one.user_id)
                    if one.online
                    else Presence(room_id=one.room_id, left=one.user_id)
                )
                lines.setdefault(one.room_id, []).append(encode(frame))
        for room_id, mine in lines.items():
            self.channels[room_id].send_to_all(mine, may_drop=True)

    def _tell_typing(self, rooms: Mapping[str, list[str]]) -> None:
        for room_id, users in rooms.items():
            if room_id in self.channels:
                frame = TypingUsers(room_id=room_id, users=users)
                self.broadcast_to_room(room_id, frame, may_drop=True)

    def _tell_personally(self, notice: PersonalNotice) -> None:
        for user in notice.users:
            if user in self._by_user:
                self.send_personal(user, notice.notification)

    def _tell_everyone(self, notice: Notice) -> None:
        self.broadcast_to_all(notice)

    def send_personal(self, user_id: str, frame: ServerFrame) -> int:
        """Send a frame to every connection of a user on this node; how many these are."""
        mine = list(self._by_user.get(user_id, {}).values())
        line = encode(frame)
        for connection in mine:
            connection.outbox.push(line)
        return len(mine)

    def get_room_connections(self, room_id: str) -> list[Subscriber]:
        """The connections that are subscribed to the room on this node."""
        channel = self.channels.get(room_id)
        return [] if channel is None else [s.subscriber for s in channel.subscriptions]

    async def open_channel(self, actor: Actor, room_id: str) -> RoomChannel:
        """The room's fan-out, if the actor may read the room. Raises as EventService.open_room.

        The caller joins it at once, without awaiting anything, or calls `release`.
        """
        made: RoomChannel | None = None
        try:
            while True:
                room = await self._events.open_room(actor, room_id)
                channel = self.channels.get(room_id)
                if channel is not None and channel.room is room:
                    return channel
                if channel is not None:
                    self._drop(room_id, channel)
                # An idle room may be let go before anybody listens to it: listen, ask again.
                made = RoomChannel(room, self._fan_out, self.presence)
                self.channels[room_id] = made
        except BaseException:
            if made is not None:
                self.release(made)
            raise

    def leave(self, room_id: str, subscription: Subscription) -> None:
        """End a subscription."""
        channel = self.channels.get(room_id)
        if channel is not None:
            channel.leave(subscription)
            self.release(channel)

    def release(self, channel: RoomChannel) -> None:
        """Stop following a room where nobody is subscribed any more."""
        if channel.empty:
            channel.close()
            if self.channels.get(channel.room.room_id) is channel:
                del self.channels[channel.room.room_id]

    def _drop(self, room_id: str, channel: RoomChannel) -> None:
        del self.channels[room_id]
        channel.close()
        for subscription in channel.subscriptions:
            subscription.subscriber.close(CloseCode.POSITION_LOST, "resume")

    def log_was_reset(self) -> None:
        """The log is another one now: everyone resumes. For `EventLog.on_reset`."""
        self.close_all(CloseCode.POSITION_LOST, "the log has a new epoch: resume")

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection."""
        for connection in self.connections:
            connection.close(code, reason)

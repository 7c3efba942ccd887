"""One room's fan-out on this node: every event encoded once, its bytes given to all."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from roomlog import metrics
from roomlog.core.policy import Actor
from roomlog.realtime.encoding import event_line, html_event_line, pack, text_frame
from roomlog.realtime.fan_out import FanOut
from roomlog.realtime.outbox import Outbox
from roomlog.services.presence_service import PresenceService
from roomlog.services.room_cache import LiveRoom
from roomlog_contract.events import MemberRemoved, RoomEvent

LINES_WAITING_MAX = 1024
BYTES_WAITING_MAX = 1 << 20


class Subscriber(Protocol):
    """A connection as a room sees it."""

    @property
    def actor(self) -> Actor:
        """Whose connection it is."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Where its lines go."""
        ...

    def membership_ended(self, room_id: str) -> None:
        """The user may not read the room any more; the subscription is to be ended."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection with a code."""
        ...

    def too_slow(self) -> None:
        """Close it (4000), because it does not take what waits for it."""
        ...


class Subscription:
    """One subscriber's place in a room. `position` is the last sequence known to be sent or not
    wanted; it moves during a replay and until the subscription is live."""

    def __init__(self, subscriber: Subscriber, *, html: bool, position: int) -> None:
        self.subscriber = subscriber
        self.html = html
        self.position = position
        self.ended = False

    def line(self, event: RoomEvent) -> bytes:
        """The event's line as this subscriber wants it."""
        return html_event_line(event) if self.html else event_line(event)


class RoomChannel:
    """Hands the room's live events to its subscribers. Used on the event loop only.

    A subscription is replaying (it reads the log by itself), ahead (it has read further than
    the live feed has come) or live. Events that came in one turn of the loop are joined into
    shared frames at its end; whoever changes a subscription's kind flushes first, so that what
    waits is always meant for exactly those who are live.
    """

    def __init__(self, room: LiveRoom, fan_out: FanOut, presence: PresenceService) -> None:
        self.room = room
        self._presence = presence
        self._all: dict[Subscription, None] = {}
        self._users: dict[str, int] = {}
        self._ahead: list[Subscription] = []
        self._plain = _Audience(event_line)
        self._html = _Audience(html_event_line)
        self._fan_out = fan_out
        room.listeners.append(self._on_events)

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions, live or not."""
        return list(self._all)

    @property
    def empty(self) -> bool:
        """Whether nobody is subscribed."""
        return not self._all

    def join(self, subscription: Subscription) -> None:
        """Take in a subscription. The caller then makes it live or replaying."""
        self._all[subscription] = None
        user = subscription.subscriber.actor.user_id
        self._users[user] = self._users.get(user, 0) + 1
        if self._users[user] == 1:
            self._presence.joined(self.room.room_id, user)

    def leave(self, subscription: Subscription) -> None:
        """Let it go; nothing more is sent to it from here."""
        if subscription.ended:
            return
        subscription.ended = True
        del self._all[subscription]
        user = subscription.subscriber.actor.user_id
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]
            self._presence.left(self.room.room_id, user)
        self._audience(subscription).remove(subscription.subscriber.outbox)
        if subscription in self._ahead:
            self._ahead.remove(subscription)

    def close(self) -> None:
        """Stop listening to the room; whoever is still in it is let go."""
        for user in self._users:
            self._presence.left(self.room.room_id, user)
        self._users.clear()
        if self._on_events in self.room.listeners:
            self.room.listeners.remove(self._on_events)

    def _audience(self, subscription: Subscription) -> "_Audience":
        return self._html if subscription.html else self._plain

    # The seam between replay and live

    def go_live(self, subscription: Subscription) -> None:
        """Send it every event above its `position` from now on.

        The caller has sent, or does not want, everything up to there, and the room's feed has
        delivered nothing above it.
        """
        self.flush()
        if subscription.position > self.room.position:
            self._ahead.append(subscription)
        else:
            self._audience(subscription).add(subscription.subscriber.outbox)

    # Live

    def _on_events(self, events: Sequence[RoomEvent]) -> None:
        for event in events:
            self._plain.append(event)
            if self._html:
                self._html.append(event)
            if self._ahead:
                self._send_ahead(event)
            if isinstance(event.event, MemberRemoved):
                self.flush()
                self._end_membership(event.event.user_id)
        if self._ahead:
            self._catch_up_ahead()
        self._fan_out.add(self)

    def _send_ahead(self, event: RoomEvent) -> None:
        for subscription in tuple(self._ahead):
            if event.sequence > subscription.position:
                subscription.subscriber.outbox.push(subscription.line(event))

    def _catch_up_ahead(self) -> None:
        reached = [s for s in self._ahead if s.position <= self.room.position]
        if reached:
            self.flush()
        for subscription in reached:
            if not subscription.ended:
                self._ahead.remove(subscription)
                self._audience(subscription).add(subscription.subscriber.outbox)

    def _end_membership(self, user_id: str) -> None:
        for subscription in self.subscriptions:
            # Also of who may read on by a role over all rooms: that begins with a record.
            if (
                subscription.subscriber.actor.user_id == user_id
                and user_id not in self.room.state.members
            ):
                subscription.subscriber.membership_ended(self.room.room_id)

    def send_some(self, frames_max: int) -> int:
        """Send at most so many frames of what waits to those who are live; how many were sent.

        Fewer: nothing is left.
        """
        sent = self._plain.send(frames_max)
        if sent < frames_max:
            sent += self._html.send(frames_max - sent)
        if sent < frames_max and self.room.appended_ns:
            passed_s = (time.time_ns() - self.room.appended_ns) / 1e9
            metrics.BROADCAST_SECONDS.observe(max(0.0, passed_s))
        return sent

    def flush(self) -> None:
        """Send what waits to everyone who is live."""
        self._plain.flush()
        self._html.flush()

    def send_to_all(self, lines: Sequence[bytes], *, may_drop: bool = False) -> None:
        """Send lines that are no events to every subscriber, in frames that all share."""
        self.flush()
        for payload, count in pack(lines):
            frame = text_frame(payload)
            for subscription in self.subscriptions:
                outbox = subscription.subscriber.outbox
                if not (may_drop and outbox.half_full):
                    outbox.push_shared(frame, payload, count)


_Frame = tuple[bytes, bytes, int]
_FLUSHED_AT_ONCE = 1 << 20


class _Audience:
    """Live outboxes that want events in the same form, and the lines that wait for all of them."""

    def __init__(self, encode: Callable[[RoomEvent], bytes]) -> None:
        self._encode = encode
        self._outboxes: dict[Outbox, None] = {}
        self._listed: list[Outbox] | None = None
        self._lines: list[bytes] = []
        self._lines_bytes = 0
        self._frames: list[_Frame] = []
        self._receivers: list[Outbox] = []
        self._reached = 0

    def __bool__(self) -> bool:
        return bool(self._outboxes)

    def add(self, outbox: Outbox) -> None:
        """Flush first: what waits is not for the new one."""
        self._outboxes[outbox] = None
        self._listed = None

    def remove(self, outbox: Outbox) -> None:
        if outbox in self._outboxes:
            del self._outboxes[outbox]
            self._listed = None

    def append(self, event: RoomEvent) -> None:
        line = self._encode(event)
        self._lines.append(line)
        self._lines_bytes += len(line)
        if len(self._lines) > LINES_WAITING_MAX or self._lines_bytes > BYTES_WAITING_MAX:
            self.flush()  # nothing else is done until then, so that no more can come

    def flush(self) -> None:
        while self.send(_FLUSHED_AT_ONCE) == _FLUSHED_AT_ONCE:
            pass

    def send(self, frames_max: int) -> int:
        """Send at most so many frames: the first that waits to everybody, then the next."""
        sent = 0
        while sent < frames_max and (self._frames or self._packed()):
            frame = self._frames[-1]
            receivers = self._receivers[self._reached : self._reached + frames_max - sent]
            self._reached += len(receivers)
            sent += len(receivers)
            last = self._reached >= len(self._receivers)
            if last:
                self._reached = 0
                self._frames.pop()
            for outbox in receivers:
                if outbox in self._outboxes:  # who left meanwhile gets nothing more
                    outbox.push_shared(*frame)
        return sent

    def _packed(self) -> bool:
        """Make frames, the first one last, of the lines that wait; whether there are any."""
        lines, self._lines = self._lines, []
        self._lines_bytes = 0
        if not lines or not self._outboxes:
            return False
        self._receivers = self._listed = self._listed or list(self._outboxes)
        self._frames = [(text_frame(payload), payload, count) for payload, count in pack(lines)]
        self._frames.reverse()
        return True

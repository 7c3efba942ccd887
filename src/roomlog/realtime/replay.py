"""A room's past for one subscriber, and the seam to its present.

Memory stays at two batches of the log whatever the reader does: the next one is asked for only
when the last is with the transport. Those of all readers that stand still are bounded together.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from roomlog import metrics
from roomlog.realtime.encoding import LINES_PER_FRAME_MAX, encode, pack
from roomlog.realtime.room_channel import RoomChannel, Subscription
from roomlog.realtime.unread import UnreadReplays
from roomlog.services.event_service import EventService
from roomlog_contract.events import RoomEvent
from roomlog_contract.frames import Live


async def replay(
    events: EventService, channel: RoomChannel, subscription: Subscription, unread: UnreadReplays
) -> None:
    """Send every event above the subscription's position, then `live`, and make it live.

    What the room's tail holds is taken from there; where that does not reach back far enough, the
    log is read to its end before. Raises LogUnavailableError.
    """
    seam = _Seam(subscription, unread)
    began_s = time.perf_counter()
    while not subscription.ended:
        newest = channel.room.tail.after(subscription.position, LINES_PER_FRAME_MAX)
        if newest is None:
            await seam.read(events, channel)
        elif newest:
            await seam.send(newest)
        else:
            live = Live(room_id=channel.room.room_id, sequence=subscription.position)
            subscription.subscriber.outbox.push(encode(live))
            channel.go_live(subscription)
            metrics.RESUMES.inc()
            metrics.RESUME_EVENTS.observe(seam.sent)
            metrics.RESUME_SECONDS.observe(time.perf_counter() - began_s)
            return


class _Seam:
    """Sends batches that come from several reads as one chain."""

    def __init__(self, subscription: Subscription, unread: UnreadReplays) -> None:
        self._subscription = subscription
        self._unread = unread
        self._outbox = subscription.subscriber.outbox
        self._linked = subscription.position
        self.sent = 0

    async def read(self, events: EventService, channel: RoomChannel) -> None:
        """Send the log from the subscription's position to its end."""
        subscription = self._subscription
        # The log holds all that the feed delivered, also where its end can't be read.
        reaches = channel.room.position
        async with aclosing(
            events.events(channel.room.room_id, after=subscription.position)
        ) as batches:
            async for batch in batches:
                await self.send(batch)
                if subscription.ended:
                    return
        subscription.position = max(subscription.position, reaches)

    async def send(self, batch: Sequence[RoomEvent]) -> None:
        """Send events that follow what was sent, and wait until the transport took them."""
        subscription = self._subscription
        for start in range(0, len(batch), LINES_PER_FRAME_MAX):
            chunk = list(batch[start : start + LINES_PER_FRAME_MAX])
            if chunk[0].prev_sequence > self._linked:
                # What lies between can't be read: linked over, as within one read.
                chunk[0] = msgspec.structs.replace(chunk[0], prev_sequence=self._linked)
            lines = [subscription.line(event) for event in chunk]
            # The batch as far as its lines are known, and as much again of the one after it.
            held_bytes = 2 * sum(map(len, lines)) * len(batch) // len(chunk)
            for payload, count in pack(lines):
                self._outbox.push(payload, count)
                await asyncio.sleep(0)
                if not self._outbox.is_drained:
                    with self._unread.held(subscription, held_bytes):
                        await self._outbox.drained()
                if subscription.ended:
                    return
            subscription.position = self._linked = chunk[-1].sequence
            self.sent += len(chunk)

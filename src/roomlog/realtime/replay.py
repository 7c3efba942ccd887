"""A room's past for one subscriber, and the seam to its present.

Memory stays at two batches of the log whatever the reader does: the next one is asked for only
when the last is with the transport. So many replays have such at once as there are slots.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from roomlog import metrics
from roomlog.realtime.encoding import LINES_PER_FRAME_MAX, encode, pack
from roomlog.realtime.replay_slots import ReplaySlots
from roomlog.realtime.room_channel import RoomChannel, Subscription
from roomlog.services.event_service import EventService
from roomlog_contract.events import RoomEvent
from roomlog_contract.frames import Live


async def replay(
    events: EventService, channel: RoomChannel, subscription: Subscription, slots: ReplaySlots
) -> None:
    """Send every event above the subscription's position, then `live`, and make it live.

    What the room's tail holds is taken from there; where that does not reach back far enough, the
    log is read to its end before. Raises LogUnavailableError.
    """
    seam = _Seam(subscription, slots)
    began_s = time.perf_counter()
    while not subscription.ended:
        newest = channel.room.tail.after(subscription.position, LINES_PER_FRAME_MAX)
        if newest is None:
            async with slots.slot():
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

    def __init__(self, subscription: Subscription, slots: ReplaySlots) -> None:
        self._subscription = subscription
        self._slots = slots
        self._outbox = subscription.subscriber.outbox
        self._linked = subscription.position
        self.sent = 0

    async def read(self, events: EventService, channel: RoomChannel) -> None:
        """Send the log from the subscription's position to its end, or as far as one may go while
        others wait."""
        subscription = self._subscription
        until_s = time.monotonic() + self._slots.hold_s
        # The log holds all that the feed delivered, also where its end can't be read.
        reaches = channel.room.position
        async with aclosing(
            events.events(channel.room.room_id, after=subscription.position)
        ) as batches:
            async for batch in batches:
                await self.send(batch)
                if subscription.ended or (self._slots.wanted and time.monotonic() > until_s):
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
            for payload, count in pack([subscription.line(event) for event in chunk]):
                self._outbox.push(payload, count)
                await asyncio.sleep(0)
                await self._taken()
                if subscription.ended:
                    return
            subscription.position = self._linked = chunk[-1].sequence
            self.sent += len(chunk)

    async def _taken(self) -> None:
        while not self._outbox.is_drained:
            try:
                async with asyncio.timeout(self._slots.still_s):
                    await self._outbox.drained()
            except TimeoutError:
                if self._slots.wanted:
                    self._subscription.subscriber.too_slow()
                    return

"""Commands on their way: in order, each with its key, until the log has them or refuses them."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.states import ItemStatus
from roomlog_client.core.turn import RETRIED, Refs, Turn, retry_ms
from roomlog_contract import frames as fr
from roomlog_contract.errors import ErrorCode
from roomlog_contract.ids import keyed_event_id

TIMER = "retry:"
IN_FLIGHT_MAX = 32
QUEUE_MAX = 1000
QUEUE_FULL = "queue_full"

Name = tuple[str, str]


def command_as_stored(command: inp.Command) -> dict[str, Any]:
    """A command without what the machine fills in."""
    builtins: dict[str, Any] = msgspec.to_builtins(command)
    return {k: v for k, v in builtins.items() if k not in {"ref", "room_id", "idempotency_key"}}


def command_as_read(stored: dict[str, Any]) -> inp.Command:
    """The other way. Raises msgspec.ValidationError."""
    return msgspec.convert({**stored, "ref": ""}, inp.Command)


class Item:
    """One command, named by room and key."""

    def __init__(
        self,
        name: Name,
        user_id: str | None,
        command: inp.Command,
        *,
        maybe_sent: bool,
    ) -> None:
        self.name = name
        self.user_id = user_id
        self.command = command
        self.status = ItemStatus.QUEUED
        self.maybe_sent = maybe_sent
        self.echoed = False
        self.asked_ms = 0
        self.due_ms = 0
        self.steps_aside = False
        self.sequence = 0

    @property
    def room_id(self) -> str:
        return self.name[0]

    @property
    def is_change(self) -> bool:
        """Whether it needs the tables."""
        return not isinstance(self.command, fr.Send)

    def event_id(self, user_id: str) -> str:
        """The id of the event that it becomes."""
        return keyed_event_id(self.room_id, user_id, self.name[1])


class CommandQueue:
    """All commands that are not in the log, and those whose events have not come yet."""

    def __init__(
        self, refs: Refs, *, items_max: int, persistent: bool, user_id: str | None
    ) -> None:
        self._refs = refs
        self._items_max = items_max
        self._persistent = persistent
        self._items: dict[Name, Item] = {}
        self._acked: dict[Name, Item] = {}
        self._in_flight: dict[str, Item] = {}
        self._by_event_id: dict[str, Item] = {}
        self.user_id = user_id

    def __iter__(self) -> Iterator[Item]:
        """Every item, those first that are acked."""
        yield from self._acked.values()
        yield from self._items.values()

    @property
    def awaits_events(self) -> bool:
        """Whether anything is acked whose event was not delivered."""
        return bool(self._acked)

    def asked_ms(self) -> Iterator[int]:
        """When each command was sent that has no answer yet."""
        return (item.asked_ms for item in self._in_flight.values())

    # What the user wants

    def enqueue(self, turn: Turn, given: inp.Enqueue) -> None:
        name = (given.room_id, given.key)
        if name in self._items:
            return
        if len(self._items) >= self._items_max:
            detail = f"{self._items_max} commands are waiting already"
            turn.emit(ef.Refused(*name, QUEUE_FULL, detail))
            return
        self._drop(self._acked.pop(name, None))
        self._add(Item(name, self.user_id, given.command, maybe_sent=False))
        if self._persistent:
            stored = inp.StoredItem(*name, self.user_id, command_as_stored(given.command))
            turn.emit(ef.Store(stored))

    def restore(self, turn: Turn, given: inp.Restore) -> None:
        for stored in given.items:
            name = (stored.room_id, stored.key)
            command = command_as_read(stored.command)
            self._add(Item(name, stored.user_id, command, maybe_sent=True))
        if self.user_id is not None:
            self.belongs_to(turn, self.user_id)

    def withdraw(self, turn: Turn, given: inp.Withdraw) -> None:
        item = self._items.get((given.room_id, given.key))
        if item is not None and item.status is ItemStatus.QUEUED and not item.maybe_sent:
            self._remove(item)
            turn.emit(ef.Withdrawn(*item.name))
            self._forget(turn, item)

    def belongs_to(self, turn: Turn, user_id: str) -> None:
        """From now on it is known whose commands these are; others' are set aside."""
        self.user_id = user_id
        for item in list(self._items.values()):
            if item.user_id is None:
                item.user_id = user_id
                self._by_event_id[item.event_id(user_id)] = item
            elif item.user_id != user_id:
                self._remove(item)
                detail = "a command of another user's"
                turn.emit(ef.Unsent(*item.name, "user_changed", detail, item.maybe_sent, kept=True))

    # The connection

    def lost(self) -> None:
        """The connection is gone: what was on its way may or may not have arrived."""
        self._in_flight.clear()
        for item in self._items.values():
            item.status = ItemStatus.QUEUED

    def close(self, turn: Turn, code: str, detail: str) -> None:
        """Tell everybody who waits; without a persistent queue, give up what is left."""
        for item in list(self._items.values()):
            if not self._persistent:
                self._remove(item)
            turn.emit(ef.Unsent(*item.name, code, detail, item.maybe_sent, kept=self._persistent))

    def send(self, turn: Turn, may_be_sent_to: Callable[[str], bool]) -> None:
        """Send what may be sent: one for each room at a time, in order."""
        done = {item.room_id for item in self._in_flight.values()}
        waiting: set[str] = set()
        for item in self._items.values():
            room_id = item.room_id
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                return
            if room_id in done or (room_id in waiting and item.is_change):
                continue
            if item.status is ItemStatus.HELD and item.steps_aside:
                waiting.add(room_id)
                continue
            done.add(room_id)
            if item.status is ItemStatus.QUEUED and may_be_sent_to(room_id):
                self._send(turn, item)

    def timer(self, turn: Turn, room_id: str) -> None:
        """What was held in the room and is due may go again."""
        for item in self._held(room_id):
            if item.due_ms <= turn.at_ms:
                item.status = ItemStatus.QUEUED
        self._set_timer(turn, room_id)

    # What the server says

    def event(self, event_id: str) -> str | None:
        """The key of the item whose event this is, where it is one of ours."""
        item = self._by_event_id.get(event_id)
        if item is None or item.echoed:
            return None
        if item.status is ItemStatus.ACKED:
            self._acked.pop(item.name)
            self._drop(item)
        item.echoed = True
        return item.name[1]

    def acked(self, turn: Turn, frame: fr.Ack, *, awaited: bool) -> None:
        """`awaited`: its event is still to be delivered, as far as the room's position says."""
        item = self._in_flight.pop(frame.ref, None)
        if item is None:
            return
        merged = item.echoed or not awaited
        turn.emit(
            ef.Acked(
                *item.name, frame.sequence, frame.message_id, frame.at, frame.duplicate, merged
            )
        )
        self._forget(turn, item)
        del self._items[item.name]
        if merged:
            self._drop(item)
        else:
            item.status, item.sequence = ItemStatus.ACKED, frame.sequence
            self._acked[item.name] = item

    def refused(self, turn: Turn, frame: fr.Error) -> bool:
        """Whether the error answers a command; where it does, it is taken in."""
        item = None if frame.ref is None else self._in_flight.pop(frame.ref, None)
        if item is None:
            return False
        if frame.code in RETRIED:
            wait_ms = turn.spread(retry_ms(frame.retry_after))
            item.status, item.due_ms = ItemStatus.HELD, turn.at_ms + wait_ms
            item.steps_aside = item.is_change and frame.code is ErrorCode.DATABASE_UNAVAILABLE
            turn.emit(ef.Held(*item.name, frame.code.value, frame.detail, wait_ms))
            self._set_timer(turn, item.room_id)
        else:
            self._remove(item)
            turn.emit(ef.Refused(*item.name, frame.code.value, frame.detail, frame.field))
            self._forget(turn, item)
        return True

    def merge(self, turn: Turn, awaits: Callable[[str, int], bool]) -> None:
        """Let go what is acked and whose event is not to be waited for any more."""
        for item in list(self._acked.values()):
            if not awaits(item.room_id, item.sequence):
                self._merge(turn, item)

    def reset(self, turn: Turn, room_id: str) -> None:
        """The room began anew: no event of what was acked is to come."""
        for item in list(self._acked.values()):
            if item.room_id == room_id:
                self._merge(turn, item)

    # Steps

    def _add(self, item: Item) -> None:
        self._items[item.name] = item
        if item.user_id is not None:
            self._by_event_id[item.event_id(item.user_id)] = item

    def _remove(self, item: Item) -> None:
        del self._items[item.name]
        self._drop(item)

    def _drop(self, item: Item | None) -> None:
        if item is not None and item.user_id is not None:
            self._by_event_id.pop(item.event_id(item.user_id), None)

    def _forget(self, turn: Turn, item: Item) -> None:
        if self._persistent:
            turn.emit(ef.Forget(*item.name))

    def _merge(self, turn: Turn, item: Item) -> None:
        del self._acked[item.name]
        self._drop(item)
        turn.emit(ef.Merged(*item.name))

    def _send(self, turn: Turn, item: Item) -> None:
        ref = self._refs.next("cmd")
        item.status, item.maybe_sent, item.asked_ms = ItemStatus.SENT, True, turn.at_ms
        self._in_flight[ref] = item
        frame = msgspec.structs.replace(
            item.command, ref=ref, room_id=item.room_id, idempotency_key=item.name[1]
        )
        turn.emit(ef.Send(frame))

    def _held(self, room_id: str) -> list[Item]:
        return [
            item
            for item in self._items.values()
            if item.status is ItemStatus.HELD and item.room_id == room_id
        ]

    def _set_timer(self, turn: Turn, room_id: str) -> None:
        due_ms = min((item.due_ms for item in self._held(room_id)), default=None)
        if due_ms is not None:
            turn.emit(ef.SetTimer(TIMER + room_id, max(0, due_ms - turn.at_ms)))

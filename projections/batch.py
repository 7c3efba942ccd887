"""A stretch of a partition's events, folded and projected on top of what the tables hold.

Pure: `wanted` says which part of the tables the events touch, `project_batch` takes that part and
says what changes. Any split of the events into batches gives the same tables.
"""

from collections.abc import Mapping, Sequence

import msgspec

from projections import (
    dead_events,
    edit_history,
    members,
    message_counts,
    messages,
    processed_events,
    reactions,
    rooms,
)
from projections.messages import Renderer
from projections.row_changes import RowChange
from roomlog_contract import events as ev
from roomlog_contract.fold import (
    Effect,
    Fold,
    MemberChanged,
    MessageAdded,
    MessageErased,
    MessageState,
    RoomChanged,
    RoomOpened,
    RoomState,
)

_OF_ROOMS = (RoomOpened, RoomChanged, MemberChanged)


class Wanted(msgspec.Struct, frozen=True):
    """What must be read from the tables before a batch: rooms, messages, and ids seen before."""

    room_ids: Sequence[str]
    message_ids: Sequence[str]
    event_ids: Sequence[str]


class SeenId(msgspec.Struct, frozen=True):
    """Where an event id stands already."""

    room_id: str
    sequence: int


class Touched(msgspec.Struct, frozen=True):
    """What the tables hold of what was wanted; what they don't is left out."""

    rooms: Mapping[str, RoomState]
    messages: Mapping[str, MessageState]
    seen: Mapping[str, SeenId]


class UnprojectableError(Exception):
    """One event of a batch cannot be folded or projected: it must be set aside, and the batch
    loaded and projected again without it."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"sequence {sequence}: {reason}")
        self.sequence = sequence
        self.reason = reason


class Projected(msgspec.Struct, frozen=True):
    """What a batch did. `rooms` are its rooms as they stand after it, `changed` those of them
    whose own state (title, status, members) it changed."""

    changes: Sequence[RowChange]
    rooms: Mapping[str, RoomState]
    changed: frozenset[str]


def wanted(events: Sequence[ev.RoomEvent], cached_rooms: Mapping[str, RoomState]) -> Wanted:
    """What `project_batch` needs to know of the tables; rooms in `cached_rooms` are known."""
    room_ids = {event.room_id for event in events} - cached_rooms.keys()
    message_ids = {
        message_id for event in events if (message_id := about_message(event.event)) is not None
    }
    return Wanted(
        room_ids=sorted(room_ids),
        message_ids=sorted(message_ids),
        event_ids=[event.event.id for event in events],
    )


def about_message(event: ev.Event) -> str | None:
    """The id of the earlier message that an event is about."""
    match event:
        case (
            ev.MessageEdited()
            | ev.MessageDeleted()
            | ev.MessageRedacted()
            | ev.ReactionAdded()
            | ev.ReactionRemoved()
        ):
            return event.message_id
        case _:
            return None


def project_batch(
    events: Sequence[ev.RoomEvent],
    touched: Touched,
    cached_rooms: Mapping[str, RoomState],
    *,
    partition: int,
    render: Renderer,
) -> Projected:
    """Fold `events` (in sequence order) and say what changes in the tables.

    Raises UnprojectableError; `touched` may then no longer be used, as the fold has changed it.
    """
    folds = _Folds(touched, cached_rooms)
    changes: list[RowChange] = []
    effects: list[Effect] = []
    changed: set[str] = set()
    for event in events:
        try:
            effect = folds.apply(event)
            changes.extend(project(event, effect, partition=partition, render=render))
        # Whatever an event does to the code, it must not stop the events behind it.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise UnprojectableError(event.sequence, reason) from error
        effects.append(effect)
        if isinstance(effect, _OF_ROOMS):
            changed.add(event.room_id)
    changes.extend(message_counts.project(effects))
    return Projected(changes, folds.rooms(), frozenset(changed))


def project(
    event: ev.RoomEvent, effect: Effect, *, partition: int, render: Renderer
) -> Sequence[RowChange]:
    """All changes that one event makes, over all tables but the counts, which are of batches."""
    if isinstance(effect, MessageAdded):
        # The bulk of all events, and nothing to the other tables.
        return messages.project(event, effect, render)
    return [
        *rooms.project(event, effect, partition),
        *members.project(event, effect),
        *messages.project(event, effect, render),
        *edit_history.project(event, effect, partition),
        *reactions.project(event, effect, partition),
        *processed_events.project(event, effect),
        *dead_events.project(event, partition),
    ]


class _Folds:
    """One fold for each room of a batch, begun from what the tables hold of it."""

    def __init__(self, touched: Touched, cached_rooms: Mapping[str, RoomState]) -> None:
        self._folds: dict[str, Fold] = {}
        self._rooms: Mapping[str, RoomState] = {**touched.rooms, **cached_rooms}
        self._seen: dict[str, dict[str, int]] = {}
        self._messages: dict[str, dict[str, MessageState]] = {}
        self._owners: dict[str, str] = {}
        for event_id, seen in touched.seen.items():
            self._owners[event_id] = seen.room_id
            self._seen.setdefault(seen.room_id, {})[event_id] = seen.sequence
        for message_id, message in touched.messages.items():
            self._owners[message_id] = message.room_id
            self._messages.setdefault(message.room_id, {})[message_id] = message

    def apply(self, event: ev.RoomEvent) -> Effect:
        """Fold one event. Raises ValueError where it lays hands on what is another room's."""
        room_id = event.room_id
        if self._owners.setdefault(event.event.id, room_id) != room_id:
            raise ValueError(f"its id {event.event.id} belongs to an event of another room")
        fold = self._folds.get(room_id)
        if fold is None:
            self._folds[room_id] = fold = Fold(self._rooms.get(room_id))
            # A message of another room is unknown in this one.
            fold.messages = self._messages.get(room_id, {})
            fold.seen = self._seen.get(room_id, {})
        effect = fold.apply(event)
        if isinstance(effect, MessageErased):
            message_id = effect.after.message_id
            if self._owners.get(message_id, room_id) != room_id:
                raise ValueError(f"it would erase {message_id}, which is of another room")
        return effect

    def rooms(self) -> Mapping[str, RoomState]:
        """The rooms of the batch as they stand after it."""
        return {room: fold.room for room, fold in self._folds.items() if fold.room is not None}

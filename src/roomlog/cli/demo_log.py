"""The sample incident as events of the log, at the times at which it all happened.

What people do in it is decided as everybody's doing is; only the times are its own, as those of an
import are. Every event has a key, so that telling it again where it was told adds nothing.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from roomlog.cli.demo_story import (
    COMMANDER,
    LASTS_S,
    ROOM,
    STORY,
    Delete,
    Edit,
    React,
    Say,
    SetStatus,
    Step,
)
from roomlog.core import decide
from roomlog.core.decide import Fact, Limits
from roomlog.core.policy import Actor
from roomlog.core.times import rfc3339
from roomlog.core.upcasters import decode_event, room_event
from roomlog.ports import EventLog, NewEvent
from roomlog.services import identity
from roomlog_contract import resources as rs
from roomlog_contract.fold import Fold, MessageState
from roomlog_contract.types import GlobalRole

_OVER_SINCE = timedelta(minutes=5)
_LIMITS = Limits()


class DemoLog:
    """The demo's room in the log. Every method raises LogUnavailableError."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.room_id = identity.keyed_room_id(COMMANDER, "demo")
        self._fold = Fold()
        self._known: set[str] = set()
        self._said: dict[str, str] = {}
        self._began: datetime | None = None

    async def tell(self, now: datetime) -> int:
        """Append what is missing of the incident, which was over a while before `now` where none of
        it was told yet; return the room's head."""
        await self._read()
        self._began = self._began or now - _OVER_SINCE - timedelta(seconds=LASTS_S)
        create = rs.RoomCreate(
            ROOM["name"],
            ROOM["title"],
            ROOM["severity"],
            [rs.NewMember(**member) for member in ROOM["members"]],
        )
        opened = decide.create_room(Actor(COMMANDER), create)
        event_id = identity.keyed_event_id(self.room_id, COMMANDER, "demo")
        for number, fact in enumerate(opened):
            # The ids that a request's several events have.
            own_id = str(uuid5(UUID(event_id), str(number))) if number else event_id
            await self._put(fact, COMMANDER, own_id, 0)
        for index, (at_s, step) in enumerate(STORY):
            await self._do(step, f"demo:{index}", at_s)
        return await self._log.last_sequence(self.room_id)

    async def _read(self) -> None:
        async for batch in self._log.read(self.room_id, after=0):
            for event in batch:
                stored = decode_event(event.data)
                self._known.add(stored.id)
                self._began = self._began or datetime.fromisoformat(stored.at)
                self._fold.apply(room_event(event.sequence, 0, event.data))

    async def _do(self, step: Step, key: str, at_s: int) -> None:
        who = step.who if isinstance(step, Say) else (getattr(step, "who", COMMANDER),)
        actor = Actor(who[0], roles=frozenset(GlobalRole(role) for role in who[1:]))
        event_id = identity.keyed_event_id(self.room_id, actor.user_id, key)
        if isinstance(step, Say):
            self._said[step.name] = event_id
        if event_id not in self._known:
            fact = self._decided(step, actor, self._at(at_s))
            await self._put(fact, actor.user_id, event_id, at_s)

    def _decided(self, step: Step, actor: Actor, at: datetime) -> Fact:
        room = self._fold.room
        assert room is not None
        match step:
            case Say():
                reply_to = step.reply_to and self._said[step.reply_to]
                said = rs.MessageCreate(step.content, step.message_type, step.metadata, reply_to)
                return decide.send(room, actor, said, _LIMITS)
            case Edit():
                edit = rs.MessageEdit(step.content, reason=step.reason)
                message = self._message(step.name)
                return decide.edit(
                    room, message, actor, edit, expected_version=None, now=at, limits=_LIMITS
                )
            case Delete():
                deletion = rs.MessageDelete(step.reason)
                return decide.delete(
                    room, self._message(step.name), actor, deletion, expected_version=None
                )
            case React():
                return decide.react(room, self._message(step.name), actor, step.emoji, add=True)
            case SetStatus():
                (changed,) = decide.update_room(room, actor, rs.RoomUpdate(status=step.status))
                return changed

    def _message(self, name: str) -> MessageState:
        return self._fold.messages[self._said[name]]

    def _at(self, at_s: int) -> datetime:
        assert self._began is not None
        return self._began + timedelta(seconds=at_s)

    async def _put(self, fact: Fact, actor: str, event_id: str, at_s: int) -> None:
        if event_id in self._known:
            return
        mark = identity.new_stamp(event_id, None)
        at = rfc3339(self._at(at_s))
        data = decide.stamp(fact, self.room_id, actor, at, mark)
        (appended,) = await self._log.append(self.room_id, [NewEvent(event_id, data)])
        self._fold.apply(room_event(appended.sequence, 0, data))

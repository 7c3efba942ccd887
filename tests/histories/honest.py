"""A server that keeps every promise, and the history of a run against it: to plant faults in."""

import random
from uuid import UUID, uuid5

import msgspec

from roomlog_contract import events as ev
from roomlog_contract import fold as fd
from roomlog_contract.ids import keyed_event_id
from roomlog_contract.types import MessageType, RoomRole, RoomStatus
from tests.histories.history import (
    Act,
    History,
    Outcome,
    Read,
    Seen,
    Stream,
    Tables,
    View,
    Write,
)
from tests.histories.shown import shown

ROOMS = tuple(str(uuid5(UUID(int=0), f"room {n}")) for n in range(2))
USERS = ("ada@example.org", "bob@example.org")
_EMOJI = ("👍", "🎉")
_ACTS = [Act.SEND] * 5 + [Act.EDIT] * 2 + [Act.DELETE] + [Act.REACT] * 3 + [Act.UNREACT] * 2
_LIMIT = 4


class _Run:
    def __init__(self, seed: int, partitions: int) -> None:
        self.chance = random.Random(seed)
        self.history = History(about={"seed": seed}, begins_after=[0] * partitions)
        self.ends = [0] * partitions
        self.folds = {room: fd.Fold() for room in ROOMS}
        self.heads = dict.fromkeys(ROOMS, 0)
        self.streams = [
            Stream(f"{kind} {room}", room, 0, whole=True) for room in ROOMS for kind in "ab"
        ]
        self.now_s = 100.0
        self.edits: list[tuple[str, int]] = []

    def append(self, room: str, event: ev.Event) -> fd.Effect:
        partition = self.history.partition_of(room)
        sequence = self.ends[partition] = self.ends[partition] + 1
        at = f"2026-01-31T09:{sequence // 60 % 60:02d}:{sequence % 60:02d}.000Z"
        logged = ev.RoomEvent(sequence, self.heads[room], room, at, event)
        self.history.log.append(logged)
        self.heads[room] = sequence
        effect = self.folds[room].apply(logged)
        if isinstance(effect, fd.MessageChanged | fd.MessageRemoved):
            self.edits.append((effect.after.message_id, sequence))
        return effect

    def create(self, room: str) -> None:
        write = Write("rest", USERS[0], room, Act.CREATE, "create", self.now_s, content="incident")
        event_id = keyed_event_id(room, USERS[0], "create")
        created = ev.RoomCreated(
            id=event_id, actor=USERS[0], name="incident", status=RoomStatus.OPEN
        )
        self.append(room, created)
        added = ev.MemberAdded(
            id=str(uuid5(UUID(event_id), "1")),
            actor=USERS[0],
            user_id=USERS[1],
            role=RoomRole.RESPONDER,
        )
        self.append(room, added)
        write.ended_s, write.outcome = self.now_s + 1, Outcome.ACKED
        self.now_s += 2
        self.history.writes.append(write)

    def step(self, number: int) -> None:
        self.now_s += 1
        room = self.chance.choice(ROOMS)
        act = self.chance.choice(_ACTS)
        user = self.chance.choice(USERS)
        messages = [m for m in self.folds[room].messages.values() if m.message_type != "system"]
        if act is not Act.SEND and not messages:
            return
        content = self.chance.choice(_EMOJI) if act in {Act.REACT, Act.UNREACT} else f"{number}"
        about = "" if act is Act.SEND else self.chance.choice(messages).message_id
        write = Write(f"c {user}", user, room, act, f"key {number}", self.now_s, content, about)
        write.in_order = True
        self.history.writes.append(write)
        if self.chance.random() < 0.1:
            # Lost on the way there: nobody knows, and nothing came of it.
            failed = self.chance.random() < 0.5
            write.outcome = Outcome.FAILED if failed else Outcome.UNKNOWN
            return
        effect = self.append(room, _event(write))
        if self.chance.random() < 0.1:
            return  # lost on the way back
        write.ended_s = self.now_s + self.chance.random() * 3
        write.sequence = self.heads[room]
        write.message_id = about or self.history.log[-1].event.id
        write.projected = self.chance.random() < 0.5
        write.outcome = Outcome.ACKED
        if isinstance(effect, fd.NoEffect):
            write.duplicate = act in {Act.REACT, Act.UNREACT}
            write.outcome = Outcome.ACKED if write.duplicate else Outcome.REFUSED

    def look(self) -> None:
        """A page and a view of each room, as they are now."""
        for room, fold in self.folds.items():
            newest = sorted(fold.messages.values(), key=lambda one: -one.sequence)[:_LIMIT]
            items = [shown(one) for one in newest]
            # After every answer so far, and before whatever is asked next.
            moment_s = self.now_s + 3.5
            self.now_s += 4
            self.history.reads.append(
                Read("reader", room, moment_s, moment_s, self.heads[room], items, _LIMIT)
            )
            self.history.views.append(view_of("viewer", room, self.heads[room], fold))

    def end(self) -> History:
        for stream in self.streams:
            stream.events = [
                Seen(e.sequence, e.prev_sequence, e.at, msgspec.to_builtins(e.event))
                for e in self.history.log
                if e.room_id == stream.room
            ]
        self.history.streams = self.streams
        self.history.tables = Tables(
            messages=[
                row_of(message) for f in self.folds.values() for message in f.messages.values()
            ],
            reactions=[
                (message.message_id, user, emoji)
                for f in self.folds.values()
                for message in f.messages.values()
                for emoji, user in message.reactions
            ],
            edits=self.edits,
            members=[
                (room, user, str(member.role))
                for room, f in self.folds.items()
                for user, member in (f.room.members if f.room else {}).items()
            ],
            checkpoints=self.ends,
            verified=True,
        )
        return self.history


def honest(seed: int, steps: int = 60, partitions: int = 1) -> History:
    """A history of which nothing is to be said."""
    run = _Run(seed, partitions)
    for room in ROOMS:
        run.create(room)
    for number in range(steps):
        run.step(number)
        if number % 20 == 10:
            run.look()
    run.look()
    return run.end()


def view_of(client: str, room: str, sequence: int, fold: fd.Fold) -> View:
    """What a client would show that has folded this."""
    state = fold.room
    return View(
        client,
        room,
        sequence,
        {one.message_id: shown(one) for one in fold.messages.values()},
        {} if state is None else {who: str(m.role) for who, m in state.members.items()},
        "" if state is None else str(state.status),
    )


def row_of(message: fd.MessageState) -> dict[str, object]:
    """The message as a row of the tables."""
    told = shown(message)
    edited, deleted = told.pop("edited_at"), told.pop("deleted_at")
    del told["created_at"], told["reactions"]
    return {**told, "edited": edited is not None, "deleted": deleted is not None}


def _event(write: Write) -> ev.Event:
    event_id = keyed_event_id(write.room, write.user, write.key)
    common = {"id": event_id, "actor": write.user}
    about = {**common, "message_id": write.about}
    match write.act:
        case Act.SEND:
            kind = MessageType.TEXT
            return ev.MessageSent(
                **common, message_id=event_id, message_type=kind, content=write.content
            )
        case Act.EDIT:
            return ev.MessageEdited(**about, content=write.content)
        case Act.DELETE:
            return ev.MessageDeleted(**about)
        case Act.REACT:
            return ev.ReactionAdded(**about, emoji=write.content)
        case _:
            return ev.ReactionRemoved(**about, emoji=write.content)

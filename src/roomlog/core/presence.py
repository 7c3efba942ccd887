"""Who is online in which room, over all nodes.

Each node says who is connected to it, in numbered changes and a regular beat, and everybody
makes the whole picture of that. Who missed a number asks for a snapshot; a node that is silent
for too long is gone, and its users with it. Time is monotonic seconds, given as an argument.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

GRACE_S = 5.0
LEASE_S = 5.0
ENTRIES_PER_MESSAGE_MAX = 1000

T = TypeVar("T")
Entry = tuple[str, str]
"""A room and a user who is online there."""


class _Message(msgspec.Struct, frozen=True, tag_field="type"):
    """`node` is one process's life: a new process is another node. `version` counts changes."""

    node: str
    version: int


class Beat(_Message, frozen=True, tag="beat"):
    """The node lives, and has told everything up to `version`."""


class Changed(_Message, frozen=True, tag="changed"):
    """Version `version`: who came and who went, on that node."""

    joined: list[Entry]
    left: list[Entry]


class Snapshot(_Message, frozen=True, tag="snapshot"):
    """Part `part` of `parts` of all who are on the node at `version`."""

    part: int
    parts: int
    online: list[Entry]


class Ask(_Message, frozen=True, tag="ask"):
    """`node` wants a snapshot from `of` (None: from everybody)."""

    of: str | None = None


PresenceMessage = Beat | Changed | Snapshot | Ask


class Shown(msgspec.Struct, frozen=True):
    """What the room's subscribers are to be told: the user is online, or no more."""

    room_id: str
    user_id: str
    online: bool


class OwnPresence:
    """What this node tells of its own connections. One entry however many connections."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._version = 0
        self._online: dict[str, dict[str, None]] = {}
        self._told: set[Entry] = set()
        self._changed: dict[Entry, None] = {}

    def join(self, room_id: str, user_id: str) -> None:
        """The user's first connection to the room came."""
        self._online.setdefault(room_id, {})[user_id] = None
        self._changed[room_id, user_id] = None

    def leave(self, room_id: str, user_id: str) -> None:
        """The user's last connection to the room went."""
        users = self._online.get(room_id, {})
        users.pop(user_id, None)
        if not users:
            self._online.pop(room_id, None)
        self._changed[room_id, user_id] = None

    def online(self, room_id: str) -> list[str]:
        """The users who are in the room by this node, told or not."""
        return list(self._online.get(room_id, ()))

    def _is_online(self, entry: Entry) -> bool:
        return entry[1] in self._online.get(entry[0], ())

    def beat(self) -> Beat:
        """That this node lives. Everything before must have been told."""
        return Beat(self.node, self._version)

    def changes(self) -> list[Changed]:
        """What changed since the last call; who came and went in between is left out."""
        joined = [e for e in self._changed if self._is_online(e) and e not in self._told]
        left = [e for e in self._changed if not self._is_online(e) and e in self._told]
        self._changed.clear()
        self._told.update(joined)
        self._told.difference_update(left)
        messages: list[Changed] = []
        for part in _parts([(e, True) for e in joined] + [(e, False) for e in left]):
            self._version += 1
            came = [entry for entry, online in part if online]
            went = [entry for entry, online in part if not online]
            messages.append(Changed(self.node, self._version, came, went))
        return messages

    def snapshot(self) -> list[Snapshot]:
        """Everything told so far, in parts."""
        parts = list(_parts(sorted(self._told))) or [[]]
        return [
            Snapshot(self.node, self._version, number, len(parts), part)
            for number, part in enumerate(parts)
        ]


def _parts(entries: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(entries), ENTRIES_PER_MESSAGE_MAX):
        yield entries[start : start + ENTRIES_PER_MESSAGE_MAX]


class _Node:
    def __init__(self) -> None:
        self.version = -1  # nothing known yet
        self.lease_until_s = 0.0
        self.online: set[Entry] = set()
        self.arriving: list[Entry] = []
        self.parts_arrived = 0


class PresenceView:
    """Everybody who is online, as this node knows it.

    Who is gone from every node stays online for `grace_s`, so that a reconnect makes no stir.
    The users of a node that died had that time already.
    """

    def __init__(self, *, grace_s: float = GRACE_S, lease_s: float = LEASE_S) -> None:
        self._grace_s = grace_s
        self._lease_s = lease_s
        self._nodes: dict[str, _Node] = {}
        self._on: dict[str, dict[str, int]] = {}
        self._shown: dict[str, dict[str, None]] = {}
        self._leaving: dict[Entry, float] = {}
        self._news: list[Shown] = []

    def online(self, room_id: str) -> list[str]:
        """The users who are online in the room, in the order in which they came."""
        return list(self._shown.get(room_id, ()))

    def apply(self, message: Beat | Changed | Snapshot, now_s: float) -> bool:
        """Take in what a node told; false where its snapshot is needed to go on."""
        node = self._nodes.setdefault(message.node, _Node())
        node.lease_until_s = now_s + self._lease_s
        match message:
            case Beat():
                return node.version == message.version
            case Changed():
                if node.version != message.version - 1:
                    return message.version <= node.version
                node.version = message.version
                self._change(node, message.joined, message.left, now_s)
                return True
            case Snapshot():
                return self._take_part(node, message, now_s)

    def _take_part(self, node: _Node, message: Snapshot, now_s: float) -> bool:
        if message.version <= node.version:
            return True
        if message.part == 0:
            node.arriving, node.parts_arrived = [], 0
        if message.part != node.parts_arrived:
            return False
        node.arriving += message.online
        node.parts_arrived += 1
        if node.parts_arrived == message.parts:
            online = set(node.arriving)
            node.version, node.arriving, node.parts_arrived = message.version, [], 0
            self._change(node, online - node.online, node.online - online, now_s)
        return True

    def _change(
        self, node: _Node, joined: Iterable[Entry], left: Iterable[Entry], now_s: float
    ) -> None:
        for entry in joined:
            if entry not in node.online:
                node.online.add(entry)
                self._join(entry)
        for entry in left:
            if entry in node.online:
                node.online.remove(entry)
                self._leave(entry, now_s + self._grace_s)

    def _join(self, entry: Entry) -> None:
        room_id, user_id = entry
        users = self._on.setdefault(room_id, {})
        users[user_id] = users.get(user_id, 0) + 1
        self._leaving.pop(entry, None)
        shown = self._shown.setdefault(room_id, {})
        if user_id not in shown:
            shown[user_id] = None
            self._news.append(Shown(room_id, user_id, online=True))

    def _leave(self, entry: Entry, due_s: float) -> None:
        room_id, user_id = entry
        users = self._on[room_id]
        users[user_id] -= 1
        if not users[user_id]:
            del users[user_id]
            self._leaving[entry] = due_s
        if not users:
            del self._on[room_id]

    def keep_all(self, now_s: float) -> None:
        """Nothing could be heard until now: everybody's time begins anew."""
        for node in self._nodes.values():
            node.lease_until_s = max(node.lease_until_s, now_s + self._lease_s)

    def news(self, now_s: float) -> list[Shown]:
        """What changed for those who watch, since the last call."""
        for name, node in list(self._nodes.items()):
            if node.lease_until_s <= now_s:
                del self._nodes[name]
                for entry in node.online:
                    self._leave(entry, now_s)
        for entry, due_s in list(self._leaving.items()):
            if due_s <= now_s:
                self._end(entry)
        news, self._news = self._news, []
        return news

    def _end(self, entry: Entry) -> None:
        del self._leaving[entry]
        room_id, user_id = entry
        shown = self._shown[room_id]
        del shown[user_id]
        if not shown:
            del self._shown[room_id]
        self._news.append(Shown(room_id, user_id, online=False))

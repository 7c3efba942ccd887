"""Who is online and who types, over all nodes: kept here, told to the others in one rhythm."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from roomlog.core.presence import (
    ENTRIES_PER_MESSAGE_MAX,
    LEASE_S,
    Ask,
    OwnPresence,
    PresenceView,
    Shown,
)
from roomlog.core.typists import Typed, TypingView
from roomlog.presence_ports import NodeMessage, Presence
from roomlog.services import identity
from roomlog.together import end_task

TICK_S = 0.1
BEAT_S = 1.0

ShownListener = Callable[[Sequence[Shown]], None]
TypingListener = Callable[[Mapping[str, list[str]]], None]

_log = logging.getLogger(__name__)


class PresenceService:
    """This node's part in presence and typing. Used on the event loop only.

    Works from `start` to `close`. Changes go out, and come to the listeners, every TICK_S.
    """

    def __init__(self, presence: Presence, *, typing_s: float) -> None:
        """Somebody types for `typing_s` after saying so."""
        self._presence = presence
        self._loop = asyncio.get_running_loop()
        self._own = OwnPresence(identity.new_id())
        self._view = PresenceView()
        self._typing = TypingView(typing_s)
        self._said: dict[tuple[str, str], bool] = {}
        self._asked_by: set[str] = set()
        self._on_shown: list[ShownListener] = []
        self._on_typing: list[TypingListener] = []
        self._last_tick_s = self._last_beat_s = self._loop.time()
        for part in self._own.snapshot():
            self._view.apply(part, self._last_tick_s)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen and to tell."""
        self._presence.on_told(self._take)
        self._presence.tell(Ask(self._own.node, 0))
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Fall silent."""
        if self._task is not None:
            await end_task(self._task)

    def on_shown(self, listener: ShownListener) -> None:
        """Have `listener` called with who came and who went, on whichever node."""
        self._on_shown.append(listener)

    def on_typing(self, listener: TypingListener) -> None:
        """Have `listener` called with the rooms that are to be told who types there now."""
        self._on_typing.append(listener)

    def joined(self, room_id: str, user_id: str) -> None:
        """The user's first connection to the room on this node; `left` must follow."""
        self._own.join(room_id, user_id)

    def left(self, room_id: str, user_id: str) -> None:
        """The user's last connection to the room on this node is gone."""
        self._own.leave(room_id, user_id)

    def online(self, room_id: str) -> list[str]:
        """Who is online in the room, on any node, each once."""
        return list(dict.fromkeys([*self._view.online(room_id), *self._own.online(room_id)]))

    def types(self, room_id: str, user_id: str, *, active: bool) -> None:
        """The user said that they type, or no more."""
        self._typing.set(room_id, user_id, active=active, now_s=self._loop.time())
        self._said[room_id, user_id] = active

    def stopped(self, room_id: str, user_id: str) -> None:
        """The user has sent what they typed."""
        if self._typing.types(room_id, user_id):
            self.types(room_id, user_id, active=False)

    def typists(self, room_id: str) -> list[str]:
        """Who types in the room now, on any node."""
        return self._typing.users(room_id, self._loop.time())

    def _take(self, message: NodeMessage) -> None:
        if message.node == self._own.node:
            return
        match message:
            case Typed():
                for room_id, user_id, active in message.said:
                    self._typing.set(room_id, user_id, active=active, now_s=self._loop.time())
            case Ask():
                if message.of in {None, self._own.node}:
                    self._asked_by.add(message.node)
            case _:
                if not self._view.apply(message, self._loop.time()):
                    self._presence.tell(Ask(self._own.node, 0, message.node))

    async def _run(self) -> None:
        while True:
            try:
                self._tick(self._loop.time())
            except Exception:  # noqa: BLE001 - one bad turn must not end presence for good
                _log.exception("presence could not be told")
            await asyncio.sleep(TICK_S)

    def _tick(self, now_s: float) -> None:
        # What was not heard because nobody could speak or listen says nothing of the others.
        if not self._presence.connected or now_s - self._last_tick_s > LEASE_S / 2:
            self._view.keep_all(now_s)
        self._last_tick_s = now_s
        for changed in self._own.changes():
            self._view.apply(changed, now_s)
            self._presence.tell(changed)
        if self._asked_by:
            self._asked_by.clear()
            for part in self._own.snapshot():
                self._presence.tell(part)
        if now_s - self._last_beat_s >= BEAT_S:
            self._last_beat_s = now_s
            self._presence.tell(self._own.beat())
        self._view.apply(self._own.beat(), now_s)
        said, self._said = list(self._said.items()), {}
        for start in range(0, len(said), ENTRIES_PER_MESSAGE_MAX):
            part = said[start : start + ENTRIES_PER_MESSAGE_MAX]
            self._presence.tell(Typed(self._own.node, [(*who, active) for who, active in part]))
        self._tell_listeners(now_s)

    def _tell_listeners(self, now_s: float) -> None:
        if shown := self._view.news(now_s):
            for listener in self._on_shown:
                listener(shown)
        if typing := self._typing.news(now_s):
            for told in self._on_typing:
                told(typing)

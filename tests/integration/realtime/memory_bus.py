"""Presence and notices between nodes in one process, in order, some of it lost on demand."""

import asyncio
from collections.abc import Callable
from typing import Any

from roomlog.ports import LogUnavailableError
from roomlog.presence_ports import NodeMessage, PersonalNotice, PublicNotice


class MemoryBus:
    """The ports Presence and Notices. `told` keeps what was said of presence and typing."""

    def __init__(self) -> None:
        self.connected = True
        self.told: list[NodeMessage] = []
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}

    def _on(self, name: str, listener: Callable[[Any], None]) -> None:
        self._listeners.setdefault(name, []).append(listener)

    def _say(self, name: str, message: object) -> None:
        for listener in self._listeners.get(name, ()):
            asyncio.get_running_loop().call_soon(listener, message)

    def tell(self, message: NodeMessage) -> None:
        if self.connected:
            self.told.append(message)
            self._say("presence", message)

    def on_told(self, listener: Callable[[NodeMessage], None]) -> None:
        self._on("presence", listener)

    def notify(self, notice: PersonalNotice) -> None:
        self._require_connection()
        self._say("personal", notice)

    def on_personal(self, listener: Callable[[PersonalNotice], None]) -> None:
        self._on("personal", listener)

    async def broadcast(self, notice: PublicNotice) -> None:
        self._require_connection()
        self._say("public", notice)

    def on_public(self, listener: Callable[[PublicNotice], None]) -> None:
        self._on("public", listener)

    def _require_connection(self) -> None:
        if not self.connected:
            raise LogUnavailableError("gone")

"""The newest pages of rooms that are read again and again, kept as the bytes that went out.

A kept page is given again only while the room's head is where it was. That is asked of the live
feed after a round trip to NATS, so that whoever was told of a write reads it here as well: its
event was on its way to this node before anybody could be told that it is projected.
"""

import asyncio
from collections import Counter, OrderedDict
from typing import NamedTuple

BYTES_MAX = 32 * 1024 * 1024
PAGE_BYTES_MAX = 1024 * 1024
KEPT_S = 1.0
"""Tables can change without an event: by a rebuild, say."""


class KeptPage(NamedTuple):
    """A page's bytes and headers, and the room's head that it shows."""

    head: int
    epoch: str
    body: bytes
    headers: dict[str, str]


class NewestPages:
    """Pages by room and size, the least recently used ones out first."""

    def __init__(self, *, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._pages: OrderedDict[tuple[str, int], tuple[KeptPage, float]] = OrderedDict()
        self._sizes: Counter[str] = Counter()

    def has(self, room_id: str) -> bool:
        """Whether a page of the room is kept, of any size and age."""
        return room_id in self._sizes

    def find(self, room_id: str, size: int) -> KeptPage | None:
        """The page, if there is one that is not too old. The caller asks whether it still holds."""
        kept = self._pages.get((room_id, size))
        if kept is None:
            return None
        page, at_s = kept
        if asyncio.get_running_loop().time() - at_s > KEPT_S:
            self._drop((room_id, size))
            return None
        self._pages.move_to_end((room_id, size))
        return page

    def keep(self, room_id: str, size: int, page: KeptPage) -> None:
        """Keep a page in place of what was there."""
        self._drop((room_id, size))
        if len(page.body) > PAGE_BYTES_MAX:
            return
        self._pages[room_id, size] = (page, asyncio.get_running_loop().time())
        self._sizes[room_id] += 1
        self._bytes += len(page.body)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._pages)))

    def _drop(self, key: tuple[str, int]) -> None:
        kept = self._pages.pop(key, None)
        if kept is None:
            return
        self._bytes -= len(kept[0].body)
        self._sizes[key[0]] -= 1
        if not self._sizes[key[0]]:
            del self._sizes[key[0]]

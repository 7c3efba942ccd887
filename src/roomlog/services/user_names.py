"""What users are called: by the name that their tokens bore last. No event tells of it."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from roomlog.core.policy import Actor
from roomlog.memory_ports import NameStore
from roomlog.ports import LogUnavailableError

NAMES_MAX = 10_000
WAITING_MAX = 1_000
_READ_TIMEOUT_S = 1.0


class UserNames:
    """Learns names from tokens, beside the work, and tells them. Used on the event loop only."""

    def __init__(self, store: NameStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._waiting: dict[str, str] = {}
        self._keeping: asyncio.Task[None] | None = None

    def note(self, actor: Actor) -> None:
        """Somebody came with a token. Where much waits to be kept, it is left for the next time."""
        user, name = actor.user_id, actor.name
        if name is None or self._waiting.get(user, self._kept.get(user)) == name:
            return
        if len(self._waiting) < WAITING_MAX or user in self._waiting:
            self._waiting[user] = name
            if self._keeping is None or self._keeping.done():
                self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._waiting:
            user, name = next(iter(self._waiting.items()))
            try:
                if (await self._store.get([user])).get(user) != name:
                    await self._store.put(user, name)
                self._kept[user] = name
                self._kept.move_to_end(user)
                if len(self._kept) > NAMES_MAX:
                    self._kept.popitem(last=False)
            except LogUnavailableError:
                self._waiting.clear()  # they come again with the next tokens
                return
            if self._waiting.get(user) == name:
                del self._waiting[user]

    async def of(self, user_ids: Sequence[str]) -> Mapping[str, str]:
        """The names of these users, as far as they are known and can be told now."""
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                known = dict(await self._store.get(user_ids))
        except (LogUnavailableError, TimeoutError):
            known = {user: self._kept[user] for user in user_ids if user in self._kept}
        return known | {u: self._waiting[u] for u in user_ids if u in self._waiting}

"""Who is typing in which room: expiring, and told in few frames.

Time is monotonic seconds, given as an argument.
"""

import msgspec

FRAME_INTERVAL_S = 0.5
TYPISTS_MAX = 1000
"""Typists of one room who are kept; beyond, nobody reads the list anyhow."""


class Typed(msgspec.Struct, frozen=True, tag_field="type", tag="typed"):
    """What was said on `node` since it last told: room, user, and whether they type."""

    node: str
    said: list[tuple[str, str, bool]]


class TypingView:
    """Typists by room. Somebody types for `expires_s` after each time that they say so.

    A change is told at once where the room was not told anything for FRAME_INTERVAL_S; all
    others wait for that time and are told together.
    """

    def __init__(self, expires_s: float) -> None:
        self._expires_s = expires_s
        self._until_s: dict[str, dict[str, float]] = {}
        self._told: dict[str, list[str]] = {}
        self._told_at_s: dict[str, float] = {}

    def set(self, room_id: str, user_id: str, *, active: bool, now_s: float) -> None:
        """The user says that they type, or no more."""
        if active:
            users = self._until_s.setdefault(room_id, {})
            if user_id in users or len(users) < TYPISTS_MAX:
                users[user_id] = now_s + self._expires_s
        elif (users := self._until_s.get(room_id)) is not None:
            users.pop(user_id, None)
            if not users:
                del self._until_s[room_id]

    def types(self, room_id: str, user_id: str) -> bool:
        """Whether the user is kept as typing (perhaps just expired)."""
        return user_id in self._until_s.get(room_id, ())

    def users(self, room_id: str, now_s: float) -> list[str]:
        """Who types now, in the order in which they began."""
        return [u for u, until_s in self._until_s.get(room_id, {}).items() if until_s > now_s]

    def news(self, now_s: float) -> dict[str, list[str]]:
        """The rooms whose subscribers are to be told now, each with all who type there."""
        news: dict[str, list[str]] = {}
        for room_id in {*self._until_s, *self._told_at_s}:
            users = self.users(room_id, now_s)
            rested = now_s - self._told_at_s.get(room_id, -FRAME_INTERVAL_S) >= FRAME_INTERVAL_S
            if rested and users != self._told.get(room_id, []):
                news[room_id] = self._told[room_id] = users
                self._told_at_s[room_id] = now_s
            elif rested and not users:
                self._forget(room_id)
        return news

    def _forget(self, room_id: str) -> None:
        self._until_s.pop(room_id, None)
        self._told.pop(room_id, None)
        self._told_at_s.pop(room_id, None)

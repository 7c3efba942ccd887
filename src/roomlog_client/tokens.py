"""Where tokens come from, and what they say of themselves."""

import asyncio
import base64
import inspect
from collections.abc import Awaitable, Callable

import msgspec

from roomlog_client.core import inputs as inp

TokenFunction = Callable[[], str | Awaitable[str]]
TokenSource = str | TokenFunction

_FETCH_TIMEOUT_S = 30.0


class _Claims(msgspec.Struct):
    """What this client reads of a token; only the server verifies it."""

    sub: str | None = None
    exp: float | None = None


class Tokens:
    """Gives the token that is to be used next. A function is called each time that one is needed:
    it may well give the same until that is about to expire."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._current: inp.Token | None = None

    @property
    def user_id(self) -> str | None:
        """Whose token it is, where that can be told without calling anything."""
        return _claims(self._source).sub if isinstance(self._source, str) else None

    def replace(self, source: TokenSource) -> None:
        """From now on take tokens from there."""
        self._source = source
        self._current = None

    async def fetch(self) -> inp.Token:
        """A token, fresh from its source. Raises whatever the source raises, and TimeoutError."""
        token = self._source
        if not isinstance(token, str):
            given = token()
            if inspect.isawaitable(given):
                async with asyncio.timeout(_FETCH_TIMEOUT_S):
                    token = await given
            else:
                token = given
        expires_at_s = _claims(token).exp
        self._current = inp.Token(token, None if expires_at_s is None else int(expires_at_s * 1000))
        return self._current

    async def current(self) -> str:
        """The token that was fetched last, else a fresh one. Raises as `fetch`."""
        return (self._current or await self.fetch()).token


def _claims(token: str) -> _Claims:
    """The claims of a JWT (RFC 7519), unverified; empty where it is none."""
    try:
        payload = token.split(".")[1]
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(raw, type=_Claims)
    except (IndexError, ValueError, msgspec.DecodeError):
        return _Claims()

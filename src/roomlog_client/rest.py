"""What is asked by REST: history, search, presence, rooms."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from roomlog_client.core.turn import RETRIED
from roomlog_client.errors import ClosedError, RefusedError, UnavailableError
from roomlog_client.tokens import Tokens
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode

T = TypeVar("T")

_REQUEST_TIMEOUT_S = 10.0
_BACKOFF_S_MAX = 5.0
_UNAUTHENTICATED = 401
_UNREACHABLE = "unreachable"
_FAULT = "server_fault"
_LASTING = frozenset({500, 502, 504})

Query = Mapping[str, str | int | None]


class _Problem(msgspec.Struct):
    """What is read of an RFC 9457 problem."""

    code: str = _FAULT
    detail: str = ""
    errors: list[dict[str, Any]] = []


class Rest:
    """Asks, and asks again until `timeout_s` is over: for what is unavailable, not for what is
    refused. Duty of the caller: `close`."""

    def __init__(
        self,
        base_url: str,
        tokens: Tokens,
        *,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tokens = tokens
        self._timeout_s = timeout_s
        self._over = asyncio.Event()
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=_REQUEST_TIMEOUT_S,
            # Reading the certificates takes a tenth of a second: not where nothing needs them.
            verify=tls or base_url.startswith("https:"),
        )

    async def close(self) -> None:
        """Let its connections go. Who still waits for an answer is told ClosedError."""
        self._over.set()
        await self._http.aclose()

    async def get(self, path: str, answer: type[T], query: Query | None = None) -> T:
        """Raises RefusedError, UnavailableError when the time is over, ClosedError when this is
        closed."""
        return await self._ask("GET", path, answer, query=query)

    async def post(self, path: str, answer: type[T], body: object, key: str) -> T:
        """Create something once, however often it is asked. Raises as `get`."""
        return await self._ask("POST", path, answer, body=body, key=key)

    async def _ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        query: Query | None = None,
        body: object = None,
        key: str | None = None,
    ) -> T:
        until_s = time.monotonic() + self._timeout_s
        content = None if body is None else msgspec.json.encode(body)
        given = {k: v for k, v in (query or {}).items() if v is not None}
        renewed = False
        attempt = 0
        while True:
            try:
                told = await self._once(method, path, given, content, key)
            except (httpx.TransportError, TimeoutError) as error:
                lasting = UnavailableError(_UNREACHABLE, f"{type(error).__name__}: {error}")
            else:
                if told.is_success:
                    return msgspec.json.decode(told.content, type=answer)
                if told.status_code == _UNAUTHENTICATED and not renewed:
                    renewed = True
                    await self._tokens.fetch()
                    continue
                lasting = _judge(told)
            wait_s = lasting.retry_after_s or min(_BACKOFF_S_MAX, 0.25 * 2**attempt)
            wait_s *= 1 + random.random() / 2  # noqa: S311 - it only spreads the load
            attempt += 1
            if time.monotonic() + wait_s > until_s:
                raise lasting
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._over.wait()

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        content: bytes | None,
        key: str | None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._tokens.current()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        if self._over.is_set():
            raise ClosedError("closed_by_user", "the client was closed")
        return await self._http.request(
            method, path, params=query, content=content, headers=headers
        )


def _judge(told: httpx.Response) -> UnavailableError:
    """Why it makes sense to ask again. Raises RefusedError where it makes none."""
    try:
        problem = msgspec.json.decode(told.content, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem(detail=f"status {told.status_code}")
    if problem.code not in RETRIED and told.status_code not in _LASTING:
        field = next((str(one.get("field")) for one in problem.errors), None)
        raise RefusedError(problem.code, problem.detail, field=field)
    try:
        retry_after_s = float(told.headers.get("Retry-After", ""))
    except ValueError:
        retry_after_s = None
    return UnavailableError(problem.code, problem.detail, retry_after_s=retry_after_s)


class Reload(msgspec.Struct, frozen=True):
    """A room as REST shows it, at `position` of `epoch` or a little later: what a view begins
    anew with. `messages` are the newest, oldest first."""

    epoch: str
    position: int
    room: rs.RoomResponse
    members: list[rs.MemberResponse]
    messages: list[rs.MessageResponse]


async def load(rest: Rest, room_id: str, epoch: str, position: int, limit: int) -> Reload:
    """Read a room as it stands at `position` at least. Raises as `Rest.get`."""
    at_least = {"min_sequence": position}
    path = f"/api/rooms/{room_id}"
    newest = await rest.get(
        f"{path}/messages", rs.RoomPage[rs.MessageResponse], {**at_least, "limit": limit}
    )
    if newest.epoch != epoch:
        detail = f"the page is of epoch {newest.epoch}, not {epoch}"
        raise UnavailableError(ErrorCode.PROJECTION_BEHIND, detail)
    room = await rest.get(path, rs.RoomResponse)
    members: list[rs.MemberResponse] = []
    query: Query = {"limit": rs.PAGE_LIMIT_MAX}
    while True:
        page = await rest.get(f"{path}/members", rs.Page[rs.MemberResponse], query)
        members += page.items
        if page.next is None:
            return Reload(epoch, position, room, members, newest.items[::-1])
        query = {"limit": rs.PAGE_LIMIT_MAX, "cursor": page.next}

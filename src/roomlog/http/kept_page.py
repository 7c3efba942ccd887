"""A room's newest page, given again as it went out before, ahead of everything that Litestar does
for a request.

Pages of rooms that many look at are asked for again and again while nothing changes. What such a
request must pass is asked here as its guards and its handler do: who asks, whether they may read,
whether the page still holds. Whatever else it turns out to be goes on to them. Pages for other
origins do: their headers are the framework's.
"""

import re
from collections.abc import Awaitable, Callable

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from roomlog.http.auth import bearer
from roomlog.http.newest_pages import KeptPage
from roomlog.http.parts import HttpParts
from roomlog.http.prepared import Prepared, send_prepared
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog_contract.errors import RefusedError
from roomlog_contract.resources import PAGE_LIMIT_DEFAULT

PATH_TEMPLATE = "/api/rooms/{room_id}/messages"
_PATH = re.compile(PATH_TEMPLATE.format(room_id=r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"))
_BEGUN = "roomlog_begun"
_NARROWED = re.compile(
    rb"(?:limit=(?P<limit>[1-9][0-9]{0,3}))?(?:(?:^|&)min_sequence=(?P<least>[0-9]{1,18}))?\Z"
)

_ANYTHING = (b"*/*", b"application/json")


Middleware = Callable[[ASGIApp], ASGIApp]
OnSend = Callable[[Message, Scope], Awaitable[None]]


def kept_page_first(
    app: ASGIApp, parts: HttpParts, begun: Middleware, on_send: OnSend
) -> Callable[[HTTPScope, Receive, Send], Awaitable[None]]:
    """An application that answers what can be answered with a kept page, and leaves the rest to
    `app`, the framework.

    `begun` is the middleware and `on_send` the hook that every answer has. Where a kept page
    could be the answer, `begun` runs here already: `app` must have it as `unless_begun` makes it.
    """

    async def answer_or_go_on(scope: HTTPScope, receive: Receive, send: Send) -> None:
        path = _PATH.fullmatch(scope["path"]) if scope["method"] == "GET" else None
        if path is None or not parts.newest.has(path[1]) or _given(scope, b"origin"):
            await app(scope, receive, send)
            return
        room_id = path[1]

        async def send_told(message: Message) -> None:
            await on_send(message, scope)
            await send(message)

        async def answer(scope: Scope, receive: Receive, send_told: Send) -> None:
            page = await _page(parts, scope, room_id)
            if page is None:
                await app(scope, receive, send)
            else:
                kept = Prepared(200, "application/json", page.body, page.headers.items())
                await send_prepared(kept, send_told)

        scope["path_template"] = PATH_TEMPLATE
        scope["path_params"] = {"room_id": room_id}
        scope[_BEGUN] = True  # type: ignore[literal-required, typeddict-unknown-key]
        await begun(answer)(scope, receive, send_told)

    return answer_or_go_on


def unless_begun(begun: Middleware) -> Middleware:
    """The middleware, for requests that did not pass it ahead of the framework."""

    def once(app: ASGIApp) -> ASGIApp:
        first = begun(app)

        async def begin(scope: Scope, receive: Receive, send: Send) -> None:
            await (app if _BEGUN in scope else first)(scope, receive, send)

        return begin

    return once


def _given(scope: Scope, header: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == header]


async def _page(parts: HttpParts, scope: Scope, room_id: str) -> KeptPage | None:
    asked = _NARROWED.match(scope["query_string"])
    size = PAGE_LIMIT_DEFAULT if asked is None else int(asked["limit"] or PAGE_LIMIT_DEFAULT)
    page = None if asked is None else parts.newest.find(room_id, size)
    if asked is None or page is None or int(asked["least"] or 0) > page.head:
        return None
    given = _given(scope, b"authorization")
    if len(given) != 1 or any(value not in _ANYTHING for value in _given(scope, b"accept")):
        return None
    try:
        identity = await parts.tokens.verify(bearer(given[0].decode("latin-1")))
        if not await parts.messages.still_at(identity.actor, room_id, page.head, page.epoch):
            return None
    except (RefusedError, LogUnavailableError, DatabaseUnavailableError):
        return None
    scope["user"] = identity.actor
    return page

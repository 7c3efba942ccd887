"""A room's newest page, given again as it went out before, ahead of everything that Litestar does
for a request.

Pages of rooms that many look at are asked for again and again while nothing changes. What such a
request must pass is asked here as its guards and its handler do: who asks, whether they may read,
whether the page still holds. Whatever else it turns out to be goes on to them.
"""

import re

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from roomlog.http.auth import bearer
from roomlog.http.newest_pages import KeptPage
from roomlog.http.prepared import Prepared, send_prepared
from roomlog.http.requests import parts_of, path_uuid
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog_contract.errors import RefusedError
from roomlog_contract.resources import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX

PATH_TEMPLATE = "/api/rooms/{room_id}/messages"
_NARROWED = re.compile(
    rb"(?:limit=(?P<limit>[1-9][0-9]{0,3}))?(?:(?:^|&)min_sequence=(?P<least>[0-9]{1,18}))?\Z"
)

_ANYTHING = (b"*/*", b"application/json")


def kept_page_first(app: ASGIApp) -> ASGIApp:
    """A middleware: answers what can be answered with a kept page."""

    async def answer_or_go_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path_template") == PATH_TEMPLATE and scope["type"] == "http":
            page = await _page(scope) if scope["method"] == "GET" else None
            if page is not None:
                kept = Prepared(200, "application/json", page.body, page.headers.items())
                await send_prepared(kept, send)
                return
        await app(scope, receive, send)

    return answer_or_go_on


async def _page(scope: HTTPScope) -> KeptPage | None:
    asked = _NARROWED.match(scope["query_string"])
    size = PAGE_LIMIT_DEFAULT if asked is None else int(asked["limit"] or PAGE_LIMIT_DEFAULT)
    if asked is None or size > PAGE_LIMIT_MAX:
        return None
    parts = parts_of(scope)
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    if len(given) != 1 or any(value not in _ANYTHING for value in accepted):
        return None
    try:
        room_id = path_uuid(str(scope["path_params"]["room_id"]), "room")
        page = parts.newest.find(room_id, size)
        if page is None or int(asked["least"] or 0) > page.head:
            return None
        identity = await parts.tokens.verify(bearer(given[0].decode("latin-1")))
        if not await parts.messages.still_at(identity.actor, room_id, page.head, page.epoch):
            return None
    except (RefusedError, LogUnavailableError, DatabaseUnavailableError):
        return None
    scope["user"] = identity.actor
    return page

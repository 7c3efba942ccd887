"""HEAD and OPTIONS, on every path alike (RFC 9110, 9.3.2 and 9.3.7)."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_204_NO_CONTENT
from litestar.types import HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ASKED = "roomlog_asked_by_head"

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answer_head(app: Application, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """What GET answers, without the body. What goes on for long, such as a live feed, ends with
    its head: the application is told that the client has gone."""
    begun = False

    async def receive_until_begun() -> HTTPReceiveMessage:
        if begun:
            return {"type": "http.disconnect"}
        return cast("HTTPReceiveMessage", await receive())

    async def send_head(message: Message) -> None:
        nonlocal begun
        if message["type"] == "http.response.start":
            begun = True
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    asked = {**scope, "method": "GET", _ASKED: True}
    await app(cast("Scope", asked), receive_until_begun, send_head)


def method_of(scope: Scope) -> str:
    """The method that the client asked by, `other` for what is none of HTTP's."""
    if scope.get(_ASKED):
        return "HEAD"
    method = scope.get("method", "")
    return method if method in METHODS else "other"


def allow(methods: set[str]) -> str:
    """The `Allow` header of a path with these routes."""
    heads = {"HEAD"} if "GET" in methods else set[str]()
    return ", ".join(sorted(methods | heads))


def answer_options() -> Callable[[Request[Any, Any, Any]], Awaitable[Response[None] | None]]:
    """A hook before requests. Litestar's own answer names only the first handler of a path."""
    allowed: dict[str, str] = {}

    async def before_request(request: Request[Any, Any, Any]) -> Response[None] | None:
        if request.method != "OPTIONS":
            return None
        if not allowed:
            allowed.update(_methods(request.app))
        headers = {"Allow": allowed[request.scope["path_template"]]}
        return Response(None, status_code=HTTP_204_NO_CONTENT, headers=headers)

    return before_request


def _methods(app: Litestar) -> dict[str, str]:
    return {
        route.path_format: allow({str(method) for method in route.methods})
        for route in app.routes
        if isinstance(route, HTTPRoute)
    }

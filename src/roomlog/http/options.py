"""OPTIONS: which methods a path takes (RFC 9110, 9.3.7)."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Request, Response
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_204_NO_CONTENT


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
        route.path_format: ", ".join(sorted(route.methods))
        for route in app.routes
        if isinstance(route, HTTPRoute)
    }

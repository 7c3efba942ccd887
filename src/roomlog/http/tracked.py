"""Each request has an id and a trace, is counted, measured, and told in the log."""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from roomlog import metrics, tracing
from roomlog.http.methods import method_of
from roomlog.http.requests import request_id
from roomlog.observability import tell

_STARTED = "roomlog_started"
# Asked all the time by machines: they tell nothing of what people do.
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})

_logger = logging.getLogger(__name__)
# Finding a label's counter costs more than counting; labels are few by their nature.
_requests = cache(metrics.HTTP_REQUESTS.labels)
_seconds = cache(metrics.HTTP_SECONDS.labels)


def tracked(app: ASGIApp) -> ASGIApp:
    """A middleware: what is done for a request belongs to its id and trace."""

    async def track(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope[_STARTED] = time.perf_counter()  # type: ignore[literal-required, typeddict-unknown-key]
        tracing.enter(request_id(scope), scope["headers"])
        method = method_of(scope)
        name = f"{method} {scope.get('path_template', metrics.UNMATCHED)}"
        with tracing.span(name, {"http.request.method": method}, root=True):
            await app(scope, receive, send)

    return track


def finish() -> Callable[[Message, Scope], Awaitable[None]]:
    """What every answer gets on its way out: its request's id, and to be counted."""

    async def on_send(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start" or scope["type"] != "http":
            return
        route = scope.get("path_template", metrics.UNMATCHED)
        method = method_of(scope)
        _requests(method, route, message["status"]).inc()
        headers = [*message["headers"], (b"x-request-id", request_id(scope).encode())]
        message["headers"] = headers
        started_s = cast("float | None", scope.get(_STARTED))
        took_s = 0.0 if started_s is None else time.perf_counter() - started_s
        if started_s is not None:
            _seconds(route).observe(took_s)
        if route not in _QUIET:
            tell(_logger, "answered", _told(scope, route, message["status"], took_s))
        elif _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("answered", extra=_told(scope, route, message["status"], took_s))

    return on_send


def _told(scope: Scope, route: str, status: int, took_s: float) -> dict[str, object]:
    told: dict[str, object] = {
        "request_id": request_id(scope),
        "method": method_of(scope),
        "route": route,
        "status": status,
        "took_ms": round(took_s * 1000, 1),
    }
    user, in_path = scope.get("user"), scope.get("path_params")
    if user is not None:
        told["user_id"] = user.user_id
    if in_path and "room_id" in in_path:
        told["room_id"] = in_path["room_id"]
    return told

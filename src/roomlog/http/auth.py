"""Who asks, and in which form the answer is wanted: judged before anything is read."""

import logging
import re
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from roomlog import metrics
from roomlog.http.requests import ApiRequest
from roomlog_contract.errors import ErrorCode, RefusedError

JSON = "application/json"
NDJSON = "application/x-ndjson"
ACCEPT_CHARS_MAX = 1024
_logger = logging.getLogger(__name__)

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")


async def authenticate(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard: the bearer of the `Authorization` header becomes the request's user (RFC 6750).

    Raises RefusedError `unauthenticated`.
    """
    del handler
    assert isinstance(connection, ApiRequest)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    try:
        identity = await connection.parts.tokens.verify(
            token.strip() if scheme.lower() == "bearer" else None
        )
    except RefusedError as refusal:
        metrics.AUTHENTICATION_FAILURES.labels("rest").inc()
        _logger.warning("not authenticated", extra={"by": "rest", "why": refusal.detail})
        raise
    connection.scope["user"] = identity.actor
    connection.scope["auth"] = identity


async def negotiate(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard: what the route gives must be what the client takes.

    Not awaiting anything, it is async all the same: Litestar runs plain guards in a thread.
    Raises RefusedError `not_acceptable`.
    """
    preferred(connection.headers.get("accept"), handler.opt.get("produces", (JSON,)))


def preferred(accept: str | None, produced: tuple[str, ...]) -> str:
    """Which of the media types `produced` the client wants most (RFC 9110, 12.5.1).

    The first where it has no wish. Raises RefusedError `not_acceptable` where it takes none.
    """
    if accept is None or accept == "*/*" or not accept.strip():
        return produced[0]
    if len(accept) > ACCEPT_CHARS_MAX:
        raise RefusedError(ErrorCode.NOT_ACCEPTABLE, "the Accept header is too long")
    ranges = [_media_range(part) for part in accept.split(",")]
    wishes = [(_quality(media_type, ranges), media_type) for media_type in produced]
    quality, best = max(wishes, key=lambda wish: wish[0])
    if quality <= 0:
        raise RefusedError(ErrorCode.NOT_ACCEPTABLE, f"this gives {' or '.join(produced)}")
    return best


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = part.lower().split(";")
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            match = _QUALITY.match(value.strip())
            quality = float(match[0]) if match else 0.0
    return name.strip(), quality


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """The quality that the most specific range gives to a media type; 0 where none matches."""
    wanted = dict(ranges)
    kind = media_type.partition("/")[0]
    for name in (media_type, f"{kind}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0

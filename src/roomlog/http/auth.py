"""Who asks, and in which form the answer is wanted: judged before anything is read."""

import logging
import re
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from roomlog import metrics
from roomlog.http.query import require_known_query
from roomlog.http.requests import ApiRequest
from roomlog_contract.errors import ErrorCode, RefusedError

JSON = "application/json"
NDJSON = "application/x-ndjson"
ACCEPT_CHARS_MAX = 1024
_logger = logging.getLogger(__name__)

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every path below `/api`: who asks is known, what the route gives is what the
    client takes, and every parameter is one that the route knows.

    OPTIONS asks for nothing but the methods, which are public; a browser's preflight bears no token.
    One guard, since Litestar copies the whole handler for each. Raises RefusedError.
    """
    assert isinstance(connection, ApiRequest)
    if connection.method == "OPTIONS":
        return
    await _authenticate(connection)
    preferred(connection.headers.get("accept"), handler.opt.get("produces", (JSON,)))
    require_known_query(connection, handler)


def bearer(authorization: str) -> str | None:
    """The token in an `Authorization` header (RFC 6750, section 2.1); None where it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _authenticate(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    assert isinstance(connection, ApiRequest)
    try:
        identity = await connection.parts.tokens.verify(
            bearer(connection.headers.get("authorization", ""))
        )
    except RefusedError as refusal:
        metrics.AUTHENTICATION_FAILURES.labels("rest").inc()
        _logger.warning("not authenticated", extra={"by": "rest", "why": refusal.detail})
        raise
    connection.scope["user"] = identity.actor
    connection.scope["auth"] = identity


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

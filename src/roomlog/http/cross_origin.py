"""Which pages of other origins browsers let call the API (Fetch Standard, CORS).

A token travels in a header that no page sends by itself, so that nobody's browser can be made to
act for its user; CORS only widens what pages may read.
"""

import re
from collections.abc import Collection
from typing import cast

from litestar.config.cors import CORSConfig
from litestar.types import HTTPScope

PREFLIGHT_AGE_S = 600
_REQUEST_HEADERS = (
    *("Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-Match"),
    *("Last-Event-ID", "X-Request-ID", "traceparent", "tracestate"),
)
_ANSWER_HEADERS = (
    *("ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy"),
    *("Retry-After", "Roomlog-Epoch", "Roomlog-Projected", "X-Request-ID"),
)


def cross_origin(allowed: Collection[str]) -> CORSConfig | None:
    """The CORS settings for pages of these origins; None, no page of another's, where none is."""
    if not allowed:
        return None
    # By expression, because a star in `allow_origins` would stand for anything.
    origins = "|".join(re.escape(origin.lower().rstrip("/")) for origin in allowed)
    return CORSConfig(
        allow_origins=[],
        allow_origin_regex=f"(?i:{origins})",
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=list(_REQUEST_HEADERS),
        expose_headers=list(_ANSWER_HEADERS),
        max_age=PREFLIGHT_AGE_S,
    )


def without_foreign_origin(scope: HTTPScope, config: CORSConfig | None) -> HTTPScope:
    """The request as one from nobody's page, where it is from the page of an origin that is not
    allowed: it gets the same answer and no CORS headers, by which the browser keeps the answer
    from the page. Litestar would answer a preflight of it as a client's mistake."""
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    if origin is None or config is None or config.is_origin_allowed(origin.decode("latin-1")):
        return scope
    headers = [header for header in scope["headers"] if header[0] != b"origin"]
    return cast("HTTPScope", {**scope, "headers": headers})

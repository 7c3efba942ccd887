"""Headers that answers carry and requests may carry, beside those that handlers declare."""

from typing import Any

from roomlog_contract.errors import ErrorCode

_REFERENCE = "#/components/headers/"
_PARAMETER = "#/components/parameters/"
_TEXT = {"type": "string"}
_QUOTAS = r'^"[a-z]+"(;[a-z]=[0-9]+)+(, "[a-z]+"(;[a-z]=[0-9]+)+)*$'


def _header(
    description: str, schema: dict[str, Any], example: object, *, always: bool = False
) -> dict[str, Any]:
    return {
        "description": description,
        "required": always,
        "schema": schema,
        "example": example,
    }


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": _header(
        "Names the request in the server's log: the client's own id, or a new one.",
        {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"},
        "0192f3a4-7c1e-7b52-9d0a-5f6e7d8c9b0a",
        always=True,
    ),
    "Cache-Control": _header(
        "What one user may read now is nobody else's, nor theirs tomorrow.",
        {"type": "string", "const": "no-store"},
        "no-store",
        always=True,
    ),
    "ETag": _header(
        "The message's `version` as an entity tag, for `If-Match`.",
        {"type": "string", "pattern": '^"[0-9]+"$'},
        '"1042"',
        always=True,
    ),
    "Location": _header(
        "Where what was made can be read.",
        {"type": "string", "format": "uri-reference"},
        "/api/rooms/0192f3a4-6b0d-7e21-8c3f-1a2b3c4d5e6f",
        always=True,
    ),
    "Link": _header(
        "The next page (RFC 8288), where there is one.",
        {"type": "string", "pattern": '^<[^>]+>; rel="next"$'},
        '</api/rooms?cursor=k6JyMTLNBBI>; rel="next"',
    ),
    "Idempotency-Replayed": _header(
        "The key had been used before: this is the answer of then.",
        {"type": "string", "const": "true"},
        "true",
    ),
    "Roomlog-Projected": _header(
        "The write is on disk in the log, and the tables don't show it yet.",
        {"type": "string", "const": "false"},
        "false",
    ),
    "RateLimit": _header(
        "What is left of each limit that applies: `r` units, all there again in `t` seconds "
        "(draft-ietf-httpapi-ratelimit-headers-10). Absent where limits are switched off.",
        {"type": "string", "pattern": _QUOTAS},
        '"messages";r=9;t=1, "room";r=999;t=1',
    ),
    "RateLimit-Policy": _header(
        "Each limit that applies: `q` units in `w` seconds.",
        {"type": "string", "pattern": _QUOTAS},
        '"messages";q=10;w=1, "room";q=1000;w=1',
    ),
    "Retry-After": _header(
        "Seconds after which trying again makes sense.",
        {"type": "integer", "minimum": 1},
        1,
        always=True,
    ),
    "WWW-Authenticate": _header(
        "A bearer token is asked for (RFC 6750).", _TEXT, 'Bearer realm="roomlog"', always=True
    ),
    "Allow": _header(
        "The methods that the path takes.",
        {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
        "GET, HEAD, OPTIONS, POST",
        always=True,
    ),
    "Roomlog-Epoch": _header(
        "With `text/event-stream`: the log's epoch. In another one, begin anew.",
        _TEXT,
        "0192f3a4-0000-7000-8000-000000000001",
    ),
    "X-Accel-Buffering": _header(
        "With `text/event-stream`: asks proxies not to hold events back.",
        {"type": "string", "const": "no"},
        "no",
    ),
}

PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The client's own id for the request, 1 to 128 letters, digits and "
        "`_.:-`: it comes back and stands in the server's log. Another one is replaced.",
        "schema": {**_TEXT, "examples": ["0192f3a4-7c1e-7b52-9d0a-5f6e7d8c9b0a"]},
    },
    "TraceParent": {
        "name": "traceparent",
        "in": "header",
        "description": "The trace that the request belongs to (W3C Trace Context). It goes into "
        "the server's log and into the headers of the event. A malformed one is ignored.",
        "schema": {
            **_TEXT,
            "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        },
    },
    "TraceState": {
        "name": "tracestate",
        "in": "header",
        "description": "What the trace's systems add to it (W3C Trace Context).",
        "schema": {**_TEXT, "examples": ["vendor=opaque"]},
    },
}
"""Headers that every request may carry."""

OF_EVERY_ANSWER = ("X-Request-ID",)
_OF_STATUS = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def headers(names: tuple[str, ...]) -> dict[str, Any]:
    """The `headers` of a response that carries these."""
    return {name: {"$ref": _REFERENCE + name} for name in (*OF_EVERY_ANSWER, *names)}


def problem_headers(status: int, codes: tuple[ErrorCode, ...]) -> dict[str, Any]:
    """The `headers` of a problem."""
    names = _OF_STATUS.get(status, ())
    if ErrorCode.RATE_LIMITED in codes:
        names += ("RateLimit", "RateLimit-Policy")
    return headers(names)


def general_parameters() -> list[dict[str, str]]:
    """References to the headers that every request may carry."""
    return [{"$ref": _PARAMETER + name} for name in PARAMETERS]

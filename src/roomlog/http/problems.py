"""Every error as a problem (RFC 9457): what went wrong, with a stable code, and nothing more."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from roomlog import metrics
from roomlog.core.limits import LimitedError
from roomlog.core.wrong_shape import in_words
from roomlog.http.methods import METHODS, allow
from roomlog.http.rate_limits import rate_limit_headers
from roomlog.http.requests import ApiRequest, parameter_name, request_id
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog_contract.errors import HTTP_STATUS, ErrorCode, FieldError, Problem, RefusedError

logger = logging.getLogger(__name__)

# The framework names a parameter that must be there in its text alone.
_MISSING = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:roomlog:problem:"
RETRY_AFTER_DEFAULT_S = 1.0

_FRAMEWORK_CODES = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.TOO_LARGE,
}
_DETAILS = {
    ErrorCode.NOT_FOUND: "there is nothing at this path",
    ErrorCode.METHOD_NOT_ALLOWED: "this path does not take this method",
    ErrorCode.TOO_LARGE: "the request's body is too large",
}


class UnexpectedProblem(msgspec.Struct, frozen=True):
    """A fault of the server's own. It has no stable code, because nothing may rely on it."""

    detail: str
    type: str = "about:blank"
    title: str = "Internal Server Error"
    status: int = 500


def problem(code: ErrorCode, detail: str, errors: list[FieldError] | None = None) -> Problem:
    """The problem that goes with a code."""
    return Problem(
        type=TYPE_PREFIX + code,
        title=code.replace("_", " ").capitalize(),
        status=HTTP_STATUS[code],
        code=code,
        detail=detail,
        errors=errors or [],
    )


def problem_of(error: Exception) -> tuple[Problem, dict[str, str]] | None:
    """The problem and the headers that tell of an error; None for one that nobody foresaw."""
    match error:
        case RefusedError():
            told = problem(error.code, _with_field(error), error.errors)
            headers = _headers(told, error.retry_after_s)
            if isinstance(error, LimitedError):
                headers.update(rate_limit_headers(error.quotas))
            return told, headers
        case DatabaseUnavailableError():
            told = problem(ErrorCode.DATABASE_UNAVAILABLE, "the tables can't be read now")
            return told, _headers(told, None)
        case LogUnavailableError():
            told = problem(ErrorCode.LOG_UNAVAILABLE, error.detail)
            return told, _headers(told, None)
        case HTTPException() if error.status_code < 500:
            return _of_framework(error)
        case _:
            return None


def _with_field(error: RefusedError) -> str:
    """What is wrong, and with what: whoever shows nothing but the detail is told both."""
    field = error.errors[0].field if error.errors else ""
    return f"{field}: {error.detail}" if field else error.detail


def _of_framework(error: HTTPException) -> tuple[Problem, dict[str, str]]:
    code = _FRAMEWORK_CODES.get(error.status_code, ErrorCode.INVALID)
    headers: dict[str, str] = {}
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        # The router names a path's WebSocket among its methods.
        allowed = METHODS.intersection((error.headers or {}).get("allow", "").split(", "))
        if not allowed:
            code = ErrorCode.NOT_FOUND
        else:
            headers["Allow"] = allow(set(allowed))
    return problem(code, _DETAILS.get(code, error.detail)), headers


def _headers(told: Problem, retry_after_s: float | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if told.code is ErrorCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="roomlog"'
    if retry_after_s is not None or told.status in {429, 503}:
        seconds = RETRY_AFTER_DEFAULT_S if retry_after_s is None else retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return headers


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's handler for every exception."""
    assert isinstance(request, ApiRequest)
    if isinstance(error, ValidationException):
        error = _refused_parameters(request, error)
    request.parts.denials.record(error, "rest", request_id(request.scope))
    known = problem_of(error)
    if known is not None:
        told, headers = known
        metrics.ERRORS.labels("rest", told.code).inc()
        return problem_response(told, headers)
    identity = request_id(request.scope)
    logger.error(
        "%s %s failed",
        request.method,
        request.scope["path"],
        exc_info=error,
        extra={"request_id": identity},
    )
    metrics.ERRORS.labels("rest", metrics.UNEXPECTED).inc()
    unexpected = UnexpectedProblem(f"an error of the server's own; it is logged as {identity}")
    return Response(unexpected, status_code=500, media_type=MEDIA_TYPE)


def problem_response(told: Problem, headers: Mapping[str, str]) -> Response[Problem]:
    """A problem as it goes out."""
    return Response(told, status_code=told.status, media_type=MEDIA_TYPE, headers=dict(headers))


def _refused_parameters(request: ApiRequest, error: ValidationException) -> Exception:
    """Query parameters and headers that are not what their declaration says."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_field_error(request, str(e.get("key")), str(e.get("message"))) for e in extra]
    if not errors:
        missing = _MISSING.match(error.detail)
        if missing is not None:
            return RefusedError(ErrorCode.INVALID, "is missing", field=missing["name"])
        return RefusedError(ErrorCode.INVALID, error.detail)
    refused = RefusedError(ErrorCode.INVALID, errors[0].detail)
    refused.errors = errors
    return refused


def _field_error(request: ApiRequest, key: str, message: str) -> FieldError:
    if key == "data":
        return FieldError("body", "is missing")
    # Parameters may be left out, but there is no way of sending a null.
    name = parameter_name(request, key)
    return FieldError(name, in_words(message, name).replace(" | null", ""))

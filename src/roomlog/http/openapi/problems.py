"""What an operation may refuse, and how: a response for each status, with its codes."""

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from roomlog.http.openapi.headers import headers, problem_headers
from roomlog.http.openapi.shapes import reference
from roomlog.http.problems import MEDIA_TYPE, UnexpectedProblem, problem
from roomlog_contract.errors import HTTP_STATUS, ErrorCode, FieldError
from roomlog_contract.meanings import ERROR_MEANINGS, Meaning

_REFERENCE = "#/components/responses/"
_UNEXPECTED = "Unexpected"

_DETAILS: dict[ErrorCode, str] = {
    ErrorCode.UNAUTHENTICATED: "the token has expired",
    ErrorCode.FORBIDDEN: "eve@example.org (observer) may not send",
    ErrorCode.NOT_FOUND: "no such room",
    ErrorCode.METHOD_NOT_ALLOWED: "this path does not take this method",
    ErrorCode.NOT_ACCEPTABLE: "this gives application/json",
    ErrorCode.ROOM_CLOSED: "the room is closed and takes no more messages",
    ErrorCode.ALREADY_DELETED: "the message was deleted",
    ErrorCode.EDIT_WINDOW_CLOSED: "messages can be edited for 900 s after they were sent",
    ErrorCode.VERSION_MISMATCH: "the message has changed meanwhile: it is not at the expected "
    "version",
    ErrorCode.TOO_LARGE: "at most 10240 bytes",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "bodies are application/json in UTF-8",
    ErrorCode.INVALID: "must not be empty",
    ErrorCode.IDEMPOTENCY_MISMATCH: "this key was used for another request",
    ErrorCode.RATE_LIMITED: "a user may make 10 messages a second",
    ErrorCode.SPAM: "the same message 4 times within 30 s is enough",
    ErrorCode.LOG_UNAVAILABLE: "the log did not answer in time; whether it was appended is "
    "unknown: retry with the same key",
    ErrorCode.PROJECTION_BEHIND: "the tables have not reached sequence 1042 yet",
    ErrorCode.DATABASE_UNAVAILABLE: "the tables can't be read now",
}
_FIELDS = {ErrorCode.INVALID: "content", ErrorCode.TOO_LARGE: "content"}


class Responses:
    """Responses that operations share, made as they are asked for."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.of([ErrorCode.METHOD_NOT_ALLOWED])

    def of(self, codes: Iterable[ErrorCode]) -> dict[str, Any]:
        """The responses of an operation that may refuse with these codes, by status."""
        by_status: defaultdict[int, list[ErrorCode]] = defaultdict(list)
        for code in dict.fromkeys(codes):
            by_status[HTTP_STATUS[code]].append(code)
        return {
            str(status): self._reference(status, tuple(its))
            for status, its in sorted(by_status.items())
        }

    def unexpected(self) -> dict[str, Any]:
        """The response that tells of a fault of the server's own."""
        example = UnexpectedProblem("an error of the server's own; it is logged as 0192f3a4-7c1e")
        self.components[_UNEXPECTED] = {
            "description": "A fault of the server's own. It has no code: nothing may rely on it.",
            "headers": headers(()),
            "content": {
                MEDIA_TYPE: {
                    "schema": reference("UnexpectedProblem"),
                    "examples": {"fault": {"value": example}},
                }
            },
        }
        return {"500": {"$ref": _REFERENCE + _UNEXPECTED}}

    def _reference(self, status: int, codes: tuple[ErrorCode, ...]) -> dict[str, str]:
        name = "Or".join(code.title().replace("_", "") for code in codes)
        if name not in self.components:
            self.components[name] = _response(status, codes)
        return {"$ref": _REFERENCE + name}


def _response(status: int, codes: tuple[ErrorCode, ...]) -> dict[str, Any]:
    meant = [f"`{code}`: {when}. {do.capitalize()}." for code, (when, do) in _meanings(codes)]
    return {
        "description": "\n\n".join([f"{HTTPStatus(status).phrase}.", *meant]),
        "headers": problem_headers(status, codes),
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        reference("Problem"),
                        {
                            "properties": {
                                "status": {"const": status},
                                "code": {"enum": [code.value for code in codes]},
                            }
                        },
                    ]
                },
                "examples": {code.value: {"value": example(code)} for code in codes},
            }
        },
    }


def _meanings(codes: tuple[ErrorCode, ...]) -> Iterable[tuple[ErrorCode, Meaning]]:
    return ((code, ERROR_MEANINGS[code]) for code in codes)


def example(code: ErrorCode) -> Any:
    """A problem as an operation could answer it."""
    detail, field = _DETAILS[code], _FIELDS.get(code)
    return problem(code, detail, [FieldError(field, detail)] if field else None)

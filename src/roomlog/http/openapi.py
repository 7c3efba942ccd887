"""The OpenAPI document: paths and parameters as Litestar reads them from the handlers, shapes as
msgspec decodes and encodes them, and every problem that a route may answer."""

import re
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Router
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from roomlog.http.api_page import ASSETS, ApiPage
from roomlog.http.auth import NDJSON
from roomlog.http.event_stream import EVENT_STREAM
from roomlog.http.health import Liveness, NotReady, Readiness
from roomlog.http.problems import MEDIA_TYPE
from roomlog_contract import resources as rs
from roomlog_contract.errors import HTTP_STATUS, ErrorCode, Problem
from roomlog_contract.events import RoomEvent
from roomlog_contract.types import SearchOrder

PATH = "/schema"
BEARER = [{"bearer": list[str]()}]

_SHAPES = (
    *(rs.BroadcastRequest, rs.BroadcastResponse, rs.PresenceResponse),
    rs.RoomCreate,
    rs.RoomUpdate,
    rs.MemberUpdate,
    rs.ReadMarkerUpdate,
    rs.MessageCreate,
    rs.MessageEdit,
    rs.MessageDelete,
    rs.ReactionRequest,
    rs.Page[rs.RoomResponse],
    rs.RoomPage[rs.MemberResponse],
    rs.RoomPage[rs.MessageResponse],
    rs.RoomPage[rs.SearchHit],
    rs.RoomPage[rs.MessageVersion],
    rs.RoomStats,
    rs.RoomPage[RoomEvent],
    rs.ReactionResponse,
    SearchOrder,
    Problem,
    Liveness,
    Readiness,
    NotReady,
)
_REFERENCE = "#/components/schemas/{name}"
_MODULE = re.compile(r"roomlog(?:_contract)?(?:\.\w+)*\.")

_ALWAYS = (
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.NOT_ACCEPTABLE,
    ErrorCode.INVALID,
    ErrorCode.LOG_UNAVAILABLE,
    ErrorCode.PROJECTION_BEHIND,
    ErrorCode.DATABASE_UNAVAILABLE,
)
_ABOUT_SOMETHING = (ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND)
_BODY = (ErrorCode.TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE)
_APPEND = (ErrorCode.IDEMPOTENCY_MISMATCH, ErrorCode.ALREADY_DELETED)
_OF_OPERATION = {
    "broadcast": (ErrorCode.FORBIDDEN,),
    "send_message": (ErrorCode.ROOM_CLOSED,),
    "edit_message": (ErrorCode.EDIT_WINDOW_CLOSED, ErrorCode.VERSION_MISMATCH),
    "delete_message": (ErrorCode.VERSION_MISMATCH,),
}


def openapi_config(version: str) -> OpenAPIConfig:
    """Litestar's configuration: the document, and the page that shows it."""
    return OpenAPIConfig(
        title="roomlog",
        version=version,
        description="The message log of incident rooms.",
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        render_plugins=[ApiPage(), _Document()],
        openapi_router=Router(
            PATH, route_handlers=[], guards=[_only_what_is_there], include_in_schema=False
        ),
    )


def _operation_id(handler: HTTPRouteHandler, *_: object) -> str:
    return handler.handler_name


async def _only_what_is_there(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    # Litestar adds a page of its own for every other path below PATH.
    path = connection.scope["path"]
    if path not in {PATH, f"{PATH}/openapi.json"} and not path.startswith(f"{PATH}{ASSETS}/"):
        raise NotFoundException


class _Document(JsonRenderPlugin):
    """Serves the completed document, made once."""

    def __init__(self) -> None:
        super().__init__(media_type="application/json")  # type: ignore[arg-type] - any text will do
        self._bytes: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del request
        if self._bytes is None:
            self._bytes = msgspec.json.encode(complete(openapi_schema), enc_hook=str)
        return self._bytes


def complete(generated: Mapping[str, Any]) -> dict[str, Any]:
    """The document that goes out, made of the one that Litestar generated."""
    document: dict[str, Any] = msgspec.json.decode(
        _without_modules(msgspec.json.encode(generated, enc_hook=str))
    )
    _, shapes = msgspec.json.schema_components(_SHAPES, ref_template=_REFERENCE)
    document["components"]["schemas"] = shapes
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _complete_operation(path, method, operation)
    return document


def _without_modules(encoded: bytes) -> bytes:
    """Names of generic shapes as msgspec gives them: Litestar's name their modules too."""
    return re.sub(
        rb'"#/components/schemas/[^"]+"',
        lambda match: _MODULE.sub("", match[0].decode()).encode(),
        encoded,
    )


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _parameter_schema(parameter["schema"])
        parameter.pop("allowEmptyValue", None)
    responses = operation["responses"]
    responses.pop("400", None)
    responses.get("204", {}).pop("content", None)
    if path.startswith("/api/"):
        responses |= _problem_responses(_codes(path, method, operation))
    name = operation["operationId"]
    if name == "list_events":
        line = {"schema": {"type": "string", "description": "One event a line."}}
        responses["200"]["content"][NDJSON] = line
        feed = {"type": "string", "description": "Server-sent events: `id` is the sequence."}
        responses["200"]["content"][EVENT_STREAM] = {"schema": feed}
    elif name == "readyz":
        responses["503"] = {
            "description": ErrorCode.LOG_UNAVAILABLE,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="NotReady")}}},
        }
    elif name == "metrics":
        responses["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}


def _parameter_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Parameters are left out, not null; bounds belong to the one type that they may have."""
    kinds = [kind for kind in schema.pop("oneOf", ()) if kind != {"type": "null"}]
    merged = {**(kinds[0] if kinds else {}), **schema}
    if "anyOf" in merged:
        del merged["type"]
    for bound in ("minimum", "maximum"):
        if bound in merged:
            merged[bound] = int(merged[bound])
    if merged.get("format") == "uri":  # how Litestar describes a path's last segment
        return {"type": "string", "minLength": 1}
    return merged


def _codes(path: str, method: str, operation: dict[str, Any]) -> list[ErrorCode]:
    codes = [*_ALWAYS]
    if "{" in path:
        codes += _ABOUT_SOMETHING
    if "requestBody" in operation:
        codes += _BODY
    if method != "get":
        codes += _APPEND
    codes += _OF_OPERATION.get(operation["operationId"], ())
    return codes


def _problem_responses(codes: list[ErrorCode]) -> dict[str, Any]:
    by_status: defaultdict[int, list[ErrorCode]] = defaultdict(list)
    for code in codes:
        by_status[HTTP_STATUS[code]].append(code)
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(its)}",
            "content": {MEDIA_TYPE: {"schema": _problem_schema(its)}},
        }
        for status, its in sorted(by_status.items())
    }


def _problem_schema(codes: list[ErrorCode]) -> dict[str, Any]:
    return {
        "allOf": [
            {"$ref": _REFERENCE.format(name="Problem")},
            {"properties": {"code": {"enum": [code.value for code in codes]}}},
        ]
    }

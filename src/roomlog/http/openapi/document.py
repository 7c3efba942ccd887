"""The OpenAPI document: paths and parameters as Litestar reads them from the handlers, shapes as
msgspec decodes and encodes them, and what neither knows: every problem, header and example."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Router
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from roomlog.http.api_page import ASSETS, ApiPage
from roomlog.http.api_page import HEADERS as PAGE_HEADERS
from roomlog.http.auth import NDJSON
from roomlog.http.event_stream import EVENT_STREAM
from roomlog.http.openapi import examples
from roomlog.http.openapi.headers import HEADERS, PARAMETERS, general_parameters, headers
from roomlog.http.openapi.operations import OPERATIONS, TAGS, links, refusals
from roomlog.http.openapi.problems import Responses
from roomlog.http.openapi.shapes import PATH_TEXTS, reference, schemas
from roomlog.http.problems import MEDIA_TYPE
from roomlog_contract.errors import ErrorCode

PATH = "/schema"
BEARER = [{"bearer": list[str]()}]

_MODULE = re.compile(r"roomlog(?:_contract)?(?:\.\w+)*\.")
_ABOUT = """\
The conversation of incident rooms, kept as a log of facts.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`. Switch on it, not on the
prose. A path that exists answers `405` to a method that it doesn't take; `Allow` says which it does.

**Writes** answer when their event is on disk in the log. The same `Idempotency-Key` from the same
user in the same room gives the same answer again, forever.

**Lists** are pages: `next`, or the `Link` header, leads to the next one.

**Query parameters** that a path does not have are refused with `invalid`, as are those given twice.

**Limits**: writes that are limited tell what is left in `RateLimit` and `RateLimit-Policy`.
Every `429` and `503` has a `Retry-After`.

What is sent live goes over WebSocket, which is not described here.
"""
_JWT = "A JWT: `sub` is the user's id, `exp` is required, `roles` may name global roles."


def openapi_config(version: str) -> OpenAPIConfig:
    """Litestar's configuration: the document, and the page that shows it."""
    return OpenAPIConfig(
        title="roomlog",
        version=version,
        summary="The message log of incident rooms.",
        description=_ABOUT,
        tags=[Tag(name, description) for name, description in TAGS.items()],
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", bearer_format="JWT", description=_JWT
                )
            }
        ),
        render_plugins=[ApiPage(), _Document()],
        openapi_router=Router(
            PATH,
            route_handlers=[],
            guards=[_only_what_is_there],
            response_headers=PAGE_HEADERS,
            include_in_schema=False,
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
    responses = Responses()
    for item in document["paths"].values():
        for operation in item.values():
            _complete_operation(operation, responses)
    document["components"] |= {
        "schemas": schemas(),
        "headers": HEADERS,
        "parameters": PARAMETERS,
        "responses": responses.components,
    }
    return msgspec.json.decode(msgspec.json.encode(document))


def _without_modules(encoded: bytes) -> bytes:
    """Names of generic shapes as msgspec gives them: Litestar's name their modules too."""
    return re.sub(
        rb'"#/components/schemas/[^"]+"',
        lambda match: _MODULE.sub("", match[0].decode()).encode(),
        encoded,
    )


def _complete_operation(operation: dict[str, Any], responses: Responses) -> None:
    name, token = operation["operationId"], "security" in operation
    told = OPERATIONS[name]
    operation["tags"] = [told.tag]
    described = " ".join(operation["description"].split())
    operation["summary"] = described.partition(".")[0]
    operation["description"] = f"{described}\n\nWho may: {told.who}."
    operation.pop("deprecated", None)
    operation.setdefault("security", [])
    for parameter in operation.setdefault("parameters", []):
        _complete_parameter(name, parameter)
    operation["parameters"] += general_parameters()
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]
        body["examples"] = _named(examples.REQUESTS[name])
    status, success = next(iter(operation["responses"].items()))
    success["description"] = told.success
    success["headers"] = headers(told.headers)
    _complete_content(name, success)
    if told.links:
        success["links"] = links(name)
    operation["responses"] = {
        status: success,
        **responses.of(refusals(name, token=token)),
        **responses.unexpected(),
        **(_not_ready() if name == "readyz" else {}),
    }


def _complete_parameter(operation_id: str, parameter: dict[str, Any]) -> None:
    schema = dict(PATH_TEXTS.get(parameter["name"]) or _parameter_schema(parameter["schema"]))
    parameter["description"] = schema.pop("description", None)
    parameter["schema"] = schema
    # A page fills a parameter's own example in by itself, as if all of them were to be sent.
    schema["examples"] = [examples.parameter(operation_id, parameter["name"])]
    for name in ("allowEmptyValue", "allowReserved", "deprecated"):
        parameter.pop(name, None)
    if (operation_id, parameter["name"]) == ("search_messages", "q"):
        # It may be left out beside a cursor alone, which OpenAPI can't say.
        parameter["required"] = True


def _parameter_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Parameters are left out, not null; bounds belong to the one type that they may have."""
    kinds = [kind for kind in schema.pop("oneOf", ()) if kind != {"type": "null"}]
    merged = {**(kinds[0] if kinds else {}), **schema}
    if "anyOf" in merged:
        del merged["type"]
    for bound in ("minimum", "maximum"):
        if bound in merged:
            merged[bound] = int(merged[bound])
    return merged


def _complete_content(operation_id: str, success: dict[str, Any]) -> None:
    """The bodies of a success, each with its examples."""
    if operation_id not in examples.JSON_ANSWERS:
        success.pop("content", None)
    else:
        content = success["content"]["application/json"]
        content["examples"] = _named(examples.JSON_ANSWERS[operation_id])
    for media_type, named in examples.OTHER_ANSWERS.get(operation_id, {}).items():
        schema = {"type": "string", "description": _TEXTS[media_type]}
        success.setdefault("content", {})[media_type] = {
            "schema": schema,
            "examples": _named(named),
        }


_TEXTS = {
    NDJSON: "One event a line, each as the items of a page.",
    EVENT_STREAM: "Server-sent events: `id` is the sequence, `data` the event as on a page.",
    "text/plain": "Prometheus's text format.",
}


def _not_ready() -> dict[str, Any]:
    return {
        "503": {
            "description": f"`{ErrorCode.LOG_UNAVAILABLE}`: a part is away without which nothing "
            "can be sent.",
            "headers": headers(("Cache-Control", "Retry-After")),
            "content": {
                MEDIA_TYPE: {
                    "schema": reference("NotReady"),
                    "examples": _named({"the log is away": examples.NOT_READY}),
                }
            },
        }
    }


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Examples as a document has them: names without spaces, summaries with."""
    return {
        name.replace(" ", "-"): {"summary": name.capitalize(), "value": value}
        for name, value in given.items()
    }

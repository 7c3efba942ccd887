"""Whether REST answers what its OpenAPI document says, asked of every answer that a test gets."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, cast

import httpx
import jsonschema_rs
from litestar import Litestar

from roomlog.http import HttpParts, create_app
from roomlog.http.openapi import complete

_STREAMED = {"application/x-ndjson", "text/event-stream"}
# Those that HTTP itself and the Fetch Standard describe.
_USUAL = re.compile(
    "connection|content-length|content-type|date|transfer-encoding|vary|access-control-.*"
)
Operation = dict[str, Any]


@cache
def application() -> Litestar:
    """The application without anything behind it."""
    needed = [part.name for part in fields(HttpParts) if _is_needed(part)]
    return create_app(HttpParts(**dict.fromkeys(needed, cast("Any", None))))


def _is_needed(part: Field[Any]) -> bool:
    return part.default is MISSING and part.default_factory is MISSING


@cache
def document() -> dict[str, Any]:
    """The document that every server of this version serves."""
    return complete(application().openapi_schema.to_schema())


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """Its operations by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    }


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """What a part of the document refers to, or itself."""
    while "$ref" in part:
        found: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value by a schema of the document."""
    return [
        f"{list(error.instance_path)}: {error.message[:300]}"
        for error in _validator(json.dumps(schema)).iter_errors(value)
    ]


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Paths as patterns, those with the most fixed segments first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [
        (re.compile(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(path)) + r"\Z"), path)
        for path in paths
    ]


def operation_of(method: str, raw_path: str) -> Operation | None:
    """The operation that a request asks for; None for what is not in the document."""
    for pattern, path in _patterns():
        if pattern.match(raw_path) and (method, path) in operations():
            return operations()[method, path]
    return None


def check(answer: httpx.Response) -> None:
    """Fail unless the answer's status, headers, media type, code and body are documented."""
    request = answer.request
    raw_path = request.url.raw_path.decode().partition("?")[0]
    operation = operation_of(request.method, raw_path)
    where = f"{request.method} {raw_path}: {answer.status_code}"
    if answer.status_code == 405:
        told = {"$ref": "#/components/responses/MethodNotAllowed"}
    elif operation is None:
        return
    else:
        told = operation["responses"].get(str(answer.status_code))
    assert told is not None, f"{where} is not documented"
    told = resolve(told)
    wrong = list(_header_faults(answer.headers, told["headers"]))
    if "content" in told:
        wrong += _body_faults(answer, told["content"])
    assert not wrong, f"{where}: {wrong}"


HOOKS: Mapping[str, list[Any]] = {"response": [check]}
"""For `httpx.Client(event_hooks=…)`."""


def _header_faults(given: httpx.Headers, documented: Mapping[str, dict[str, Any]]) -> Iterable[str]:
    names = {name.lower() for name in documented}
    for name in given:
        if name not in names and not _USUAL.fullmatch(name):
            yield f"the header {name} is not documented"
    for name, reference in documented.items():
        header, value = resolve(reference), given.get(name)
        if value is None:
            if header["required"]:
                yield f"the header {name} is missing"
        else:
            whole = int(value) if header["schema"]["type"] == "integer" else value
            for fault in faults(whole, header["schema"]):
                yield f"the header {name}: {fault}"


def _body_faults(answer: httpx.Response, documented: Mapping[str, Any]) -> Iterable[str]:
    media_type = answer.headers["content-type"].partition(";")[0]
    if media_type not in documented:
        return [f"{media_type} is not documented"]
    if media_type in _STREAMED:
        return []
    answer.read()
    body = answer.json() if media_type.endswith("json") else answer.text
    return faults(body, documented[media_type]["schema"])

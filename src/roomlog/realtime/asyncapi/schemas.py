"""Schemas of frames and events, as AsyncAPI's Schema Object (JSON Schema draft 7) takes them.

msgspec makes them for JSON Schema 2020-12 and OpenAPI: a `discriminator` object means nothing
here, and what stands beside a `$ref` counts for nothing in draft 7.
"""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import msgspec

from roomlog_contract.errors import ErrorCode
from roomlog_contract.frames import ServerFrame, WebSocketMessage
from roomlog_contract.meanings import CLOSE_MEANINGS, ERROR_MEANINGS

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_LISTS = ("anyOf", "oneOf", "allOf")
_SINGLE = ("items", "additionalProperties")
_NULL = {"type": "null"}


def reference(name: str) -> Schema:
    """A reference to the schema of that name."""
    return {"$ref": _REFERENCE.format(name=name)}


def schemas() -> dict[str, Schema]:
    """Every schema by its name: the frames', the events', and those that they are made of."""
    _, made = msgspec.json.schema_components(
        [WebSocketMessage, ServerFrame], ref_template=_REFERENCE
    )
    fitted = {name: fit(schema) for name, schema in made.items()}
    fitted["ErrorCode"] |= {
        "enum": list(ErrorCode),
        "x-enum-descriptions": {code: told.when for code, told in ERROR_MEANINGS.items()},
    }
    fitted["CloseCode"] = {
        "title": "CloseCode",
        "description": "What a WebSocket is closed with.",
        "type": "integer",
        "enum": list(CLOSE_MEANINGS),
        "x-enum-descriptions": {str(code): told.when for code, told in CLOSE_MEANINGS.items()},
    }
    return fitted


def fit(schema: Mapping[str, Any]) -> Schema:
    """The same schema for AsyncAPI; values (defaults, enums) are left as they are."""
    fitted = {key: value for key, value in schema.items() if key != "discriminator"}
    if "properties" in fitted:
        fitted["properties"] = {name: fit(part) for name, part in fitted["properties"].items()}
    for key in _LISTS:
        if key in fitted:
            fitted[key] = [fit(part) for part in fitted[key]]
    for key in _SINGLE:
        if isinstance(fitted.get(key), dict):
            fitted[key] = fit(fitted[key])
    if "description" in fitted:  # a docstring, indented before Python 3.13
        fitted["description"] = cleandoc(fitted["description"])
    return _with_type(_described(_referring(fitted)))


def _referring(schema: Schema) -> Schema:
    if "$ref" not in schema or len(schema) == 1:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {"allOf": [{"$ref": schema["$ref"]}], **beside}


def _described(schema: Schema) -> Schema:
    """What a field that may be null says of its value, it says of the field."""
    kinds = schema.get("anyOf", [])
    if len(kinds) != 2 or _NULL not in kinds:
        return schema
    (value,) = (kind for kind in kinds if kind != _NULL)
    if "description" not in value:
        return schema
    return {"description": value.pop("description"), **schema}


def _with_type(schema: Schema) -> Schema:
    """Enumerations are all of text; a tag is one of a single word, without a name."""
    if "enum" not in schema:
        return schema
    if schema.keys() == {"enum"} and len(schema["enum"]) == 1:
        return {"type": "string", "const": schema["enum"][0]}
    return {"type": "string", **schema}

"""Frames held against the document: its schemas, closed, so that no field goes unnamed."""

from typing import Any

from jsonschema_rs import Draft7Validator

from roomlog.realtime.asyncapi import document
from roomlog.realtime.asyncapi.conversation import CLIENT_FRAMES, SERVER_FRAMES


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False, **schema} if "properties" in schema else schema


_DOCUMENT = document()
_COMPONENTS = {
    "schemas": {n: _closed(schema) for n, schema in _DOCUMENT["components"]["schemas"].items()}
}


def validator(payload: dict[str, Any]) -> Draft7Validator:
    """What judges a message with that payload (a schema of the document)."""
    schema = {"allOf": [payload], "components": _COMPONENTS}
    return Draft7Validator(schema, validate_formats=True)


def _by_type(frames: tuple[type, ...]) -> dict[str, Draft7Validator]:
    messages = [_DOCUMENT["components"]["messages"][frame.__name__] for frame in frames]
    return {message["title"]: validator(message["payload"]) for message in messages}


_FROM_CLIENTS = _by_type(CLIENT_FRAMES)
_FROM_THE_SERVER = _by_type(SERVER_FRAMES)


def client_frame_problems(frame: dict[str, Any]) -> list[str]:
    """What the document has against a frame that a client sends."""
    return _problems(_FROM_CLIENTS, frame)


def server_frame_problems(frame: dict[str, Any]) -> list[str]:
    """What the document has against a frame that the server sent."""
    return _problems(_FROM_THE_SERVER, frame)


def _problems(validators: dict[str, Draft7Validator], frame: dict[str, Any]) -> list[str]:
    judge = validators.get(frame["type"])
    if judge is None:
        return [f"no message has the type {frame['type']}"]
    return [f"{list(found.instance_path)}: {found.message}" for found in judge.iter_errors(frame)]

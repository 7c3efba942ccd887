"""The document as a whole: servers, how to connect, channels, operations and what is said."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from roomlog.realtime.asyncapi.conversation import (
    ROOM_CHANNEL,
    USER_CHANNEL,
    channel_messages,
    messages,
    operations,
)
from roomlog.realtime.asyncapi.schemas import Schema, schemas
from roomlog.realtime.handshake import SUBPROTOCOL, TOKEN_SUBPROTOCOL
from roomlog_contract.errors import CloseCode
from roomlog_contract.frames import TOKEN_BYTES_MAX
from roomlog_contract.meanings import CLOSE_MEANINGS, ERROR_MEANINGS, Meaning

ASYNCAPI = "3.0.0"
_RFC_6455 = "13"
_OF_A_ROOM = frozenset({CloseCode.NOT_A_MEMBER, CloseCode.NO_SUCH_ROOM})
_SECURITY_SCHEMES: dict[str, Any] = {
    "header": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "`Authorization: Bearer <token>`. Of several tokens this one counts.",
    },
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": f"`{SUBPROTOCOL}, {TOKEN_SUBPROTOCOL}<token>`: the token as a subprotocol, "
        f"which browsers can offer. The server chooses `{SUBPROTOCOL}`.",
    },
    "query": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "`?token=<token>`, for clients that can do neither of the others.",
    },
}
_DESCRIPTION = """\
The WebSocket interface of roomlog, the message log of incident rooms. Operations are the \
server's: it receives what clients send.

A text frame holds one or more messages, each a JSON object, separated by a newline, in both \
directions. Unknown fields are ignored; more may be added. An unknown `type` is answered by an \
`error`. Binary frames are not taken.

Per room, events come in sequence order, each once, with no gap, the same for everyone. An `ack` \
means that the event is on disk. After losing a connection, connect or subscribe again with \
`after` and `epoch`: everything that was missed follows.

The server pings (RFC 6455) every `heartbeat_seconds`, and closes where no pong comes. A \
connection lasts as long as its token, which `auth` replaces.
"""


@cache
def encoded() -> bytes:
    """The document as text, for people too: the same bytes as docs/protocol/asyncapi.json."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def document() -> dict[str, Any]:
    """The AsyncAPI document, made anew. Raises KeyError where a frame says nothing of itself."""
    shapes = schemas()
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:roomlog:websocket",
        "info": {
            "title": "roomlog: the WebSocket interface",
            "version": version("roomlog"),
            "description": "\n".join((_DESCRIPTION, *_told_codes())),
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": _channels(shapes),
        "operations": operations(shapes),
        "components": {
            "schemas": shapes,
            "messages": messages(shapes),
            "securitySchemes": _SECURITY_SCHEMES,
            "correlationIds": {
                "ref": {
                    "description": "The client's own mark for a command, repeated in the answer.",
                    "location": "$message.payload#/ref",
                }
            },
        },
    }


def _told_codes() -> list[str]:
    codes = {f"`{code}`": told for code, told in ERROR_MEANINGS.items()}
    closing = {str(code): told for code, told in CLOSE_MEANINGS.items()}
    return [
        *("## Error codes", ""),
        "`code` of an `error`, the same as over REST. `Retry-After` is `retry_after` here.",
        *("", *_table(codes), ""),
        *("## Close codes", ""),
        "4000 to 4499: reconnect and resume. 4500 to 4999: change something first.",
        *("", *_table(closing), ""),
    ]


def _table(rows: Mapping[str, Meaning]) -> list[str]:
    return [
        *("| code | meaning | what to do |", "|---|---|---|"),
        *(f"| {code} | {told.when} | {told.what_to_do} |" for code, told in rows.items()),
    ]


def _servers() -> dict[str, Any]:
    shared = {
        "host": "{host}",
        "protocolVersion": _RFC_6455,
        "security": [
            {"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY_SCHEMES
        ],
    }
    return {
        "local": {
            **shared,
            "protocol": "ws",
            "description": "As `roomlog up` and `roomlog serve` listen.",
            "variables": {"host": {"default": "127.0.0.1:8080"}},
        },
        "proxied": {
            **shared,
            "protocol": "wss",
            "description": "Behind a proxy that ends TLS.",
            "variables": {"host": {"default": "roomlog.example.org"}},
        },
    }


def _channels(shapes: Mapping[str, Schema]) -> dict[str, Any]:
    return {
        ROOM_CHANNEL: {
            "address": "/ws/{room_id}",
            "title": "One room",
            "description": "Subscribes to the room at once, as `after`, `epoch` and `html` say: "
            "`hello`, `subscribed`, every event after `after`, `live`, then events as they "
            "happen. Without `after` it goes live at once.",
            "parameters": {"room_id": {"description": "The room's UUID."}},
            "messages": channel_messages(),
            "bindings": {"ws": _handshake(_resuming(shapes["Subscribe"]))},
            "x-close-codes": _close_codes(frozenset()),
        },
        USER_CHANNEL: {
            "address": "/ws",
            "title": "Many rooms",
            "description": "For many rooms on one connection, each by `subscribe`, and for what "
            "is addressed to the user. `hello` comes first.",
            "messages": channel_messages(),
            "bindings": {"ws": _handshake({})},
            "x-close-codes": _close_codes(_OF_A_ROOM),
        },
    }


def _resuming(subscribe: Schema) -> dict[str, Schema]:
    """What `/ws/{room_id}` takes in its query as `subscribe` does; left out instead of null."""
    taken: dict[str, Schema] = {}
    for name in ("after", "epoch", "html"):
        schema = dict(subscribe["properties"][name])
        kinds: list[Schema] = schema.pop("anyOf", [{}])
        if schema.get("default") is None:
            schema.pop("default")
        taken[name] = {**kinds[0], **schema}
    return taken


def _handshake(query: Mapping[str, Schema]) -> dict[str, Any]:
    token = {
        "type": "string",
        "maxLength": TOKEN_BYTES_MAX,
        "description": "The token, where neither header nor subprotocol has it.",
    }
    return {
        "method": "GET",
        "query": {"type": "object", "properties": {**query, "token": token}},
        "headers": {
            "type": "object",
            "properties": {
                "Authorization": {"type": "string", "description": "`Bearer <token>`."},
                "Sec-WebSocket-Protocol": {
                    "type": "string",
                    "description": f"`{SUBPROTOCOL}`; may offer `{TOKEN_SUBPROTOCOL}<token>` too.",
                },
                "Origin": {
                    "type": "string",
                    "description": "Of a page: must be an allowed one. Other clients send none.",
                },
            },
        },
        "bindingVersion": "0.1.0",
    }


def _close_codes(never: frozenset[int]) -> list[dict[str, Any]]:
    return [
        {"code": code, "meaning": told.when, "what_to_do": told.what_to_do}
        for code, told in CLOSE_MEANINGS.items()
        if code not in never
    ]

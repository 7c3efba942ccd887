"""Who says what on which channel, and what answers it."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from roomlog.realtime.asyncapi.examples import EXAMPLES, Example, said
from roomlog.realtime.asyncapi.schemas import Schema, reference
from roomlog_contract import frames as fr

Frame = type[msgspec.Struct]

ROOM_CHANNEL = "room"
USER_CHANNEL = "user"

# Any frame may be refused too: an `error` is among all replies.
REPLIES: dict[Frame, tuple[Frame, ...]] = {
    fr.Subscribe: (fr.Subscribed, fr.Live),
    fr.Unsubscribe: (fr.Unsubscribed,),
    fr.Send: (fr.Ack,),
    fr.Edit: (fr.Ack,),
    fr.Delete: (fr.Ack,),
    fr.React: (fr.Ack,),
    fr.Unreact: (fr.Ack,),
    fr.Typing: (),
    fr.Seen: (),
    fr.Ping: (fr.Pong,),
    fr.Auth: (fr.Authenticated,),
}
_EVERYWHERE = (
    *(fr.Hello, fr.MessageBroadcast, fr.Presence, fr.TypingUsers),
    *(fr.Notification, fr.Notice, fr.Error),
)
# What comes unasked. On a room's channel the connection itself is the first `subscribe`, and who
# is no member any more is closed instead of unsubscribed.
UNASKED: dict[str, tuple[Frame, ...]] = {
    ROOM_CHANNEL: (*_EVERYWHERE, fr.Subscribed, fr.Live),
    USER_CHANNEL: (*_EVERYWHERE, fr.Unsubscribed),
}
CLIENT_FRAMES: tuple[Frame, ...] = get_args(fr.WebSocketMessage)
SERVER_FRAMES: tuple[Frame, ...] = get_args(fr.ServerFrame)


def messages(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """A message for each frame, by its struct's name. Raises KeyError for one that says nothing
    of itself, or has no example."""
    return {
        frame.__name__: _message(frame, schemas[frame.__name__]["description"])
        for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)
    }


def _message(frame: Frame, description: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": frame.__name__,
        "title": _tag(frame),
        "summary": _summary(description),
        "description": description,
        "contentType": "application/json",
        "payload": reference(frame.__name__),
        "examples": [_example(example) for example in EXAMPLES[frame]],
    }
    if "ref" in frame.__struct_fields__:
        message["correlationId"] = {"$ref": "#/components/correlationIds/ref"}
    return message


def _example(example: Example) -> dict[str, Any]:
    summary = {} if example.summary is None else {"summary": example.summary}
    return {"name": example.name, **summary, "payload": said(example.frame)}


def operations(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The server's operations: it receives every client frame and answers it, and sends what
    comes unasked."""
    made: dict[str, Any] = {}
    for channel, unasked in UNASKED.items():
        for frame, replies in REPLIES.items():
            made[_operation_id(channel, frame)] = {
                **_operation("receive", channel, frame, schemas),
                "reply": {
                    "channel": _channel(channel),
                    "messages": _on(channel, (*replies, fr.Error)),
                },
            }
        for frame in unasked:
            made[_operation_id(channel, frame)] = _operation("send", channel, frame, schemas)
    return made


def _operation(
    action: str, channel: str, frame: Frame, schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _channel(channel),
        "title": _tag(frame),
        "summary": _summary(schemas[frame.__name__]["description"]),
        "messages": _on(channel, (frame,)),
    }


def channel_messages() -> dict[str, Any]:
    """The messages of a channel: all, on either."""
    return {
        frame.__name__: {"$ref": f"#/components/messages/{frame.__name__}"}
        for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)
    }


def _operation_id(channel: str, frame: Frame) -> str:
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in frame.__name__)
    return f"{channel}{words}"


def _channel(channel: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}"}


def _on(channel: str, frames: Sequence[Frame]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{frame.__name__}"} for frame in frames]


def _tag(frame: Frame) -> str:
    return str(frame.__struct_config__.tag)


def _summary(description: str) -> str:
    return description.partition("\n\n")[0].replace("\n", " ")

"""The WebSocket routes: handshakes. Who is refused is accepted first: browsers can read a close
code, but not why a handshake failed."""

import logging
import math
from typing import Any

from litestar import Response, WebSocket, get, websocket
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from uvicorn.protocols.utils import ClientDisconnected

from roomlog import metrics, tracing
from roomlog.core.decide import uuid
from roomlog.realtime import asyncapi
from roomlog.realtime.commands import error_frame
from roomlog.realtime.connection import Connection
from roomlog.realtime.encoding import encode, text_frame
from roomlog.realtime.handshake import (
    chosen_subprotocol,
    first_subscription,
    offered_token,
    origin_allowed,
)
from roomlog.realtime.parts import RealtimeParts
from roomlog.realtime.protocol import RoomlogWebSocketProtocol, protocol_of
from roomlog.services.tokens import Identity
from roomlog_contract.errors import CloseCode, RefusedError
from roomlog_contract.frames import Subscribe

Socket = WebSocket[Any, Any, Any]

_logger = logging.getLogger(__name__)


@get("/schema/asyncapi.json", include_in_schema=False)
async def _document() -> Response[bytes]:
    return Response(asyncapi.encoded(), media_type="application/json")


def websocket_handlers(parts: RealtimeParts) -> list[BaseRouteHandler]:
    """The handlers of `/ws/{room_id}` and `/ws`, for a server whose WebSocket protocol is
    RoomlogWebSocketProtocol; and of the document that describes them, which asks for no token."""

    @websocket("/ws/{room_id:str}")
    async def room_socket(socket: Socket, room_id: FromPath[str]) -> None:
        await _serve(parts, socket, room_id)

    @websocket("/ws")
    async def user_socket(socket: Socket) -> None:
        await _serve(parts, socket, None)

    return [room_socket, user_socket, _document]


async def _serve(parts: RealtimeParts, socket: Socket, named_room: str | None) -> None:
    wire = protocol_of(socket.scope)
    wire.set_heartbeat(parts.heartbeat_s)
    subprotocols = socket.scope["subprotocols"]
    try:
        await socket.accept(subprotocols=chosen_subprotocol(subprotocols))
    except ClientDisconnected:
        return
    identity = await _admit(parts, socket, wire)
    if identity is None:
        return
    try:
        parts.limiter.admit_connection(identity.actor.user_id)
    except RefusedError as refusal:
        _close_for_now(wire, refusal)
        return
    room_id, first = None, None
    if named_room is not None:
        first = _first_subscription(socket, wire, named_room)
        if first is None:
            return
        room_id = first.room_id
    connection = Connection(parts, wire, identity, room_id)
    try:
        parts.manager.connect(connection)
    except RefusedError as refusal:
        _close_for_now(wire, refusal)
        return
    # What it logs is known by its id, which `hello` tells the client.
    tracing.enter(connection.connection_id, socket.scope["headers"])
    wire.hand_over(connection)
    await connection.begin(first)


def _close_for_now(wire: RoomlogWebSocketProtocol, refusal: RefusedError) -> None:
    seconds = math.ceil(refusal.retry_after_s or 1)
    wire.close(CloseCode.RATE_LIMITED, f"retry_after={seconds}")


async def _admit(
    parts: RealtimeParts, socket: Socket, wire: RoomlogWebSocketProtocol
) -> Identity | None:
    headers = socket.headers
    if not origin_allowed(headers.get("origin"), headers.get("host"), parts.allowed_origins):
        wire.close(CloseCode.ORIGIN, "origin not allowed")
        return None
    token = offered_token(
        headers.get("authorization"), socket.scope["subprotocols"], wire.query_token
    )
    wire.query_token = None
    try:
        return await parts.tokens.verify(token)
    except RefusedError as refusal:
        metrics.AUTHENTICATION_FAILURES.labels("websocket").inc()
        _logger.warning("not authenticated", extra={"by": "websocket", "why": refusal.detail})
        wire.close(CloseCode.UNAUTHENTICATED, refusal.detail)
        return None


def _first_subscription(
    socket: Socket, wire: RoomlogWebSocketProtocol, named_room: str
) -> Subscribe | None:
    try:
        room_id = uuid(named_room, "room_id")
    except RefusedError:
        wire.close(CloseCode.NO_SUCH_ROOM, "no such room")
        return None
    try:
        return first_subscription(socket.scope["query_string"].decode("ascii"), room_id)
    except RefusedError as refusal:
        wire.write_frame(text_frame(encode(error_frame(refusal, None, room_id))))
        wire.close(CloseCode.MALFORMED, refusal.detail)
        return None

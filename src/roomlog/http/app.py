"""The ASGI application: REST, with the WebSocket handlers that it is given beside it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler

from roomlog.http import (
    console_page,
    events,
    health,
    messages,
    presence,
    proofs,
    reactions,
    records,
    rooms,
)
from roomlog.http.auth import admit
from roomlog.http.cross_origin import cross_origin
from roomlog.http.kept_page import kept_page_first
from roomlog.http.openapi import BEARER, openapi_config
from roomlog.http.options import answer_options
from roomlog.http.parts import HttpParts
from roomlog.http.problems import answer_error
from roomlog.http.requests import ApiRequest, keep_parts
from roomlog.http.tracked import finish, tracked

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    parts: HttpParts,
    *,
    websocket_handlers: Sequence[ControllerRouterHandler] = (),
    lifespan: Sequence[Lifespan] = (),
) -> Litestar:
    """The application that serves `parts`.

    `lifespan` are async context managers around its life, entered in order before the first
    request; what the parts need to run is theirs to start and stop. Logging is left as it is.
    """
    api = Router(
        "/api",
        route_handlers=[
            rooms.RoomsController,
            rooms.MembersController,
            messages.RoomMessagesController,
            messages.MessageController,
            reactions.ReactionsController,
            events.list_events,
            proofs.RoomProofsController,
            proofs.log_checkpoint,
            proofs.audit_keys,
            records.RecordsController,
            presence.get_online,
            presence.get_typing,
            presence.broadcast,
        ],
        guards=[admit],
        security=BEARER,
    )
    state = State()
    keep_parts(state, parts)
    return Litestar(
        route_handlers=[
            api,
            *(health.livez, health.readyz, health.metrics),
            *(console_page.page, console_page.favicon, console_page.asset),
            *websocket_handlers,
        ],
        request_class=ApiRequest,
        request_max_body_size=parts.body_bytes_max,
        exception_handlers={Exception: answer_error},
        middleware=[tracked, kept_page_first],
        before_request=answer_options(),
        before_send=[finish()],
        lifespan=list(lifespan),
        state=state,
        openapi_config=openapi_config(version("roomlog")),
        cors_config=cross_origin(parts.allowed_origins),
        logging_config=None,
    )

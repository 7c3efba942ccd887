"""The ASGI application: REST, with the WebSocket handlers that it is given beside it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import cast

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import (
    ControllerRouterHandler,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    Scope,
    Send,
)

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
from roomlog.http.begun_in_turns import begun_in_turns
from roomlog.http.cross_origin import cross_origin, without_foreign_origin
from roomlog.http.kept_page import kept_page_first
from roomlog.http.methods import answer_head, answer_options
from roomlog.http.openapi import BEARER, openapi_config
from roomlog.http.parts import HttpParts
from roomlog.http.problems import answer_error
from roomlog.http.requests import ApiRequest, keep_parts
from roomlog.http.tracked import finish, tracked


class Application(Litestar):
    """Litestar, with what comes before it looks for a path."""

    async def __call__(
        self,
        scope: Scope | LifeSpanScope,
        receive: Receive | LifeSpanReceive,
        send: Send | LifeSpanSend,
    ) -> None:
        """The ASGI entry point."""
        if scope["type"] == "http":
            scope = without_foreign_origin(scope, self.cors_config)
            if scope["method"] == "HEAD":
                as_get = super().__call__
                await answer_head(as_get, scope, cast("Receive", receive), cast("Send", send))
                return
        await super().__call__(scope, receive, send)


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
    return Application(
        route_handlers=[
            api,
            *(health.livez, health.readyz, health.metrics),
            *(console_page.page, console_page.favicon, console_page.asset),
            *websocket_handlers,
        ],
        request_class=ApiRequest,
        request_max_body_size=parts.body_bytes_max,
        exception_handlers={Exception: answer_error},
        middleware=[tracked, begun_in_turns(parts.patience), kept_page_first],
        before_request=answer_options(),
        before_send=[finish()],
        lifespan=list(lifespan),
        state=state,
        openapi_config=openapi_config(version("roomlog")),
        cors_config=cross_origin(parts.allowed_origins),
        logging_config=None,
    )

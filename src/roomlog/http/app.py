"""The ASGI application: REST, with the WebSocket handlers that it is given beside it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import cast

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    HTTPScope,
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
from roomlog.http.kept_page import kept_page_first, unless_begun
from roomlog.http.methods import answer_head, answer_options
from roomlog.http.openapi import BEARER, openapi_config
from roomlog.http.parts import HttpParts
from roomlog.http.problems import answer_error
from roomlog.http.requests import ApiRequest, keep_parts
from roomlog.http.tracked import finish, tracked


class Application(Litestar):
    """Litestar, with what comes before it looks for a path."""

    first: Callable[[HTTPScope, Receive, Send], Awaitable[None]] | None = None
    """What answers ahead of it where it can, given a request that asks for a body."""

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
            if self.first is not None:
                await self.first(scope, cast("Receive", receive), cast("Send", send))
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
    in_turns, on_send = begun_in_turns(parts.patience), finish()

    def begun(app: ASGIApp) -> ASGIApp:
        return tracked(in_turns(app))

    application = Application(
        route_handlers=[
            api,
            *(health.livez, health.readyz, health.metrics),
            *(console_page.page, console_page.favicon, console_page.asset),
            *websocket_handlers,
        ],
        request_class=ApiRequest,
        request_max_body_size=parts.body_bytes_max,
        exception_handlers={Exception: answer_error},
        middleware=[unless_begun(begun)],
        before_request=answer_options(),
        before_send=[on_send],
        lifespan=list(lifespan),
        state=state,
        openapi_config=openapi_config(version("roomlog")),
        cors_config=cross_origin(parts.allowed_origins),
        logging_config=None,
    )
    routed = super(Application, application).__call__
    application.first = kept_page_first(cast("ASGIApp", routed), parts, begun, on_send)
    return application

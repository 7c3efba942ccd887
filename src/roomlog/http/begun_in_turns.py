"""Requests begin in turns of the event loop, and one that waits too long for its turn is refused.

A request costs up to a millisecond of the worker's processor. Where more come than it can do, all
of them would be begun and none be done soon. So only a few begin in each turn, of one caller and of
all, whoever they are; what began goes on without a bound, since it waits for others mostly. How
long the rest wait is judged as the queue of appends is. A refusal goes out as it is, without what
the framework does for an error, so that it costs less of a turn than a request that is begun.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.http.methods import method_of
from roomlog.http.problems import MEDIA_TYPE, problem
from roomlog.services.turns import Turns
from roomlog_contract.errors import ErrorCode

BEGUN_OF_A_CALLER = 4
BEGUN_OF_ALL = 8
REFUSED_FOR_ONE_BEGUN = 4

# Whoever asks how the server is has to hear that it is overloaded.
_AT_ONCE = frozenset({"/livez", "/readyz", "/metrics"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER_S: Final = 1
_DETAIL: Final = (
    "the worker has more to do than it can: nothing of this request was begun, send it again"
)
_READ_REFUSED: Final = problem(ErrorCode.DATABASE_UNAVAILABLE, _DETAIL)
_WRITE_REFUSED: Final = problem(ErrorCode.LOG_UNAVAILABLE, _DETAIL)


def begun_in_turns(patience: Patience) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware. `patience` says how long a request may wait for its turn.

    What waited longer is refused before anything of it was begun: 503 with
    `database_unavailable` where it reads, else with `log_unavailable`.
    """
    line = _Line(patience)

    def in_turns(app: ASGIApp) -> ASGIApp:
        async def begin(scope: Scope, receive: Receive, send: Send) -> None:
            waits = scope["type"] == "http" and scope.get("path_template") not in _AT_ONCE
            if not waits or await line.reached(_caller(scope)):
                await app(scope, receive, send)
            else:
                metrics.HTTP_SHED.inc()
                await _refuse(method_of(scope), send)

        return begin

    return in_turns


class _Line:
    """Where requests wait for their turn."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._turns = Turns(
            share=BEGUN_OF_A_CALLER * REFUSED_FOR_ONE_BEGUN,
            most=BEGUN_OF_ALL * REFUSED_FOR_ONE_BEGUN,
        )

    async def reached(self, caller: str) -> bool:
        """Return when it is the caller's turn; false where it was waited for too long."""
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        if self._turns.take(caller, REFUSED_FOR_ONE_BEGUN):
            self._patience.judge(0.0, came_s)
            return True
        turn: asyncio.Future[bool] = loop.create_future()

        def look() -> None:
            if turn.done():
                return  # whoever asked has gone
            now_s = loop.time()
            waited_s = now_s - came_s
            self._patience.judge(waited_s, now_s)
            in_time = not self._patience.over(waited_s)
            self._turns.take(caller, REFUSED_FOR_ONE_BEGUN if in_time else 1)
            turn.set_result(in_time)

        self._turns.wait(caller, look)
        return await turn


def _caller(scope: Scope) -> str:
    """Whose share of a turn it is: that of a token, or of an address where there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    client = scope["client"]
    return "" if client is None else client[0]


async def _refuse(method: str, send: Send) -> None:
    told = _READ_REFUSED if method in _READING else _WRITE_REFUSED
    metrics.ERRORS.labels("rest", told.code).inc()
    body = msgspec.json.encode(told)
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": told.status,
        "headers": [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % _RETRY_AFTER_S),
        ],
    }
    await send(cast("Any", start))
    end: dict[str, Any] = {"type": "http.response.body", "body": body, "more_body": False}
    await send(cast("Any", end))

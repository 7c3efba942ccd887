"""Requests begin in turns of the event loop, and one that waits too long for its turn is refused.

A request costs up to a millisecond of the worker's processor. Where more come than it can do, all
of them would be begun and none be done soon. So only a few begin in each turn, of one caller and of
all, whoever they are; what began goes on without a bound, since it waits for others mostly. How
long the rest wait is judged as the queue of appends is. A refusal goes out as it is, without what
the framework does for an error, so that it costs less of a turn than a request that is begun.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.http.methods import method_of
from roomlog.http.prepared import Prepared, send_prepared
from roomlog.http.problems import MEDIA_TYPE, problem
from roomlog.services.turns import Turns
from roomlog_contract.errors import ErrorCode, Problem

BEGUN_OF_A_CALLER = 4
BEGUN_OF_ALL = 8
REFUSED_FOR_ONE_BEGUN = 4

# Whoever asks how the server is has to hear that it is overloaded.
_AT_ONCE = frozenset({"/livez", "/readyz", "/metrics"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER_S = 1


def _refusal(code: ErrorCode) -> tuple[Problem, Prepared]:
    detail = (
        "the worker has more to do than it can: nothing of this request was begun, send it again"
    )
    told = problem(code, detail)
    headers = (("Retry-After", str(_RETRY_AFTER_S)),)
    return told, Prepared(told.status, MEDIA_TYPE, msgspec.json.encode(told), headers)


_READ_REFUSED: Final = _refusal(ErrorCode.DATABASE_UNAVAILABLE)
_WRITE_REFUSED: Final = _refusal(ErrorCode.LOG_UNAVAILABLE)


def begun_in_turns(patience: Patience) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware. `patience` says how long a request may wait for its turn.

    What waited longer is refused before anything of it was begun: 503 with
    `database_unavailable` where it reads, else with `log_unavailable`.
    """
    line = _Line(patience)

    def in_turns(app: ASGIApp) -> ASGIApp:
        async def begin(scope: Scope, receive: Receive, send: Send) -> None:
            waits = scope["type"] == "http" and scope.get("path_template") not in _AT_ONCE
            if not waits or line.begin(caller := _caller(scope)) or await line.reached(caller):
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

    def begin(self, caller: str) -> bool:
        """Whether it is the caller's turn at once."""
        taken = self._turns.take(caller, REFUSED_FOR_ONE_BEGUN)
        if taken:
            self._patience.judge(0.0, asyncio.get_running_loop().time())
        return taken

    async def reached(self, caller: str) -> bool:
        """Where it is not: return when it is, or false where it was waited for too long."""
        loop = asyncio.get_running_loop()
        came_s = loop.time()
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
    told, answer = _READ_REFUSED if method in _READING else _WRITE_REFUSED
    metrics.ERRORS.labels("rest", told.code).inc()
    await send_prepared(answer, send)

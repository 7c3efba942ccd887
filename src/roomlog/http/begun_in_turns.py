"""Requests begin in turns of the event loop, and one that waits too long for its turn is refused.

A request costs up to a millisecond of the worker's processor. Where more come than it can do, all
of them would be begun and none be done soon. So only a few begin in each turn, of one caller and of
all, whoever they are; what began goes on without a bound, since it waits for others mostly. How
long the rest wait is judged as the queue of appends is.
"""

import asyncio
from collections.abc import Callable

from litestar.types import ASGIApp, Receive, Scope, Send

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.http.methods import method_of
from roomlog.services.turns import Turns
from roomlog_contract.errors import ErrorCode, RefusedError

BEGUN_OF_A_CALLER = 4
BEGUN_OF_ALL = 8

# Whoever asks how the server is has to hear that it is overloaded.
_AT_ONCE = frozenset({"/livez", "/readyz", "/metrics"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER_S = 1


def begun_in_turns(patience: Patience) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware. `patience` says how long a request may wait for its turn.

    What waited longer is refused before anything of it was begun: RefusedError with
    `database_unavailable` where it reads, else with `log_unavailable`.
    """
    turns = Turns(share=BEGUN_OF_A_CALLER, most=BEGUN_OF_ALL)

    def in_turns(app: ASGIApp) -> ASGIApp:
        async def begin(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope.get("path_template") not in _AT_ONCE:
                loop = asyncio.get_running_loop()
                waited_s = await _waited(turns, _caller(scope), loop)
                patience.judge(waited_s, loop.time())
                if patience.over(waited_s):
                    metrics.HTTP_SHED.inc()
                    raise _refused(method_of(scope))
            await app(scope, receive, send)

        return begin

    return in_turns


async def _waited(turns: Turns, caller: str, loop: asyncio.AbstractEventLoop) -> float:
    """How long it took, in seconds, until it was the caller's turn."""
    if turns.take(caller):
        return 0.0
    came_s = loop.time()
    turn: asyncio.Future[None] = loop.create_future()

    def begin() -> None:
        if not turn.done():
            turn.set_result(None)

    turns.do(caller, begin)
    await turn
    return loop.time() - came_s


def _caller(scope: Scope) -> str:
    """Whose share of a turn it is: that of a token, or of an address where there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    client = scope["client"]
    return "" if client is None else client[0]


def _refused(method: str) -> RefusedError:
    reads = method in _READING
    return RefusedError(
        ErrorCode.DATABASE_UNAVAILABLE if reads else ErrorCode.LOG_UNAVAILABLE,
        "the worker has more to do than it can: nothing of this request was begun, send it again",
        retry_after_s=_RETRY_AFTER_S,
    )

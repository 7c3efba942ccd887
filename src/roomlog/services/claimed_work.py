"""What one process at a time does for a partition: claim it, take it up, follow the log, and begin
again after whatever ended that."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from random import random
from typing import Protocol, TypeVar

from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.projection_ports import FenceLostError, RowsRefusedError

_BACKOFF_S = (0.1, 5.0)

_log = logging.getLogger(__name__)


class HaltedError(Exception):
    """The work can't go on from where it stands; the text says why and what to do."""


class Claim(Protocol):
    """What is claimed. Others wait for it until it is closed."""

    async def halt(self, reason: str | None) -> None:
        """Keep why the work stands still, where status shows it; None where it goes on."""
        ...

    async def close(self) -> None:
        """Leave it to others."""
        ...


C = TypeVar("C", bound=Claim)
W = TypeVar("W")


class ClaimedWork:
    """Work on what is claimed, through every outage.

    `name` says in the log what it is, `stands_still` how it is told that it is halted. `tell` puts
    that on the record, once for each reason.
    """

    def __init__(
        self,
        name: str,
        stands_still: str,
        *,
        tell: Callable[[str], Awaitable[None]] | None,
        halted_retry_s: float | None,
        outlives_defects: bool = False,
    ) -> None:
        """What is halted is tried again after `halted_retry_s`, or when `look_again` is called;
        where it is None, HaltedError is raised. With `outlives_defects` whatever else is raised
        is logged and the work begun again."""
        self._name = name
        self._stands_still = stands_still
        self._tell = tell
        self._halted_retry_s = halted_retry_s
        self._outlives_defects = outlives_defects
        self._again = asyncio.Event()
        self._told: str | None = None
        self._wait_s = _BACKOFF_S[0]

    def look_again(self) -> None:
        """The log is another one: what was halted may go on."""
        self._again.set()

    async def run(
        self,
        claim: Callable[[], Awaitable[C]],
        begin: Callable[[C], Awaitable[W]],
        follow: Callable[[C, W], Awaitable[None]],
    ) -> None:
        """Claim, begin and follow until cancelled. `begin` returns when what was claimed is taken
        up, and gives what `follow` works with; NATS or PostgreSQL away is waited out."""
        while True:
            try:
                claimed = await claim()
                try:
                    await self._work(claimed, begin, follow)
                finally:
                    await claimed.close()
            except FenceLostError as error:
                _log.info("%s: begun anew: %s", self._name, error)
            except HaltedError as error:
                if self._halted_retry_s is None:
                    raise
                await self._stand_still(str(error), self._halted_retry_s)
            except (DatabaseUnavailableError, LogUnavailableError, RowsRefusedError) as error:
                _log.warning("%s: waiting: %s", self._name, error)
                await self._back_off()
            except Exception:
                if not self._outlives_defects:
                    raise
                _log.exception("%s: stopped", self._name)
                await asyncio.sleep(_BACKOFF_S[1])

    async def _work(
        self,
        claimed: C,
        begin: Callable[[C], Awaitable[W]],
        follow: Callable[[C, W], Awaitable[None]],
    ) -> None:
        try:
            work = await begin(claimed)
            await claimed.halt(None)
            self._told, self._wait_s = None, _BACKOFF_S[0]
            await follow(claimed, work)
        except HaltedError as error:
            await claimed.halt(str(error))
            raise

    async def _stand_still(self, reason: str, retry_s: float) -> None:
        if reason != self._told:
            await self._tell_halted(f"{self._stands_still}: {reason}", reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(retry_s):
                await self._again.wait()
        self._again.clear()

    async def _tell_halted(self, told: str, reason: str) -> None:
        _log.error("%s", told)
        try:
            if self._tell is not None:
                await self._tell(told)
        except LogUnavailableError as error:
            _log.warning("not on the audit trail yet, that %s: %s", self._stands_still, error)
        else:
            self._told = reason

    async def _back_off(self) -> None:
        await asyncio.sleep(self._wait_s * (0.5 + random() / 2))  # noqa: S311 - only spreads load
        self._wait_s = min(self._wait_s * 2, _BACKOFF_S[1])

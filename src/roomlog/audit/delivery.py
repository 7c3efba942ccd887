"""Signed checkpoints of all rooms, given to places elsewhere on a schedule.

Only a head that somebody else holds shows later that nothing was cut off or written anew.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from random import random
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from roomlog import metrics
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.services.proof_service import ProofService
from roomlog_contract.errors import RefusedError
from roomlog_contract.proofs import LogCheckpoint

WEBHOOK_TIMEOUT_S = 10.0
WEBHOOK_ATTEMPTS_MAX = 4
NOT_NOW_RETRY_S = 5.0
_FIRST_PAUSE_S = 1.0
_AGAIN_STATUSES = frozenset({408, 425, 429})

_log = logging.getLogger(__name__)


class NotDeliveredError(Exception):
    """A checkpoint did not get there; the text says why, and names no secret."""


class Place(Protocol):
    """Somewhere else."""

    @property
    def kind(self) -> str:
        """As metrics call it."""
        ...

    async def put(self, checkpoint: LogCheckpoint) -> None:
        """Leave it there. Raises NotDeliveredError."""
        ...


class Folder:
    """A folder, best on another machine; a file for each checkpoint, never written anew."""

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, checkpoint: LogCheckpoint) -> None:
        """See Place."""
        try:
            await asyncio.to_thread(self._write, checkpoint)
        except OSError as error:
            raise NotDeliveredError(f"{self._path}: {error.strerror or error}") from error

    def _write(self, checkpoint: LogCheckpoint) -> None:
        place = "-".join(str(sequence) for sequence in checkpoint.sequences)
        path = self._path / f"{checkpoint.epoch}-{place}.checkpoint"
        new = path.with_name(f".{path.name}.{os.getpid()}")
        with new.open("w", encoding="utf-8") as file:
            file.write(checkpoint.note)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


class Webhook:
    """A URL that takes the note by POST as plain text; any 2xx means that it is kept."""

    kind = "webhook"

    def __init__(self, url: str, *, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._first_pause_s = first_pause_s

    async def put(self, checkpoint: LogCheckpoint) -> None:
        """See Place. Tries again where that may help, a few times."""
        pause_s = self._first_pause_s
        async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S, follow_redirects=False) as client:
            for attempt in range(1, WEBHOOK_ATTEMPTS_MAX + 1):
                problem, again = await self._post(client, checkpoint)
                if problem is None:
                    return
                if not again or attempt == WEBHOOK_ATTEMPTS_MAX:
                    raise NotDeliveredError(f"{self._host}: {problem} (attempt {attempt})")
                await asyncio.sleep(pause_s * (0.5 + random() / 2))  # noqa: S311 - only spreads load
                pause_s *= 2

    async def _post(
        self, client: httpx.AsyncClient, checkpoint: LogCheckpoint
    ) -> tuple[str | None, bool]:
        """What went wrong, and whether trying again may help."""
        try:
            async with (
                asyncio.timeout(WEBHOOK_TIMEOUT_S),
                # The body of the answer is nobody's business, however long it is.
                client.stream(
                    "POST",
                    self._url,
                    content=checkpoint.note.encode(),
                    headers={"Content-Type": "text/plain; charset=utf-8"},
                ) as response,
            ):
                status = response.status_code
        except (httpx.HTTPError, TimeoutError) as error:
            return type(error).__name__, True
        except (httpx.InvalidURL, UnicodeError) as error:
            return type(error).__name__, False
        if 200 <= status < 300:
            return None, False
        return f"status {status}", status >= 500 or status in _AGAIN_STATUSES


async def deliver_checkpoints(
    proofs: ProofService, places: Sequence[Place], *, every_s: float
) -> None:
    """Give each place a checkpoint at once and then every `every_s`, where it has changed, until
    cancelled. What does not get there is logged and counted, and the next one is tried then."""
    delivered: dict[str, str] = {}
    while True:
        checkpoint = await _checkpoint(proofs)
        for place in places:
            if delivered.get(place.kind) == checkpoint.note:
                continue
            try:
                await place.put(checkpoint)
            except NotDeliveredError as error:
                metrics.CHECKPOINT_DELIVERIES.labels(place.kind, "failed").inc()
                _log.error("a checkpoint did not get to the %s: %s", place.kind, error)
            else:
                metrics.CHECKPOINT_DELIVERIES.labels(place.kind, "delivered").inc()
                delivered[place.kind] = checkpoint.note
        await asyncio.sleep(every_s)


async def _checkpoint(proofs: ProofService) -> LogCheckpoint:
    while True:
        try:
            return await proofs.log_checkpoint()
        except (RefusedError, LogUnavailableError, DatabaseUnavailableError) as error:
            _log.warning("no checkpoint can be signed for now: %s", error)
            await asyncio.sleep(NOT_NOW_RETRY_S)

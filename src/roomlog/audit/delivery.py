"""Signed checkpoints of all rooms and of the audit trail, given to places elsewhere on a schedule.

Only a head that somebody else holds shows later that nothing was cut off or written anew.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Sequence
from pathlib import Path
from random import random
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from roomlog import metrics
from roomlog.core.signed_note import NOTE_BYTES_MAX
from roomlog.files import take_name
from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.services.proof_service import ProofService
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.proofs import LogCheckpoint, RoomCheckpoint
from roomlog_contract.trail import TRAIL_ID

WEBHOOK_TIMEOUT_S = 10.0
WEBHOOK_ATTEMPTS_MAX = 4
NOT_NOW_RETRY_S = 5.0
_FIRST_PAUSE_S = 1.0
_AGAIN_STATUSES = frozenset({408, 425, 429})

_log = logging.getLogger(__name__)


class NotDeliveredError(Exception):
    """A checkpoint did not get there; the text says why, and names no secret."""


Checkpoint = LogCheckpoint | RoomCheckpoint
"""Of all rooms, or of the audit trail."""


class Place(Protocol):
    """Somewhere else."""

    @property
    def kind(self) -> str:
        """As metrics call it."""
        ...

    async def put(self, checkpoint: Checkpoint) -> None:
        """Leave it there. Raises NotDeliveredError."""
        ...


class Folder:
    """A folder, best on another machine; a file for each checkpoint, never written anew.

    Where a file of the same name says another head, the log is not the one that it was: what was
    there is the evidence, and stays.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, checkpoint: Checkpoint) -> None:
        """See Place."""
        try:
            await asyncio.to_thread(self._write, checkpoint)
        except OSError as error:
            raise NotDeliveredError(f"{self._path}: {error.strerror or error}") from error

    def _write(self, checkpoint: Checkpoint) -> None:
        if isinstance(checkpoint, LogCheckpoint):
            place = "-".join(str(sequence) for sequence in checkpoint.sequences)
        else:
            place = f"trail-{checkpoint.sequence}"
        path = self._path / f"{checkpoint.epoch}-{place}.checkpoint"
        if not path.exists() and self._is_new(path, checkpoint.note):
            return
        _require_same_head(path, checkpoint)

    @staticmethod
    def _is_new(path: Path, note: str) -> bool:
        """Write it, unless another delivery was ahead."""
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with new.open("x", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            take_name(new, path)
        except FileExistsError:
            return False
        finally:
            new.unlink(missing_ok=True)
        return True


def _require_same_head(path: Path, checkpoint: Checkpoint) -> None:
    # Another key may have signed it, under another name: size and root are what must be the same.
    with path.open("rb") as file:
        kept = file.read(NOTE_BYTES_MAX).split(b"\n")[1:3]
    if kept != checkpoint.note.encode().split(b"\n")[1:3]:
        raise NotDeliveredError(
            f"{path} holds another head of the same place: the log was written anew since "
            "(`roomlog audit compare` says more)"
        )


class Webhook:
    """A URL that takes the note by POST as plain text; any 2xx means that it is kept."""

    kind = "webhook"

    def __init__(self, url: str, *, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._first_pause_s = first_pause_s

    async def put(self, checkpoint: Checkpoint) -> None:
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
        self, client: httpx.AsyncClient, checkpoint: Checkpoint
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
    proofs: ProofService, of_trail: ProofService, places: Sequence[Place], *, every_s: float
) -> None:
    """Give each place both checkpoints at once and then every `every_s`, where they have changed,
    until cancelled. What does not get there is logged and counted, and the next one is tried then.
    """
    delivered: dict[tuple[str, int], str] = {}
    while True:
        # Neither keeps the other back: trees that stand still are what a checkpoint is for.
        signed = [
            await _signed("all rooms", proofs.log_checkpoint()),
            await _signed("the audit trail", of_trail.room_checkpoint(TRAIL_ID), may_lack=True),
        ]
        for place in places:
            for which, checkpoint in enumerate(signed):
                if checkpoint is None or delivered.get((place.kind, which)) == checkpoint.note:
                    continue
                if await _deliver(place, checkpoint):
                    delivered[place.kind, which] = checkpoint.note
        await asyncio.sleep(every_s if signed[0] is not None else min(every_s, NOT_NOW_RETRY_S))


async def _deliver(place: Place, checkpoint: Checkpoint) -> bool:
    try:
        await place.put(checkpoint)
    except NotDeliveredError as error:
        metrics.CHECKPOINT_DELIVERIES.labels(place.kind, "failed").inc()
        _log.error("a checkpoint did not get to the %s: %s", place.kind, error)
        return False
    metrics.CHECKPOINT_DELIVERIES.labels(place.kind, "delivered").inc()
    return True


async def _signed(
    what: str, asked: Awaitable[Checkpoint], *, may_lack: bool = False
) -> Checkpoint | None:
    """None where it can't be signed for now, or (`may_lack`) where nothing is there to be signed
    yet."""
    try:
        return await asked
    except RefusedError as error:
        if not (may_lack and error.code is ErrorCode.NOT_FOUND):
            _log.warning("no checkpoint of %s can be signed for now: %s", what, error)
    except (LogUnavailableError, DatabaseUnavailableError) as error:
        _log.warning("no checkpoint of %s can be signed for now: %s", what, error)
    return None

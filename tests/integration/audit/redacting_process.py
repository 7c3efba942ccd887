"""Redacts messages in processes of their own, which kill themselves on the way.

    python -m tests.integration.audit.redacting_process DATA MESSAGE_ID:LIFE …

Each dies by SIGKILL at its LIFE-th touch of the log: each append and each event erased is one
touch before it and one after it. Where LIFE is more than there are, it ends by itself. Printed are
the exit codes, as `subprocess` gives them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roomlog.core.policy import Actor
from roomlog.erasing_ports import Eraser
from roomlog.jetstream.erasing import JetStreamEraser
from roomlog.main import open_services
from roomlog.ports import Appended, NewEvent
from roomlog.services.redaction_service import RedactionService
from roomlog.settings import erase_url, load_settings
from roomlog_contract.resources import MessageRedact
from roomlog_contract.types import GlobalRole

ADMIN = "killed-admin@example.org"


class Life:
    def __init__(self, touches: int) -> None:
        self._left = touches

    def touch(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalLog:
    """A log that can be touched so often only."""

    def __init__(self, log: Any, life: Life) -> None:
        self._log = log
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def begin_append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> "asyncio.Future[list[Appended]]":
        self._life.touch()
        return asyncio.ensure_future(self._append(room_id, events, first=first))

    async def _append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool
    ) -> list[Appended]:
        appended = await self._log.append(room_id, events, first=first)
        self._life.touch()
        return appended


class MortalEraser:
    def __init__(self, eraser: Eraser, life: Life) -> None:
        self._eraser = eraser
        self._life = life

    async def erase(self, room_id: str, sequences: Sequence[int]) -> None:
        for sequence in sequences:
            self._life.touch()
            await self._eraser.erase(room_id, [sequence])
            self._life.touch()


async def main(data: Path, message_id: str, touches: int) -> None:
    settings, life = load_settings(data), Life(touches)
    async with open_services(settings) as services:
        eraser = JetStreamEraser(erase_url(settings), services.log.partitions)
        whole: Any = services.redactions
        log = MortalLog(services.log, life)
        whole._writer._log = log
        redactions = RedactionService(
            log=log,  # type: ignore[arg-type]
            eraser=MortalEraser(eraser, life),
            read_model=services.read_model,
            rooms=services.cache,
            writer=whole._writer,
            progress=whole._progress,
            trail=whole._trail,
            clock=services.clock,
        )
        admin = Actor(ADMIN, roles=frozenset({GlobalRole.ADMIN}))
        await redactions.redact_message(admin, message_id, MessageRedact("a pasted password"))


def in_own_process(data: Path, message_id: str, touches: int) -> int:
    """The exit code of that; what a process imports, a fork has."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            asyncio.run(main(data, message_id, touches))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        message, life = argument.split(":")
        print(in_own_process(Path(sys.argv[1]), message, int(life)), flush=True)

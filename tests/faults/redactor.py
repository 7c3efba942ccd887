"""Somebody who pastes passwords into a room of their own, and an admin who has them removed: all
through whatever happens. What was told to be removed is nowhere, and the rest is there."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.faults.clients import Headers
from tests.faults.recording import PASSING, Recording

ADMIN = "root@example.org"
_PAUSE_S = 0.3
_AGAIN_S = 0.05
_TIMEOUT_S = 10.0


class Redactor:
    """Sends, edits and redacts by REST, each under its key until there is a last answer. One
    message in four is left as it is."""

    def __init__(
        self,
        recording: Recording,
        room: str,
        author: str,
        url: str,
        headers: Callable[..., dict[str, str]],
    ) -> None:
        self._recording = recording
        self._room = room
        self._author = author
        self._url = url
        self._headers: Headers = headers
        self._admin = lambda: headers(ADMIN, "admin")
        self._chance = recording.chance("redactor")
        self.idle = True
        self.removed: dict[str, list[str]] = {}
        self.kept: dict[str, str] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        async with httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT_S) as http:
            while True:
                await asyncio.sleep(_PAUSE_S)
                if not self._recording.stopping:
                    self.idle = False
                    await self._once(http)
                    self.idle = True

    async def _once(self, http: httpx.AsyncClient) -> None:
        # Another each time: runs of one seed may share a log.
        first, second, why = (secrets.token_hex(16) for _ in range(3))
        said = await self._ask(
            http, "POST", f"/api/rooms/{self._room}/messages", {"content": first}
        )
        message = said["message_id"]
        path = f"/api/messages/{message}"
        await self._ask(http, "PATCH", path, {"content": second, "reason": why})
        if self._chance.random() < 0.25:
            self.kept[message] = second
            return
        told = await self._ask(http, "POST", f"{path}/redact", {"reason": "pasted"}, admin=True)
        assert (told["content"], told["metadata"]) == ("", {}), told
        self.removed[message] = [first, second, why]

    async def _ask(
        self, http: httpx.AsyncClient, method: str, path: str, body: Any, *, admin: bool = False
    ) -> dict[str, Any]:
        key = secrets.token_hex(8)
        while True:
            headers = self._admin() if admin else self._headers(self._author)
            try:
                told = await http.request(
                    method, path, json=body, headers={**headers, "Idempotency-Key": key}
                )
            except httpx.TransportError:
                await asyncio.sleep(_AGAIN_S)
                continue
            if told.is_success:
                return told.json()
            assert told.json().get("code") in PASSING, (method, path, told.status_code, told.text)
            await asyncio.sleep(_AGAIN_S)

    async def require_removed(self, url: str, data: Path) -> None:
        """What was told to be removed is not in the log's files and not in the room; what was not
        is there. To be asked when the tables are at the log's end."""
        blocks = [
            path.read_bytes() for path in data.glob("nats/store/jetstream/*/streams/*/msgs/*")
        ]
        gone = [secret for said in self.removed.values() for secret in said]
        left = [one for one in gone if any(one.encode() in block for block in blocks)]
        assert not left, f"{len(left)} of {len(gone)} are in the log's files still"
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            for message, content in [*self.kept.items(), *dict.fromkeys(self.removed, "").items()]:
                told = await http.get(
                    f"/api/rooms/{self._room}/messages/{message}", headers=self._admin()
                )
                assert told.status_code == 200, (message, told.text)
                assert told.json()["content"] == content, (message, told.text)

"""Rooms for tests of the page, made by REST."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.stack import Stack

ANA, BEN = "ana@example.com", "ben@example.com"


class Room:
    """A room of Ana's with these members beside her."""

    def __init__(
        self,
        stack: Stack,
        members: Sequence[tuple[str, str]] = ((BEN, "responder"),),
        **fields: Any,
    ) -> None:
        self._stack = stack
        given = [{"user_id": user, "role": role} for user, role in members]
        made = self.call(
            ANA, "POST", "/api/rooms", {"name": "checkout-errors", "members": given, **fields}
        )
        self.room_id: str = made["room_id"]
        self.path = f"/api/rooms/{self.room_id}"

    def call(self, user: str, method: str, path: str, body: object = None) -> Any:
        headers = self._stack.headers(user)
        answer = httpx.request(
            method, self._stack.base_url + path, headers=headers, json=body, timeout=30
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def send(self, user: str, content: str, **fields: Any) -> dict[str, Any]:
        return self.call(user, "POST", f"{self.path}/messages", {"content": content, **fields})

    def send_many(self, user: str, contents: Sequence[str]) -> None:
        """Send all of these in order; they are in the log and in the tables when this returns."""
        url = f"{self._stack.ws_url}/ws/{self.room_id}"
        with connect(url, additional_headers=self._stack.headers(user)) as socket:
            for n, content in enumerate(contents):
                socket.send(json.dumps({"type": "send", "ref": str(n), "content": content}))
            left, last = len(contents), 0
            while left:
                for line in str(socket.recv(30)).splitlines():
                    told = json.loads(line)
                    assert told["type"] != "error", told
                    if told["type"] == "ack":
                        left, last = left - 1, told["sequence"]
        self.call(ANA, "GET", f"{self.path}?min_sequence={last}")

    def edit(self, user: str, message: dict[str, Any], content: str) -> dict[str, Any]:
        path = f"/api/messages/{message['message_id']}"
        return self.call(user, "PATCH", path, {"content": content})

    def delete(self, user: str, message: dict[str, Any]) -> None:
        self.call(user, "DELETE", f"/api/messages/{message['message_id']}")

    def messages(self) -> list[dict[str, Any]]:
        """What was said, oldest first."""
        page = self.call(ANA, "GET", f"{self.path}/messages?after=0&limit=500&type=text")
        return page["items"]

"""The sample incident of `roomlog up --demo`, told through the public API.

Every write has a key of its own, so that filling the same data directory again changes nothing.
"""

import http.client
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click
import msgspec

from roomlog.cli.demo_story import COMMANDER, ROOM, STORY, Delete, Edit, React, Say, SetStatus
from roomlog.cli.errors import CliError
from roomlog.cli.token import signed_token
from roomlog.settings import Settings, load_settings, required

_TOKEN_TTL_S = 12 * 3600
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_TIMEOUT_S = 15.0
_RETRY_FOR_S = 60.0
_RETRY_EVERY_S = 0.5
_PASSING_STATUSES = frozenset({429, 503})


class _RunFile(msgspec.Struct):
    base_url: str


class Demo(msgspec.Struct, frozen=True):
    """What was filled in, and how to reach it."""

    base_url: str
    room_id: str
    token: str


class _Api:
    """roomlog's REST API for several users. Waits out what passes (429, 503)."""

    def __init__(self, base_url: str, settings: Settings) -> None:
        self._netloc = urlsplit(base_url).netloc
        self._settings = settings

    def token(self, user: str, *roles: str) -> str:
        secret = required(self._settings.jwt_secret, "JWT_SECRET")
        return signed_token(
            secret,
            user,
            settings=self._settings,
            roles=roles,
            name=user.partition("@")[0].capitalize(),
            issued_at_s=int(time.time()),
            ttl_s=_TOKEN_TTL_S,
        )

    def write(
        self,
        who: tuple[str, ...],
        method: str,
        path: str,
        key: str,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer to a write by `who` (user id and roles). Raises CliError."""
        headers = {
            "Authorization": f"Bearer {self.token(*who)}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        deadline_s = time.monotonic() + _RETRY_FOR_S
        while True:
            status, answer = self._ask(method, path, headers, json.dumps(body or {}))
            if status < http.HTTPStatus.BAD_REQUEST:
                return json.loads(answer or b"{}")
            if status not in _PASSING_STATUSES or time.monotonic() > deadline_s:
                detail = answer[:500].decode(errors="replace")
                raise CliError(f"the demo could not be filled in: {method} {path}: {detail}")
            time.sleep(_RETRY_EVERY_S)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            return http.HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode()
        finally:
            connection.close()


def fill(data: Path) -> None:
    """Fill in the sample incident of a running `roomlog up`; print links, token and commands."""
    try:
        demo = tell_story(data)
    except CliError as error:
        click.echo(f"roomlog up --demo: {error.format_message()}", err=True)
        raise SystemExit(1) from error
    click.echo(_how_to_reach(demo))


def tell_story(data: Path) -> Demo:
    """Write the sample incident where it is missing, and say how to reach it."""
    settings = load_settings(data)
    base_url = msgspec.json.decode((data / "run.json").read_bytes(), type=_RunFile).base_url
    api = _Api(base_url, settings)
    room = api.write((COMMANDER,), "POST", "/api/rooms", "demo", ROOM)
    room_id = str(room["room_id"])
    said: dict[str, str] = {}
    for index, step in enumerate(STORY):
        key = f"demo:{index}"
        match step:
            case Say():
                body: dict[str, Any] = {
                    "content": step.content,
                    "message_type": step.message_type.value,
                    "metadata": step.metadata,
                }
                if step.reply_to:
                    body["reply_to"] = said[step.reply_to]
                sent = api.write(step.who, "POST", f"/api/rooms/{room_id}/messages", key, body)
                said[step.name] = str(sent["message_id"])
            case Edit():
                path = f"/api/messages/{said[step.name]}"
                edit = {"content": step.content, "reason": step.reason}
                api.write((step.who,), "PATCH", path, key, edit)
            case Delete():
                path = f"/api/messages/{said[step.name]}"
                api.write((step.who,), "DELETE", path, key, {"reason": step.reason})
            case React():
                path = f"/api/messages/{said[step.name]}/reactions"
                api.write((step.who,), "POST", path, key, {"emoji": step.emoji})
            case SetStatus():
                status = {"status": step.status.value}
                api.write((COMMANDER,), "PATCH", f"/api/rooms/{room_id}", key, status)
    return Demo(base_url, room_id, api.token(COMMANDER))


def _how_to_reach(demo: Demo) -> str:
    url, room = demo.base_url, f"{demo.base_url}/api/rooms/{demo.room_id}"
    bearer = shlex.quote(f"Authorization: Bearer {demo.token}")
    socket = f"ws{url.removeprefix('http')}/ws/{demo.room_id}?after=0&token={quote(demo.token)}"
    body = shlex.quote(json.dumps({"content": "Is **anybody** reading this?"}))
    return f"""
The demo's room is {demo.room_id} ({ROOM["name"]}).
Page {url}/#token={demo.token}
API {url}/schema/openapi.json
State {url}/readyz
Token of {COMMANDER}, its commander, for 12 hours:
{demo.token}

Read what was said:
  curl -sS -H {bearer} '{room}/messages?limit=10'
Say something:
  curl -sS -H {bearer} -H 'Content-Type: application/json' -d {body} {room}/messages
Read its events from the log:
  curl -sS -H {bearer} -H 'Accept: application/x-ndjson' '{room}/events?after=0'
Follow it live, after all that was said (Ctrl-D ends it):
  {shlex.quote(sys.executable)} -m websockets '{socket}'
"""

"""The sample incident of `roomlog up --demo`: filled in where it is missing, and how to reach it."""

import asyncio
import http.client
import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import click
import msgspec

from roomlog.cli.demo_log import DemoLog
from roomlog.cli.demo_story import COMMANDER, ROOM
from roomlog.cli.errors import CliError, failure_line
from roomlog.cli.opened_log import open_log_to_append
from roomlog.cli.token import signed_token
from roomlog.jetstream.buckets import JetStreamNames
from roomlog.ports import LogUnavailableError
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


def fill(data: Path) -> None:
    """Fill in the sample incident of a running `roomlog up`; print links, token and commands."""
    try:
        demo = tell_story(data)
    except (CliError, LogUnavailableError) as error:
        click.echo(f"roomlog up --demo: {failure_line(error)}", err=True)
        raise SystemExit(1) from error
    click.echo(_how_to_reach(demo))


def tell_story(data: Path) -> Demo:
    """Write the sample incident where it is missing, and say how to reach it."""
    settings = load_settings(data)
    base_url = msgspec.json.decode((data / "run.json").read_bytes(), type=_RunFile).base_url
    secret = required(settings.jwt_secret, "JWT_SECRET")
    token = signed_token(
        secret,
        COMMANDER,
        settings=settings,
        roles=(),
        name=_name(COMMANDER),
        issued_at_s=int(time.time()),
        ttl_s=_TOKEN_TTL_S,
    )
    room_id, head = asyncio.run(_tell(settings))
    _await_reading(base_url, f"/api/rooms/{room_id}?min_sequence={head}", token)
    return Demo(base_url, room_id, token)


def _name(user: str) -> str:
    return user.partition("@")[0].capitalize()


async def _tell(settings: Settings) -> tuple[str, int]:
    async with open_log_to_append(settings, "roomlog up --demo") as log:
        names = JetStreamNames(log.connection)
        for user in (COMMANDER, *(member["user_id"] for member in ROOM["members"])):
            await names.put(user, _name(user))  # their tokens would have told it
        demo = DemoLog(log)
        return demo.room_id, await demo.tell(datetime.now(UTC))


def _await_reading(base_url: str, path: str, token: str) -> None:
    """Return when the API answers with all that was told. Raises CliError."""
    deadline_s = time.monotonic() + _RETRY_FOR_S
    while True:
        status, answer = _ask(urlsplit(base_url).netloc, path, token)
        if status < http.HTTPStatus.BAD_REQUEST:
            return
        if status not in _PASSING_STATUSES or time.monotonic() > deadline_s:
            detail = answer[:500].decode(errors="replace")
            raise CliError(f"the demo can't be read: GET {path}: {detail}")
        time.sleep(_RETRY_EVERY_S)


def _ask(netloc: str, path: str, token: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(netloc, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        return http.HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode()
    finally:
        connection.close()


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

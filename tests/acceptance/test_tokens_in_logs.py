"""No token or other secret is ever printed: each way of passing a token is used, also those that
are refused."""

import asyncio
import json
import secrets
import shutil
import socket as sockets
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.acceptance.frames import frame_of
from tests.services.key_material import jwk, key_set, signed
from tests.stack import data_directory, running_stack

ANN, BOB = "ann@example.org", "bob@example.org"
WAIT_S = 30.0
WORKERS = 2
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": ANN, "exp": time.time() + 3600, **more}


def _raw(base_url: str, request: str) -> None:
    """Send bytes that no HTTP library would, and read what comes."""
    at = urlsplit(base_url)
    with sockets.create_connection((at.hostname or "", at.port or 0), timeout=WAIT_S) as raw:
        raw.sendall(request.encode("latin-1"))
        raw.settimeout(1)
        with suppress(OSError):
            while raw.recv(65536):
                pass


async def _use_every_way(base_url: str, ws_url: str, room: str, token: str) -> None:
    """Pass a token in every way that there is, and in some that there are not."""
    async with httpx.AsyncClient(base_url=base_url, timeout=WAIT_S) as client:
        for path in ("/api/rooms", f"/api/rooms/{room}", "/api/nope", "/livez"):
            for scheme in ("Bearer", "bearer", "Basic", "Token"):
                given = f"{scheme} {token}".encode("latin-1", "replace")
                await client.get(path, headers={b"Authorization": given})
            await client.get(path, params={"token": token, "access_token": token})
            await client.post(path, headers={"Cookie": f"token={quote(token)}"}, json=[token])
    bearer = [("Authorization", f"Bearer {token}")]
    subprotocol: Any = ["roomlog.v1", f"roomlog.bearer.{token}"]
    for path in (f"/ws/{room}", "/ws", "/ws/nowhere", "/nowhere"):
        for query, options in (
            ("", {"additional_headers": bearer}),
            ("", {"subprotocols": subprotocol}),
            (f"?token={quote(token)}", {}),
            (f"?after=0&%74oken={quote(token)}&x=1", {}),
            (f"?token={quote(token)}", {"origin": "https://evil.example"}),
            (f"?after=x&token={quote(token)}", {}),
        ):
            with suppress(InvalidHandshake, InvalidMessage, ConnectionClosed, ValueError):
                async with connect(ws_url + path + query, proxy=None, **options) as connection:
                    await connection.send(json.dumps({"type": "auth", "ref": "a", "token": token}))
                    await connection.send(json.dumps({"type": "auth", "token": [token]}))
                    await connection.send('{"type": "auth", "token": "' + token)
                    await connection.send(token)
                    await connection.send(json.dumps({"type": "ping", "ref": "end"}))
                    await frame_of(connection, "pong", ref="end")
    version = "Sec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    offered = f"Sec-WebSocket-Protocol: roomlog.bearer.{token}"
    upgrade = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    for request in (
        f"GET /ws?token={token} HTTP/1.1\r\n{upgrade}\r\n",
        f"GET /ws HTTP/1.1\r\n{upgrade}Authorization: Bearer {token}\r\n\r\n",
        f"GET /ws HTTP/1.1\r\n{upgrade}{version}Sec-WebSocket-Key: {token}\r\n\r\n",
        f"GET /ws HTTP/1.1\r\n{upgrade}{version}{key}{offered} x, ,\r\n\r\n",
        f"GET /ws HTTP/1.1\r\n{upgrade}{version}{key}{offered}\x01\r\n\r\n",
        f"GET /ws?token={token} HTTP/9.9\r\nAuthorization: Bearer {token}\r\n\r\n",
        f"Bearer {token}\r\n\r\n",
        f"GET /api/rooms HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {token}\r\n\r\n",
    ):
        await asyncio.to_thread(_raw, base_url, request)


async def test_no_token_or_secret_is_ever_printed_by_any_process():
    folder = data_directory()
    keys = folder / "jwks.json"
    keys.write_bytes(key_set(*(jwk(algorithm) for algorithm in ALGORITHMS)))
    marks: list[str] = []
    environment_secret = secrets.token_hex(32)
    with running_stack(
        ("--workers", str(WORKERS)),
        data=folder,
        JWT_JWKS=str(keys),
        JWT_SECRET=environment_secret,
        LOG_LEVEL="debug",
    ) as stack:
        made = httpx.post(
            f"{stack.base_url}/api/rooms",
            json={"name": "r"},
            headers=stack.headers(ANN),
            timeout=WAIT_S,
        )
        room = made.json()["room_id"]
        good = [stack.token(ANN), *(signed(algorithm, claims()) for algorithm in ALGORITHMS)]
        refused = [
            stack.token(ANN, ttl_s=-5),
            stack.token(BOB, nbf=time.time() + 900),
            signed("EdDSA", claims(), key_id="unknown"),
            good[0][:-3] + "abc",
        ]
        malformed = [f"{secrets.token_urlsafe(24)}{tail}" for tail in ("", ".", ".x.y", " x", "é")]
        malformed.append(f"x.{secrets.token_urlsafe(24)}" + "y" * 9000)
        for token in (*good, *refused, *malformed):
            await _use_every_way(stack.base_url, stack.ws_url, room, token)
            # What only this token has, in pieces that a shortened line would still show.
            longest = max(token.split("."), key=len) if token in malformed else token.split(".")[2]
            marks += [longest[:16], quote(longest)[:16]]
        kept = [path.read_text().strip() for path in (folder / "secrets").iterdir()]
        assert len(kept) >= 3
        marks += [*kept, environment_secret]
        stack.process.terminate()
        assert stack.process.wait(60) == 0
        assert stack.process.stdout is not None
        printed = {"stdout": stack.process.stdout.read()}
        for log in [folder / "up.stderr", *(folder / "logs").iterdir()]:
            printed[log.name] = log.read_text(errors="replace")

    assert {"api-1.log", "api-2.log"} <= printed.keys()
    assert printed["up.stderr"]
    assert '"message":"connected"' in printed["api-1.log"] + printed["api-2.log"]
    found = [(name, mark) for name, text in printed.items() for mark in marks if mark in text]
    assert found == []
    shutil.rmtree(folder, ignore_errors=True)

"""The files of the deployment guide, run by the programs that they are for."""

import asyncio
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sysconfig
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from roomlog.settings import list_settings
from tests.integration.deploy.nginx import (
    DEPLOY,
    NAME,
    Nginx,
    free_port,
    required_tool,
    running_nginx,
)
from tests.stack import Stack, running_stack
from tests.within import within

_USER = "ada@example.org"
_HEARTBEAT_S = 0.5
_READ_TIMEOUT_S = 2
_LOGGED_S = 60
_QUIET_S = 3 * _READ_TIMEOUT_S


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
    required_tool("nginx")
    with running_stack(HEARTBEAT_SECONDS=str(_HEARTBEAT_S), CONNECTS_PER_MINUTE="0") as stack:
        yield stack


@pytest.fixture(scope="module")
def nginx(stack: Stack) -> Generator[Nginx]:
    quick = {"proxy_read_timeout__120s": f"proxy_read_timeout {_READ_TIMEOUT_S}s"}
    with running_nginx(int(stack.base_url.rpartition(":")[2]), **quick) as nginx:
        yield nginx


def client(nginx: Nginx, stack: Stack | None = None) -> httpx.Client:
    headers = nginx.headers | (stack.headers(_USER) if stack is not None else {})

    def ask_by_name(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = NAME

    # The certificate is the test's own; what is tested is behind it.
    return httpx.Client(
        base_url=nginx.url,
        headers=headers,
        verify=_tls(),
        timeout=30,
        event_hooks={"request": [ask_by_name]},
    )


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def room_of(nginx: Nginx, stack: Stack) -> str:
    with client(nginx, stack) as http:
        created = http.post("/api/rooms", json={"name": f"r-{secrets.token_hex(4)}"})
        assert created.status_code == 201, created.text
        return created.json()["room_id"]


def socket_of(nginx: Nginx, path: str, **given: Any) -> connect:
    return connect(
        f"wss://{NAME}:{nginx.port}{path}",
        host="127.0.0.1",
        port=nginx.port,
        ssl=_tls(),
        proxy=None,
        **given,
    )


async def _something_else_than_presence(socket: ClientConnection) -> None:
    while json.loads(await socket.recv())["type"] == "presence":
        pass


async def frame_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            for line in str(await socket.recv()).split("\n"):
                frame = json.loads(line)
                if frame["type"] == kind:
                    return frame


def test_rest_works_through_nginx(stack: Stack, nginx: Nginx) -> None:
    room = room_of(nginx, stack)
    with client(nginx, stack) as http:
        sent = http.post(f"/api/rooms/{room}/messages", json={"content": "hello"})
        assert sent.status_code == 201
        page = http.get(f"/api/rooms/{room}/messages").json()
        assert [m["content"] for m in page["items"] if m["message_type"] == "text"] == ["hello"]
        assert http.get("/livez").status_code == 200
        assert http.get("/livez").headers["Strict-Transport-Security"]


async def test_a_quiet_connection_outlives_the_read_timeout_by_its_pings(
    stack: Stack, nginx: Nginx
) -> None:
    room = await asyncio.to_thread(room_of, nginx, stack)
    origin = f"https://{NAME}:{nginx.port}"
    token = stack.headers(_USER)
    async with socket_of(
        nginx, f"/ws/{room}?after=0", additional_headers=token, origin=origin
    ) as socket:
        await frame_of(socket, "live")
        with pytest.raises(TimeoutError):
            await within(_something_else_than_presence(socket), _QUIET_S)
        await socket.send(json.dumps({"type": "send", "ref": "1", "content": "still here"}))
        assert (await frame_of(socket, "ack"))["ref"] == "1"


async def test_a_token_in_the_query_reaches_no_log_of_nginx_also_when_roomlog_is_down(
    stack: Stack, nginx: Nginx
) -> None:
    room = await asyncio.to_thread(room_of, nginx, stack)
    token = stack.token(_USER)
    async with socket_of(nginx, f"/ws/{room}?token={token}") as socket:
        await frame_of(socket, "hello")
    plain = await asyncio.to_thread(httpx.get, f"{nginx.plain_url}/ws/{room}?token={token}")
    assert plain.status_code == 308
    with running_nginx(free_port()) as alone:
        with pytest.raises(InvalidStatus) as refused:
            await socket_of(alone, f"/ws/{room}?token={token}")
        assert refused.value.response.status_code == 502
        await _logged(alone, f"/ws/{room}")
        assert token not in alone.logs()
    await _logged(nginx, f"/ws/{room}")
    assert token not in nginx.logs()


async def _logged(nginx: Nginx, what: str) -> None:
    """Wait for it: nginx writes its logs when it has answered."""
    async with asyncio.timeout(_LOGGED_S):
        while what not in nginx.logs():
            await asyncio.sleep(0.05)


def test_another_name_gets_no_answer(nginx: Nginx) -> None:
    with (
        httpx.Client(base_url=nginx.url, verify=_tls(), timeout=30) as http,
        pytest.raises(httpx.ConnectError, match="unrecognized name"),
    ):
        http.get("/livez")


def test_bodies_and_floods_are_refused_at_the_door(stack: Stack, nginx: Nginx) -> None:
    with client(nginx, stack) as http:
        large = http.post("/api/rooms", content=b"x" * (1024 * 1024 + 1))
        assert large.status_code == 413
    limits = {"rate=50r/s": "rate=1r/s", "burst=200__nodelay": "burst=2 nodelay"}
    with (
        running_nginx(int(stack.base_url.rpartition(":")[2]), **limits) as strict,
        client(strict) as http,
    ):
        answers = [http.get("/livez").status_code for _ in range(10)]
    assert answers[:3] == [200] * 3
    assert 429 in answers


def test_what_clients_say_of_their_origin_is_not_passed_on(nginx: Nginx) -> None:
    heard = _Echo()
    with heard, running_nginx(heard.port) as front, client(front) as http:
        forged = {
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "evil.example",
            "X-Real-IP": "6.6.6.6",
            "Forwarded": "for=6.6.6.6",
        }
        told = http.get("/livez", headers=forged).json()
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-forwarded-proto"] == "https"
    assert told["host"] == f"{NAME}:{front.port}"
    assert not {"x-forwarded-host", "x-real-ip", "forwarded"} & set(told)


class _Echo:
    """Answers every request with the headers that it came with."""

    def __init__(self) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> None:
        from threading import Thread

        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _units(folder: Path) -> list[Path]:
    """The units as they lie in /etc, with programs that are there."""
    units: list[Path] = []
    for source in sorted(DEPLOY.glob("*.service")):
        target = folder / source.name.replace("@.", "@1.")
        target.write_text(
            source.read_text().replace("/opt/roomlog/.venv/bin", sysconfig.get_path("scripts"))
        )
        units.append(target)
    return units


def _verified(units: list[Path]) -> "subprocess.CompletedProcess[str]":
    program = required_tool("systemd-analyze")
    return subprocess.run(
        [program, "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_units_are_right_in_systemds_own_eyes(tmp_path: Path) -> None:
    units = _units(tmp_path)
    assert len(units) == 4
    told = _verified(units)
    about = [line for line in told.stderr.splitlines() if str(tmp_path) in line]
    assert (told.returncode, about) == (0, [])
    broken = tmp_path / "broken.service"
    broken.write_text(units[0].read_text().replace("Restart=always", "Restart=sometimes"))
    assert "sometimes" in _verified([broken]).stderr


def test_the_log_servers_file_is_right_in_its_own_eyes(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "nats-server.conf", tmp_path)
    shutil.copy(DEPLOY.parents[2] / "nats.conf", tmp_path)
    program = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert program is not None
    told = subprocess.run(
        [program, "-t", "-c", str(tmp_path / "nats-server.conf")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "NATS_PASSWORD": "not-so-secret",
            "NATS_ERASING_PASSWORD": "not-so-secret-either",
        },
    )
    assert told.returncode == 0, told.stderr


def test_the_environments_example_names_settings_that_there_are() -> None:
    lines = (DEPLOY / "roomlog.env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line.startswith("ROOMLOG_")}
    assert named
    assert named <= {setting.name for setting in list_settings()}

"""Tokens of every kind against the running product with two workers: taken, renewed, expired,
refused, and never seen in anything that any process prints."""

import asyncio
import hashlib
import hmac
import json
import secrets
import shutil
import socket as sockets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.frames import frame_of
from tests.integration.http.conformance import HOOKS
from tests.services.key_material import encoded, jwk, key_set, private_jwk, public_pem, signed
from tests.stack import Stack, clean_environment, data_directory, running_stack
from tests.within import within

ANN, BOB = "ann@example.org", "bob@example.org"
WAIT_S = 30.0
ENDS_WITHIN_S = 2.0
WORKERS = 2
PAGE = "https://ops.example.org"
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


class Product:
    """`roomlog up` with a key set and a secret beside it."""

    def __init__(self, stack: Stack, keys: Path) -> None:
        self.stack = stack
        self.keys = keys
        self.client = httpx.Client(base_url=stack.base_url, timeout=WAIT_S, event_hooks=HOOKS)

    def publish(self, *keys: Any) -> None:
        """Put the key set in place at once, as an issuer would."""
        new = self.keys.with_suffix(".new")
        new.write_bytes(key_set(*keys))
        new.replace(self.keys)

    def ask(self, token: str, path: str = "/api/rooms") -> httpx.Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {token}"})

    def room(self, role: str = "responder") -> str:
        body = {"name": "r", "members": [{"user_id": BOB, "role": role}]}
        answer = self.client.post("/api/rooms", json=body, headers=self.stack.headers(ANN))
        assert answer.status_code == 201, answer.text
        return answer.json()["room_id"]

    def member(self, room: str, role: str | None) -> None:
        """Change BOB's role, or end his membership."""
        path, headers = f"/api/rooms/{room}/members/{BOB}", self.stack.headers(ANN)
        if role is None:
            answer = self.client.delete(path, headers=headers)
        else:
            answer = self.client.put(path, json={"role": role}, headers=headers)
        assert answer.is_success, answer.text

    def worker_of(self, connection: ClientConnection) -> int:
        """The process that serves a connection."""
        port = connection.local_address[1]
        for pid in self.stack.run["pids"]["api"]:
            for one in psutil.Process(pid).net_connections("tcp"):
                if one.raddr and one.raddr.port == port:
                    return pid
        raise AssertionError("no worker has it")


def claims(user: str = ANN, ttl_s: float = 3600, **more: Any) -> dict[str, Any]:
    return {"sub": user, "exp": time.time() + ttl_s, **more}


@pytest.fixture(scope="module")
def product() -> Generator[Product]:
    folder = data_directory()
    keys = folder / "jwks.json"
    keys.write_bytes(key_set(*(jwk(algorithm) for algorithm in ALGORITHMS)))
    with running_stack(
        ("--workers", str(WORKERS)),
        data=folder,
        JWT_JWKS=str(keys),
        JWT_SECRET=secrets.token_hex(32),
        ALLOWED_ORIGINS=PAGE,
        CONNECTS_PER_MINUTE="0",
        USER_MESSAGES_PER_SECOND="0",
    ) as stack:
        made = Product(stack, keys)
        yield made
        made.client.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_algorithm_is_taken_by_rest_and_by_every_way_of_a_websocket(
    product: Product, algorithm: str
):
    room, token = product.room(), signed(algorithm, claims())

    assert product.ask(token).status_code == 200
    for path in (f"/ws/{room}", "/ws"):
        async for hello in _each_way(product, path, token):
            assert (hello["type"], hello["user_id"]) == ("hello", ANN)


async def _each_way(product: Product, path: str, token: str) -> AsyncIterator[dict[str, Any]]:
    offered: Any = ["roomlog.v1", f"roomlog.bearer.{token}"]
    ways: list[tuple[str, dict[str, Any]]] = [
        (path, {"additional_headers": {"Authorization": f"Bearer {token}"}}),
        (path, {"subprotocols": offered}),
        (f"{path}?token={quote(token)}", {}),
    ]
    for at, options in ways:
        async with connect(product.stack.ws_url + at, proxy=None, **options) as connection:
            yield await _next(connection)


async def _next(connection: ClientConnection) -> dict[str, Any]:
    text = await within(connection.recv(), WAIT_S)
    assert isinstance(text, str)
    return json.loads(text.split("\n")[0])


def test_a_token_by_either_key_may_not_be_forged_with_the_other(product: Product):
    assert product.ask(product.stack.token(ANN)).status_code == 200
    unsigned = jwt.encode(claims(), None, algorithm="none")  # type: ignore[arg-type]
    assert product.ask(unsigned).status_code == 401
    for algorithm in ALGORITHMS:
        forged = _hmac_token(public_pem(algorithm))
        assert product.ask(forged).status_code == 401
    for late in ({"exp": time.time() - 1}, {"nbf": time.time() + 60}, {"iat": time.time() + 60}):
        answer = product.ask(signed("ES256", {**claims(), **late}))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def _hmac_token(key: bytes) -> str:
    said = f"{encoded({'alg': 'HS256', 'kid': 'k'})}.{encoded(claims())}"
    return f"{said}.{encoded(hmac.new(key, said.encode(), hashlib.sha256).digest())}"


def test_a_new_key_is_known_as_soon_as_a_token_names_it(product: Product):
    token = signed("EdDSA", claims(), key_id="rotated")
    product.publish(*(jwk(algorithm) for algorithm in ALGORITHMS), jwk("EdDSA", "rotated"))
    deadline_s = time.monotonic() + WAIT_S

    # Whichever workers are asked: each looks again by itself, at most every few seconds.
    good = 0
    while good < 20:
        good = good + 1 if product.ask(token).status_code == 200 else 0
        product.client.close()
        product.client = httpx.Client(
            base_url=product.stack.base_url, timeout=WAIT_S, event_hooks=HOOKS
        )
        assert time.monotonic() < deadline_s


@asynccontextmanager
async def _on_each_worker(
    product: Product, path: str, token: str
) -> AsyncIterator[list[ClientConnection]]:
    """Connections, at least one with each worker, that have said hello."""
    made: list[ClientConnection] = []
    headers = {"Authorization": f"Bearer {token}"}
    try:
        while len(workers := Counter(map(product.worker_of, made))) < WORKERS:
            assert len(made) < 64, workers
            connection = await connect(
                product.stack.ws_url + path, additional_headers=headers, proxy=None
            )
            made.append(connection)
            await frame_of(connection, "hello")
        yield made
    finally:
        for connection in made:
            await connection.close()


async def _close_code(connection: ClientConnection) -> tuple[int | None, float]:
    """How it ends, and when."""
    with suppress(ConnectionClosed):
        while True:
            await within(connection.recv(), WAIT_S)
    return connection.close_code, time.time()


async def test_expiry_ends_connections_on_every_worker_in_time(product: Product):
    expires_at_s = time.time() + 6
    token = signed("ES256", {"sub": ANN, "exp": expires_at_s})
    async with _on_each_worker(product, f"/ws/{product.room()}", token) as connections:
        for code, at_s in await asyncio.gather(*map(_close_code, connections)):
            assert code == 4501
            assert expires_at_s <= at_s < expires_at_s + ENDS_WITHIN_S
    assert product.ask(token).status_code == 401


async def test_a_renewed_token_keeps_the_connection_and_nothing_else_does(product: Product):
    room, expires_at_s = product.room(), time.time() + 4
    token = product.stack.token(ANN, ttl_s=4)
    async with _on_each_worker(product, f"/ws/{room}", token) as connections:
        renewed, *others = connections
        for refused in (
            product.stack.token(BOB),
            product.stack.token(ANN, ttl_s=-1),
            "nonsense",
        ):
            await renewed.send(json.dumps({"type": "auth", "ref": "no", "token": refused}))
            assert (await frame_of(renewed, "error", ref="no"))["code"] in {
                "forbidden",
                "unauthenticated",
            }
        later = signed("EdDSA", claims())
        await renewed.send(json.dumps({"type": "auth", "ref": "yes", "token": later}))
        assert "expires_at" in await frame_of(renewed, "authenticated", ref="yes")
        for code, at_s in await asyncio.gather(*map(_close_code, others)):
            assert code == 4501
            assert at_s >= expires_at_s - 0.1
        await renewed.send(json.dumps({"type": "send", "ref": "s", "content": "still here"}))
        await frame_of(renewed, "ack", ref="s")


async def test_a_renewal_with_less_rights_ends_what_depended_on_them(product: Product):
    room = product.room()
    auditor = product.stack.token("aud@example.org", "auditor")
    url = f"{product.stack.ws_url}/ws"
    async with connect(
        url, additional_headers={"Authorization": f"Bearer {auditor}"}, proxy=None
    ) as connection:
        await connection.send(json.dumps({"type": "subscribe", "ref": "a", "room_id": room}))
        await frame_of(connection, "subscribed", ref="a")
        plain = product.stack.token("aud@example.org")
        await connection.send(json.dumps({"type": "auth", "token": plain}))
        assert (await frame_of(connection, "unsubscribed", room_id=room))["code"] == "forbidden"


async def test_the_end_of_a_membership_ends_connections_on_every_worker_in_time(
    product: Product,
):
    room, bob = product.room(), product.stack.token(BOB)
    async with (
        _on_each_worker(product, f"/ws/{room}", bob) as of_room,
        _on_each_worker(product, "/ws", bob) as of_many,
    ):
        for connection in of_many:
            await connection.send(json.dumps({"type": "subscribe", "ref": "a", "room_id": room}))
            await frame_of(connection, "subscribed", ref="a")
        ended_s = time.time()
        product.member(room, None)
        for code, at_s in await asyncio.gather(*map(_close_code, of_room)):
            assert code == 4503
            assert at_s - ended_s < ENDS_WITHIN_S
        for connection in of_many:
            told = await frame_of(connection, "unsubscribed", room_id=room)
            assert told["code"] == "forbidden"
        assert time.time() - ended_s < ENDS_WITHIN_S
        for connection in of_many:
            await connection.send(json.dumps({"type": "subscribe", "ref": "b", "room_id": room}))
            assert (await frame_of(connection, "error", ref="b"))["code"] == "forbidden"


async def test_who_becomes_an_observer_is_refused_on_every_worker_in_time(product: Product):
    room = product.room()
    async with _on_each_worker(product, f"/ws/{room}", product.stack.token(BOB)) as connections:
        product.member(room, "observer")
        changed_s = time.time()
        for connection in connections:
            refused = False
            while not refused:
                ref = secrets.token_hex(4)
                frame = {"type": "send", "ref": ref, "content": "may I?"}
                await connection.send(json.dumps(frame))
                answer: dict[str, Any] = {}
                while answer.get("ref") != ref:
                    text = await within(connection.recv(), WAIT_S)
                    assert isinstance(text, str)
                    frames = [json.loads(line) for line in text.split("\n")]
                    answer = next((f for f in frames if f.get("ref") == ref), {})
                refused = answer.get("code") == "forbidden"
                assert refused or time.time() - changed_s < ENDS_WITHIN_S, answer
        product.member(room, "responder")
        for connection in connections:
            await frame_of(connection, "event")
            assert connection.close_code is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        (PAGE, True),
        ("https://evil.example", False),
        (PAGE + ".evil.example", False),
        ("https://evil.example/" + PAGE, False),
        ("null", False),
        ("own", False),
    ],
)
async def test_only_pages_of_allowed_origins_connect_or_read_answers(
    product: Product, origin: str | None, *, allowed: bool
):
    token = product.stack.token(ANN)
    origin = product.stack.base_url if origin == "own" else origin
    headers = {"Authorization": f"Bearer {token}"}
    given: Any = origin
    async with connect(
        product.stack.ws_url + "/ws", additional_headers=headers, origin=given, proxy=None
    ) as connection:
        if allowed:
            await frame_of(connection, "hello")
        else:
            assert (await _close_code(connection))[0] == 4502
    if origin is None:
        return
    answer = product.client.get("/api/rooms", headers={**headers, "Origin": origin})
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert "access-control-allow-credentials" not in answer.headers
    preflight = product.client.options(
        "/api/rooms",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key,content-type",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert any(name.startswith("access-control-") for name in preflight.headers) == allowed


def _free_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_with_a_key_set_alone_not_even_the_development_key_is_taken(
    product: Product, tmp_path: Path
):
    port, data = _free_port(), product.stack.data
    environment = clean_environment(ROOMLOG_JWT_JWKS=product.keys.as_uri())
    development_key = secrets.token_hex(32)
    (data / "secrets" / "jwt_secret").write_text(development_key)  # of an earlier start
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "roomlog", "serve"), "--port", str(port), "--data", str(data)],
            stdout=output,
            stderr=output,
            env=environment,
            cwd=tmp_path,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        deadline_s = time.monotonic() + 60
        ready = None
        while ready is None or ready.status_code != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            with suppress(httpx.TransportError):
                ready = httpx.get(f"{base}/readyz", timeout=WAIT_S)
            time.sleep(0.05)
        assert ready.json()["parts"]["keys"]["ok"] is True

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.get(f"{base}/api/rooms", headers=headers, timeout=WAIT_S).status_code

        assert [status(signed(algorithm, claims())) for algorithm in ALGORITHMS] == [200] * 3
        assert status(jwt.encode(claims(), development_key, algorithm="HS256")) == 401
    finally:
        process.terminate()
        process.wait(WAIT_S)


@pytest.mark.parametrize(
    ("content", "ok", "told"),
    [
        (key_set(jwk("EdDSA"), jwk("RS256", "e", use="enc")), True, "1 keys can be used"),
        (key_set({"kty": "oct", "k": "AAAA"}), False, "holds no key that can be used"),
        (b"<html>", False, "is no JSON Web Key Set"),
        (key_set(private_jwk("ES256")), False, "is private"),
        (None, False, "can't be read: No such file"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_key_set(
    product: Product, tmp_path: Path, content: bytes | None, told: str, *, ok: bool
):
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_bytes(content)
    run = product.stack.run
    done = subprocess.run(
        [sys.executable, "-m", "roomlog", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=clean_environment(
            ROOMLOG_NATS_URL=run["nats_url"],
            ROOMLOG_DATABASE_URL=run["database_url"],
            ROOMLOG_JWT_JWKS=str(keys),
        ),
    )
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["settings"]["ok"]
    assert checks["keys"]["ok"] is ok
    assert told in checks["keys"]["detail"]
    assert bool(checks["keys"]["todo"]) is not ok

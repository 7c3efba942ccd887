"""The key set as it is now: read in a thread, once for all who wait, and kept where that fails."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from roomlog.services import signing_keys
from roomlog.services.jwks import KeySetError, parse_key_set
from roomlog.services.signing_keys import KEY_SET_BYTES_MAX, SigningKeys, key_source
from tests.services.key_material import SetClock, jwk, key_set

Answer = Callable[[BaseHTTPRequestHandler], None]


def _body(data: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@contextmanager
def _server(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()


def test_a_key_set_is_read_from_a_file_however_it_is_named(tmp_path: Path):
    file = tmp_path / "my keys.json"
    file.write_bytes(key_set(jwk("EdDSA")))

    for where in (str(file), file.as_uri()):
        assert len(parse_key_set(key_source(where)()).keys) == 1


def test_a_key_set_is_read_from_a_url():
    with _server(_body(key_set(jwk("ES256")))) as url:
        assert len(parse_key_set(key_source(url)()).keys) == 1


@pytest.mark.parametrize(
    "where", ["ftp://example.org/keys", "data://x", "http://", "file://example.org/keys"]
)
def test_a_place_that_is_neither_file_nor_url_is_refused(where: str):
    with pytest.raises(KeySetError, match="neither a file nor"):
        key_source(where)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_body(b"gone", 404), "answers 404"),
        (_body(b"", 302, Location="http://127.0.0.1:1/"), "answers 302"),
        (_body(b" " * (KEY_SET_BYTES_MAX + 1)), "larger than"),
        (_body(b"x", 200, **{"Content-Length": "7"}), "is no JSON Web Key Set"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "can't be fetched"),
        (_drip, "did not come within"),
        (lambda handler: time.sleep(1), "can't be fetched"),
    ],
)
def test_what_can_not_be_fetched_is_said(monkeypatch: pytest.MonkeyPatch, answer: Answer, why: str):
    monkeypatch.setattr(signing_keys, "TIMEOUT_S", 0.3)
    with _server(answer) as url, pytest.raises(KeySetError, match=why):
        parse_key_set(key_source(url)())


@pytest.mark.parametrize("where", ["http://127.0.0.1:1/", "/nowhere/keys.json", "/tmp", "a\0b"])
def test_what_is_not_there_is_said(where: str):
    with pytest.raises(KeySetError, match="can't be"):
        key_source(where)()


def test_a_file_that_is_too_large_is_refused(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_bytes(b" " * (KEY_SET_BYTES_MAX + 1))

    with pytest.raises(KeySetError, match="larger than"):
        key_source(str(file))()


class _Source:
    """A source that counts how often it is read, and may be held up or fail."""

    def __init__(self, *keys: object) -> None:
        self.data = key_set(*keys)
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self) -> bytes:
        self.reads += 1
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return self.data


async def test_an_unknown_key_id_has_the_set_read_again_but_not_too_often():
    source, clock = _Source(jwk("EdDSA", "old")), SetClock()
    keys = SigningKeys(source, clock, refresh_s=5)
    await keys.refresh()
    assert await keys.find("EdDSA", "old")

    source.data = key_set(jwk("EdDSA", "new"))
    assert await keys.find("EdDSA", "new")
    assert not await keys.find("EdDSA", "old")
    assert source.reads == 2

    source.data = key_set(jwk("EdDSA", "newer"))
    for _ in range(100):
        assert not await keys.find("EdDSA", "newer")
    assert source.reads == 2
    clock.seconds += 5
    assert await keys.find("EdDSA", "newer")
    assert source.reads == 3


async def test_whoever_waits_for_a_reading_waits_for_the_same_one_while_the_loop_goes_on():
    source, clock = _Source(jwk("ES256")), SetClock()
    keys = SigningKeys(source, clock)
    source.gate.clear()
    waiting = [asyncio.create_task(keys.find("ES256", "k")) for _ in range(50)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)

    waiting[0].cancel()
    source.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)

    assert source.reads == 1
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(not isinstance(one, BaseException) and len(one) == 1 for one in found[1:])


async def test_where_reading_fails_the_keys_that_there_are_stay(
    caplog: pytest.LogCaptureFixture,
):
    source, clock = _Source(jwk("RS256")), SetClock()
    keys = SigningKeys(source, clock, refresh_s=1)
    await keys.refresh()
    generation = keys.generation

    for error in (KeySetError("is away"), RuntimeError("a defect")):
        source.error = error
        clock.seconds += 1
        assert not await _found(keys, "other")
        assert await keys.find("RS256", "k")
    source.error, source.data = None, b"<html>"
    clock.seconds += 1
    assert not await keys.find("RS256", "other")

    assert await keys.find("RS256", "k")
    assert keys.loaded
    assert keys.generation == generation
    assert "is no JSON Web Key Set" in keys.problem
    assert "ROOMLOG_JWT_JWKS: the key set is away" in caplog.text


async def _found(keys: SigningKeys, key_id: str) -> bool:
    return bool(await keys.find("RS256", key_id))


async def test_a_reading_that_hangs_is_given_up_and_never_doubled():
    source, clock = _Source(jwk("EdDSA")), SetClock()
    source.gate.clear()
    keys = SigningKeys(source, clock, refresh_s=1, timeout_s=0.05)
    await keys.refresh()
    assert "did not come within" in keys.problem

    clock.seconds += 1
    assert not await keys.find("EdDSA", "k")
    assert "still hangs" in keys.problem
    assert source.reads == 1
    source.gate.set()


async def test_an_old_set_is_read_again_beside_the_work_so_that_withdrawn_keys_go():
    source, clock = _Source(jwk("EdDSA", "a"), jwk("EdDSA", "b")), SetClock()
    keys = SigningKeys(source, clock, age_s_max=300)
    await keys.refresh()
    source.data = key_set(jwk("EdDSA", "b"))
    clock.seconds += 300

    assert await keys.find("EdDSA", "a")
    await keys.refresh()

    assert source.reads == 2
    assert keys.generation == 2
    assert not await keys.find("EdDSA", "a")


async def test_while_no_key_is_known_reading_is_tried_again_now_and_then():
    source, clock = _Source(), SetClock()
    keys = SigningKeys(source, clock, refresh_s=5)
    await keys.refresh()
    assert not keys.loaded
    source.data = key_set(jwk("EdDSA"))

    keys.retry_missing()
    clock.seconds += 5
    keys.retry_missing()
    await keys.refresh()

    assert keys.loaded
    assert source.reads == 2

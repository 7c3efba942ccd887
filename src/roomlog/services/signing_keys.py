"""The key set that tokens are verified with, as it is now: read from a file or a URL, kept, and
read again when a token names a key that is not in it."""

import asyncio
import contextlib
import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roomlog.ports import Clock
from roomlog.services.jwks import KeySet, KeySetError, SigningKey, parse_key_set

KEY_SET_BYTES_MAX = 256 * 1024
TIMEOUT_S = 5.0
REFRESH_S = 5.0
AGE_S_MAX = 300.0
_CHUNK_BYTES = 16 * 1024

_logger = logging.getLogger(__name__)

Read = Callable[[], bytes]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where the settings say and from nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Let the redirect stand as the answer that it is."""


def key_source(where: str) -> Read:
    """A blocking function that reads the key set at `where`: a file, or an http(s) URL.

    It raises KeySetError where nothing usable can be read, within about TIMEOUT_S.
    Raises KeySetError itself where `where` is neither.
    """
    parts = urlsplit(where)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return lambda: _read_url(where)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return lambda: _read_file(Path(url2pathname(parts.path)))
    if "://" in where:
        raise KeySetError("is neither a file nor an http or https URL")
    return lambda: _read_file(Path(where))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(KEY_SET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise KeySetError(f"can't be read: {getattr(error, 'strerror', error)}") from error
    return _bounded(data)


def _read_url(url: str) -> bytes:
    deadline_s = time.monotonic() + TIMEOUT_S
    opener = urllib.request.build_opener(_NoRedirects())
    request = urllib.request.Request(  # noqa: S310 - `key_source` lets no other scheme in
        url, headers={"Accept": "application/jwk-set+json, application/json"}
    )
    data = bytearray()
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            while chunk := response.read1(_CHUNK_BYTES):
                data += chunk
                _bounded(data)
                if time.monotonic() > deadline_s:
                    raise KeySetError(f"did not come within {TIMEOUT_S:g} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise KeySetError(f"is not there: the server answers {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise KeySetError(f"can't be fetched: {reason}") from error
    return bytes(data)


def _bounded(data: bytes | bytearray) -> bytes:
    if len(data) > KEY_SET_BYTES_MAX:
        raise KeySetError(f"is larger than {KEY_SET_BYTES_MAX} bytes")
    return bytes(data)


class SigningKeys:
    """The current key set. Used on the event loop, which it never blocks: `read` runs in a
    thread, one at a time, whoever waits for it waits for the same one.

    A token that names an unknown key has the set read again, at most every `refresh_s` seconds;
    a set older than `age_s_max` seconds is read again beside the work, so that withdrawn keys
    go. Where reading fails, the keys that there are stay.
    """

    def __init__(
        self,
        read: Read,
        clock: Clock,
        *,
        refresh_s: float = REFRESH_S,
        age_s_max: float = AGE_S_MAX,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._read = read
        self._clock = clock
        self._refresh_s = refresh_s
        self._age_s_max = age_s_max
        self._timeout_s = timeout_s
        self._set = KeySet()
        self._tried_at_s: float | None = None
        self._asked_at_s: float | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._reading = False
        self.problem = ""
        self.generation = 0

    @property
    def loaded(self) -> bool:
        """Whether any key is known. `problem` says what was wrong with the last reading."""
        return bool(self._set.keys)

    async def refresh(self) -> None:
        """Read the set now, or wait for the reading that is under way. Never raises; a change
        moves `generation`."""
        await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._load())
            self._refreshing.add_done_callback(self._refreshed)
        return self._refreshing

    def _refreshed(self, _: "asyncio.Task[None]") -> None:
        self._refreshing = None

    async def find(self, algorithm: str, key_id: str | None) -> Sequence[SigningKey]:
        """The keys that a token of this algorithm and key id may be signed with; none where it
        names a key that is unknown also after asking the source again."""
        found = self._set.candidates(algorithm, key_id)
        now_s = self._clock.now().timestamp()
        if found:
            if _passed(self._tried_at_s, now_s, self._age_s_max):
                self._begin()
            return found
        if self._refreshing is None:
            if not _passed(self._asked_at_s, now_s, self._refresh_s):
                return ()
            if self._tried_at_s is not None:
                self._asked_at_s = now_s
        await self.refresh()
        return self._set.candidates(algorithm, key_id)

    def retry_missing(self) -> None:
        """Begin another try, beside the work, while no key is known; at most every `refresh_s`."""
        now_s = self._clock.now().timestamp()
        if not self.loaded and _passed(self._tried_at_s, now_s, self._refresh_s):
            self._begin()

    async def _load(self) -> None:
        self._tried_at_s = self._clock.now().timestamp()
        try:
            found = parse_key_set(await self._read_beside())
        except KeySetError as error:
            self._complain(f"the key set {error}")
            return
        self._complain("; ".join(found.faults))
        if _fingerprint(found) != _fingerprint(self._set):
            self._set = found
            self.generation += 1
            for reason in found.unused:
                _logger.info("ROOMLOG_JWT_JWKS: %s", reason)
            _logger.info("tokens are verified with %d keys of the key set", len(found.keys))

    def _complain(self, problem: str) -> None:
        if problem and problem != self.problem:
            _logger.warning("ROOMLOG_JWT_JWKS: %s", problem)
        self.problem = problem

    async def _read_beside(self) -> bytes:
        # A daemon thread of its own: one that hangs in a name lookup holds nobody's exit up.
        if self._reading:
            raise KeySetError("can't be fetched: an earlier try still hangs")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[bytes] = loop.create_future()

        def settle(data: bytes, error: Exception | None) -> None:
            self._reading = False
            if outcome.done():
                return
            if error is None:
                outcome.set_result(data)
            else:
                outcome.set_exception(error)

        def work() -> None:
            data, failure = b"", None
            try:
                data = self._read()
            except KeySetError as error:
                failure = error
            except Exception as error:
                _logger.exception("the key set could not be read")
                failure = KeySetError(f"can't be read: {type(error).__name__}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, data, failure)

        self._reading = True
        threading.Thread(target=work, name="key set", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await outcome
        except TimeoutError as error:
            raise KeySetError(f"did not come within {self._timeout_s:g} s") from error


def _passed(since_s: float | None, now_s: float, wait_s: float) -> bool:
    # Also when the clock was set back.
    return since_s is None or abs(now_s - since_s) >= wait_s


def _fingerprint(found: KeySet) -> list[tuple[str | None, bytes]]:
    return [
        (key.key_id, key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        for key in found.keys
    ]

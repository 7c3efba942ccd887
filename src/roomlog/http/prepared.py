"""Answers whose bytes are there already, sent ahead of what the framework does for an answer."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from litestar.types import Send

Headers = Iterable[tuple[str, str]]


class Prepared(NamedTuple):
    """An answer, whole."""

    status: int
    media_type: str
    body: bytes
    headers: Headers = ()


async def send_prepared(answer: Prepared, send: Send) -> None:
    """Send it: its type, its length and its own headers, then its body."""
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *((name.lower().encode(), value.encode()) for name, value in answer.headers),
        ],
    }
    await send(cast("Any", start))
    body: dict[str, Any] = {"type": "http.response.body", "body": answer.body, "more_body": False}
    await send(cast("Any", body))

"""`python -m bench.newest_page`: the newest 50 messages of a room of 100,000, over 8 connections;
beside Litestar with a fixed body of that size, and beside the bare query on one connection."""

import asyncio
import time
from pathlib import Path

import asyncpg
import click
import uvicorn
import uvloop
from litestar import Litestar, MediaType, get

from bench.bare_nats import percentiles_ms
from bench.filled_room import filled_room
from bench.measured import Measured, json_option, tell
from bench.served import served
from roomlog.postgres.connection import server_settings
from roomlog.postgres.queries import query
from tests.stack import Stack, running_stack

CONNECTIONS, PAGE = 8, 50
USER = "bench0@example.org"


async def _ask(
    host: str, port: int, path: str, token: str, end_s: float
) -> tuple[list[float], int]:
    """Ask again and again over one connection; times in ms and the size of the last body."""
    reader, writer = await asyncio.open_connection(host, port)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    times_ms: list[float] = []
    size_bytes = 0
    while (began_s := time.monotonic()) < end_s:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lowered = head.lower()
        start = lowered.index(b"content-length: ") + 16
        size_bytes = int(lowered[start : lowered.index(b"\r", start)])
        await reader.readexactly(size_bytes)
        times_ms.append((time.monotonic() - began_s) * 1000)
    writer.close()
    return times_ms, size_bytes


async def _load(
    host: str, port: int, path: str, token: str, seconds: float
) -> tuple[float, dict[str, float], int]:
    began_s = time.monotonic()
    asked = await asyncio.gather(
        *(_ask(host, port, path, token, began_s + seconds) for _ in range(CONNECTIONS))
    )
    took_s = time.monotonic() - began_s
    times = [ms for one, _ in asked for ms in one]
    return len(times) / took_s, percentiles_ms(times), asked[0][1]


def _fixed(size_bytes: int, seconds: float) -> float:
    with served("bench.newest_page", lambda port: ["--fixed", str(port)]) as server:
        path = f"/?size={size_bytes}"
        return uvloop.run(_load("127.0.0.1", server.port, path, "none", seconds))[0]


def serve_fixed(port: int) -> None:
    """Litestar with a fixed body, `size` bytes long."""
    bodies: dict[int, bytes] = {}

    @get("/", media_type=MediaType.JSON)
    async def fixed(size: int) -> bytes:
        return bodies.setdefault(size, b'"' + b"x" * (size - 2) + b'"')

    config = uvicorn.Config(
        Litestar([fixed], openapi_config=None, logging_config=None),
        port=port,
        log_level="error",
        access_log=False,
        http="httptools",
    )
    uvloop.run(uvicorn.Server(config).serve())


async def _bare_query(url: str, room_id: str, seconds: float) -> float:
    connection = await asyncpg.connect(url, server_settings=server_settings())
    statement = await connection.prepare(query("messages_before"))
    began_s = time.monotonic()
    count = 0
    while time.monotonic() - began_s < seconds:
        rows = await statement.fetch(room_id, 2**63 - 1, -1, None, None, None, PAGE)
        assert len(rows) == PAGE
        count += 1
    rate = count / (time.monotonic() - began_s)
    await connection.close()
    return rate


def measure(stack: Stack, messages: int, seconds: float) -> list[Measured]:
    """The page's rate, with both bare limits."""
    room_id, _ = filled_room(stack, messages, members=[USER])
    host, port = stack.base_url.removeprefix("http://").split(":")
    path = f"/api/rooms/{room_id}/messages?limit={PAGE}"
    rate, times, size_bytes = uvloop.run(_load(host, int(port), path, stack.token(USER), seconds))
    fixed = _fixed(size_bytes, seconds / 2)
    bare = asyncio.run(_bare_query(stack.run["database_url"], room_id, seconds / 2))
    told = {"messages": messages, "times, ms": times, "bytes a page": size_bytes}
    return [
        Measured(
            "newest 50 of a large room", rate, "/s", fixed, "Litestar, fixed body", details=told
        ),
        Measured("same", rate, "/s", bare, "the query, 1 connection"),
    ]


@click.command()
@click.option("--messages", default=100_000, show_default=True, help="Of the room.")
@click.option("--seconds", default=6.0, show_default=True)
@json_option
@click.option("--fixed", type=int, hidden=True)
def main(*, messages: int, seconds: float, json_file: Path | None, fixed: int | None) -> None:
    """Measure the newest page of a large room."""
    if fixed is not None:
        serve_fixed(fixed)
        return
    with running_stack() as stack:
        tell(measure(stack, messages, seconds), json_file)


if __name__ == "__main__":
    main()

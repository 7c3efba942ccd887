"""`python -m bench.sends`: messages a second over WebSocket in one room, each sender waiting for
its ack, everybody receiving everything; beside plain JetStream publishes on the same server."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import httpx

from bench.bare_nats import publishes_per_second
from bench.measured import Measured, json_option, tell
from bench.rooms_under_load import NO_LIMITS
from tests.stack import Stack, running_stack

_CONTENT = "Connections to the database are at 400, and the pool never gives them back. " * 2
_ENVELOPE_BYTES = 420


def _room(stack: Stack, users: list[str]) -> str:
    members = [{"user_id": user, "role": "responder"} for user in users]
    answer = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers=stack.headers("bench@example.org"),
        json={"name": "bench", "members": members},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["room_id"]


def _sends(stack: Stack, senders: int, seconds: float) -> dict[str, Any]:
    users = [f"bench{n}@example.org" for n in range(senders)]
    room = _room(stack, users)
    urls = [f"{stack.ws_url}/ws/{room}?token={stack.token(user)}" for user in users]
    task = {"urls": urls, "content": _CONTENT, "seconds": seconds}
    done = subprocess.run(
        [sys.executable, "-m", "bench.websocket_senders"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + 120,
    )
    return json.loads(done.stdout)


def _bare(stack: Stack, senders: int, seconds: float) -> dict[str, float]:
    return asyncio.run(
        publishes_per_second(
            stack.run["nats_url"],
            senders=senders,
            size_bytes=len(_CONTENT) + _ENVELOPE_BYTES,
            seconds=seconds,
        )
    )


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="Length of each run.")
@click.option("--senders", multiple=True, type=int, default=(1, 10, 50), show_default=True)
@json_option
def main(*, seconds: float, senders: tuple[int, ...], json_file: Path | None) -> None:
    """Measure sends over WebSocket."""
    found: list[Measured] = []
    with running_stack(**NO_LIMITS) as stack:
        for count in senders:
            # Half of it before and half after: whatever else the machine does hits both alike.
            before = _bare(stack, count, seconds / 2)
            sends = _sends(stack, count, seconds)
            after = _bare(stack, count, seconds / 2)
            bare = {name: (before[name] + after[name]) / 2 for name in before}
            found.append(_found(count, sends, bare))
    tell(found, json_file)


def _found(senders: int, sends: dict[str, Any], bare: dict[str, float]) -> Measured:
    assert sends["deliveries_missing"] == sends["errors"] == 0, sends
    return Measured(
        f"{senders} senders who all receive: sends",
        sends["per_second"],
        "/s",
        bare["per_second"],
        "JetStream, as many publishes at once",
        details={
            "acks": {name: sends[name] for name in ("p50_ms", "p99_ms")},
            "JetStream's acks": {name: bare[name] for name in ("p50_ms", "p99_ms")},
            "deliveries a second": sends["deliveries_per_second"],
        },
    )


if __name__ == "__main__":
    main()

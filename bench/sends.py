"""`python -m bench.sends`: messages a second over WebSocket in one room, each sender waiting for
its ack, everybody receiving everything; beside plain JetStream publishes on the same server."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import click
import httpx

from bench.bare_nats import publishes_per_second
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
@click.option("--json", "as_json", is_flag=True)
def main(*, seconds: float, senders: tuple[int, ...], as_json: bool) -> None:
    """Measure sends over WebSocket."""
    results: list[dict[str, Any]] = []
    with running_stack(
        USER_MESSAGES_PER_SECOND="0",
        ROOM_MESSAGES_PER_SECOND="0",
        CONNECTS_PER_MINUTE="0",
        SPAM_GUARD="off",
    ) as stack:
        for count in senders:
            # Half of it before and half after: whatever else the machine does hits both alike.
            before = _bare(stack, count, seconds / 2)
            sends = _sends(stack, count, seconds)
            after = _bare(stack, count, seconds / 2)
            bare = {name: (before[name] + after[name]) / 2 for name in before}
            result = {"senders": count, "sends": sends, "bare": bare}
            results.append(result)
            if not as_json:
                print(_in_words(result), flush=True)
    if as_json:
        print(json.dumps(results))


def _in_words(result: dict[str, Any]) -> str:
    sends, bare = result["sends"], result["bare"]
    return (
        f"{result['senders']:3} senders: {sends['per_second']:7,.0f} sends/s "
        f"(ack p50 {sends['p50_ms']:.1f} ms, p99 {sends['p99_ms']:.1f} ms), "
        f"{sends['deliveries_per_second']:,.0f} deliveries/s, "
        f"{sends['deliveries_missing']} missing, {sends['errors']} errors; "
        f"bare JetStream {bare['per_second']:,.0f}/s "
        f"(p50 {bare['p50_ms']:.1f} ms, p99 {bare['p99_ms']:.1f} ms), "
        f"ratio {sends['per_second'] / bare['per_second']:.2f}"
        + (f"; first error: {sends['first_error']}" if sends["first_error"] else "")
    )


if __name__ == "__main__":
    main()

"""`python -m bench.reconnect_storm`: a thousand connections of as many users in one room are
dropped at once and come back at once, resuming, while a few senders go on at a steady rate: how
long their acks and deliveries take before, during and after; how long until all are live again;
whether anybody missed anything. Beside it the same on plain uvicorn, which keeps nothing."""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import click
import httpx

from bench.bare_nats import percentiles_ms
from bench.measured import Measured, json_option, tell
from roomlog.core.presence import GRACE_S
from tests.stack import Stack, running_stack

_COMMANDER = "bench@example.org"
_MEMBERS_AT_ONCE = 20
_PLAIN_ROOM = "00000000-0000-0000-0000-000000000000"
_LINE_BYTES_MAX = 1 << 20
_ANSWER_TIMEOUT_S = 180.0
_SETTLE_S = 2.0
_TYPING_SETTLES_S = 5.0


class _Process:
    """A process that answers lines of JSON with such lines, or ends with its standard input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, **asked: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return await self.told()

    async def told(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            return json.loads(await self._process.stdout.readline())

    async def line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def finish(self) -> None:
        """End its standard input, and wait until it is done."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await self._process.wait()


@contextlib.asynccontextmanager
async def _folder() -> AsyncGenerator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextlib.asynccontextmanager
async def _process(module: str) -> AsyncGenerator[_Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
    )
    try:
        yield _Process(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _room(stack: Stack, users: Sequence[str]) -> str:
    gate = asyncio.Semaphore(_MEMBERS_AT_ONCE)
    async with httpx.AsyncClient(
        base_url=stack.base_url, headers=stack.headers(_COMMANDER), timeout=60
    ) as client:
        made = await client.post("/api/rooms", json={"name": "storm"})
        made.raise_for_status()
        room = made.json()["room_id"]

        async def add(user: str) -> None:
            async with gate:
                put = await client.put(
                    f"/api/rooms/{room}/members/{user}", json={"role": "responder"}
                )
            put.raise_for_status()

        await asyncio.gather(*(add(user) for user in users))
    return room


async def _storms(
    sender_urls: Sequence[str],
    crowd_urls: Sequence[str],
    *,
    per_second: float,
    storms: int,
    away_s: float,
    calm_s: float,
    typing: bool,
) -> dict[str, Any]:
    run = {"storms": []}
    async with (
        _process("bench.storm_senders") as senders,
        _process("bench.storm_crowd") as crowd,
        _folder() as folder,
    ):
        report = folder / "senders.json"
        run["first"] = await crowd.ask(do="connect", urls=list(crowd_urls))
        await senders.ask(urls=list(sender_urls), per_second=per_second, report=str(report))
        # What the first arrival stirred up is no part of the calm before.
        await asyncio.sleep(_SETTLE_S + calm_s)
        for _ in range(storms):
            run["storms"].append(await crowd.ask(do="storm", away_s=away_s))
            await asyncio.sleep(calm_s)
        if typing:
            run["typing_s"] = (await crowd.ask(do="type"))["begun_s"]
            await asyncio.sleep(_TYPING_SETTLES_S)
        await senders.finish()
        run["senders"] = json.loads(report.read_text())
        run["crowd"] = await crowd.ask(do="check", head=run["senders"]["head"])
    return run


def _phases(run: dict[str, Any], calm_s: float) -> dict[str, Any]:
    """Latencies by when a message was sent: in the calm before the first storm, during all
    storms (from the drop to the last one being live), in the calms after them."""
    storms = [(one["dropped_s"], max(one["live_s"])) for one in run["storms"]]
    spans = {
        "before": [(storms[0][0] - calm_s, storms[0][0])],
        "during": storms,
        "after": [(live_s, live_s + calm_s - 0.1) for _, live_s in storms],
    }
    told: dict[str, Any] = {}
    for phase, during in spans.items():
        told[phase] = {"messages": 0}
        for name, kind in (("ack", "acks"), ("receive", "receipts")):
            values = [
                took_ms
                for sent_s, took_ms in run["senders"][kind]
                if any(begin_s <= sent_s < end_s for begin_s, end_s in during)
            ]
            told[phase][name] = {**percentiles_ms(values), "max_ms": max(values, default=0.0)}
            told[phase]["messages"] = max(told[phase]["messages"], len(values) * (kind == "acks"))
    return told


def _result(run: dict[str, Any], connections: int, calm_s: float) -> dict[str, Any]:
    senders, crowd = run["senders"], run["crowd"]
    back_s = [max(one["live_s"]) - one["begun_s"] for one in run["storms"]]
    dropped_s = run["storms"][0]["dropped_s"]
    quiet_s = run["storms"][-1]["begun_s"] + calm_s + GRACE_S
    typing_s = run.get("typing_s")
    return {
        "connections": connections,
        "first_arrival_s": max(run["first"]["live_s"]) - run["first"]["begun_s"],
        "all_live_again_s": statistics.median(back_s),
        "all_live_again_max_s": max(back_s),
        "connections_per_second": connections / statistics.median(back_s),
        **_phases(run, calm_s),
        "presence_frames_in_storms": sum(
            dropped_s <= at_s < quiet_s for at_s in senders["presence"]
        ),
        "typing_frames": (
            None if typing_s is None else sum(at_s >= typing_s for at_s in senders["typing"])
        ),
        "sent": senders["sent"],
        "unacked": senders["sent"] - len(senders["acks"]),
        "errors": senders["errors"][:3],
        "delivered": crowd["events"],
        "chains_broken": crowd["broken"] + senders["broken"],
        "connections_incomplete": crowd["incomplete"] + senders["lost"],
        "seen": {name: n for name, n in crowd["seen"].items() if name != "presence"},
    }


async def storms_on(
    stack: Stack, *, connections: int, senders: int, typing: bool, **how: Any
) -> dict[str, Any]:
    """Storms in a new room of the stack; `how` as in `_storms`."""
    crowd = [f"crowd{n}@example.org" for n in range(connections)]
    sending = [f"sender{n}@example.org" for n in range(senders)]
    room = await _room(stack, [*crowd, *sending])
    place = f"{stack.ws_url}/ws/{room}?token="
    run = await _storms(
        [place + stack.token(user) for user in sending],
        [place + stack.token(user) for user in crowd],
        typing=typing,
        **how,
    )
    return _result(run, connections, how["calm_s"])


async def _plain(*, connections: int, senders: int, **how: Any) -> dict[str, Any]:
    async with _process("bench.plain_websockets") as server:
        place = f"{await server.line()}/ws/{_PLAIN_ROOM}?token=none"
        run = await _storms([place] * senders, [place] * connections, typing=False, **how)
        return _result(run, connections, how["calm_s"])


@click.command()
@click.option("--connections", default=1000, show_default=True)
@click.option("--senders", default=4, show_default=True)
@click.option("--per-second", default=5.0, show_default=True, help="Messages of each sender.")
@click.option("--storms", default=5, show_default=True)
@click.option("--away", "away_s", default=1.0, show_default=True, help="Seconds until they return.")
@click.option("--calm", "calm_s", default=8.0, show_default=True, help="Seconds between storms.")
@click.option("--workers", multiple=True, type=int, default=(1, 2), show_default=True)
@json_option
def main(
    *, connections: int, senders: int, workers: tuple[int, ...], json_file: Path | None, **how: Any
) -> None:
    """Measure what a reconnect storm does to those who send."""
    found: list[Measured] = []
    for number in workers:
        with running_stack(["--workers", str(number)]) as stack:
            ours = asyncio.run(
                storms_on(stack, connections=connections, senders=senders, typing=True, **how)
            )
        plain = asyncio.run(_plain(connections=connections, senders=senders, **how))
        found += _found(number, ours, plain)
    tell(found, json_file)


def _found(workers: int, ours: dict[str, Any], plain: dict[str, Any]) -> list[Measured]:
    assert ours["errors"] == [], ours
    assert ours["chains_broken"] + ours["connections_incomplete"] + ours["unacked"] == 0, ours
    name = f"{ours['connections']} dropped at once, {workers} workers"
    found = [
        Measured(
            f"{name}: live again",
            ours["all_live_again_s"],
            "s",
            plain["all_live_again_s"],
            "uvicorn, which keeps nothing",
            more_is_better=False,
            details={
                "at most, s": ours["all_live_again_max_s"],
                "connections a second": ours["connections_per_second"],
                "connections a second, uvicorn": plain["connections_per_second"],
                "sent": ours["sent"],
                "delivered to the crowd": ours["delivered"],
                "presence frames in the storms": ours["presence_frames_in_storms"],
                "typing frames when all typed": ours["typing_frames"],
                "also seen": ours["seen"],
            },
        )
    ]
    for kind in ("ack", "receive"):
        phases = ("before", "during", "after")
        details = {f"{phase} the storms": ours[phase][kind] for phase in phases}
        details |= {f"{phase}, uvicorn": plain[phase][kind] for phase in phases}
        found.append(
            Measured(
                f"{name}: send to {kind} meanwhile, p99",
                ours["during"][kind]["p99_ms"],
                "ms",
                plain["during"][kind]["p99_ms"],
                "uvicorn, which keeps nothing",
                more_is_better=False,
                details=details,
            )
        )
    return found


if __name__ == "__main__":
    main()

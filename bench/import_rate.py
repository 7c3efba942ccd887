"""`python -m bench.import_rate [FILE]`: `roomlog import`, beside plain JetStream atomic batches
of the same bytes on the same server."""

import asyncio
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from bench.bare_nats import batches_per_second
from bench.measured import Measured, json_option, tell
from roomlog.jetstream.log import JetStreamLog
from tests.stack import Stack, running_stack

_BATCH = 256
_MESSAGES = 30_000
_CLI_TIMEOUT_S = 600


def _made_up_chat(folder: Path) -> Path:
    path = folder / "chat.jsonl.gz"
    with gzip.open(path, "wt") as out:
        for n in range(_MESSAGES):
            line = {
                "room": f"ops-{n * 20 // _MESSAGES}",
                "at": f"2017-03-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z",
                "kind": "message",
                "sender": f"user{n % 97}",
                "text": f"{n}: the pool never gives its connections back, as far as I can see",
            }
            out.write(json.dumps(line) + "\n")
    return path


async def _stored(nats_url: str) -> list[bytes]:
    log = await JetStreamLog.connect(nats_url)
    try:
        return [event.data async for batch in log.read_partition(0, after=0) for event in batch]
    finally:
        await log.close()


async def _bare(stack: Stack, repeats: int) -> list[float]:
    events = await _stored(stack.run["nats_url"])
    return [await batches_per_second(stack, events, batch=_BATCH) for _ in range(repeats)]


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--repeats", default=2, show_default=True, help="Runs of the bare limit.")
@json_option
def main(*, file: Path | None, repeats: int, json_file: Path | None) -> None:
    """Measure the import of FILE (or of made-up chat)."""
    with tempfile.TemporaryDirectory() as folder, running_stack() as stack:
        chat = file or _made_up_chat(Path(folder))
        first = _import(stack, chat)
        again = _import(stack, chat)
        bare = max(asyncio.run(_bare(stack, repeats)))
    found = Measured(
        "import",
        first["events_per_second"],
        "events/s",
        bare,
        f"JetStream, atomic batches of {_BATCH} of the same bytes",
        details={"the first time": _told(first), "again": _told(again)},
    )
    tell([found], json_file)


def _told(done: dict[str, Any]) -> dict[str, Any]:
    return {"events added": done["events_added"], "seconds": done["seconds"]}


def _import(stack: Stack, chat: Path) -> dict[str, Any]:
    done = stack.cli("import", str(chat), "--json", timeout_s=_CLI_TIMEOUT_S)
    if done.returncode:
        raise click.ClickException(done.stderr)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()

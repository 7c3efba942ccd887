"""The whole of it: `up`, real chat brought in, read back to the byte, tables thrown away and made
again from the log."""

import asyncio
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from roomlog.core.content import clean_text
from roomlog.services.identity import named_room_id
from tests.faults.load import logged_events
from tests.stack import Stack, running_stack

_CHAT = Path(__file__).parents[3] / "shared" / "data" / "irc-ubuntu.jsonl.gz"
_READER = "import@roomlog"
_TIMEOUT_S = 300


@pytest.mark.skipif(not _CHAT.exists(), reason=f"there is no {_CHAT.name} beside this checkout")
@pytest.mark.timeout(600)
async def test_real_chat_goes_in_and_comes_out_verbatim_and_the_tables_follow() -> None:
    with gzip.open(_CHAT) as file:
        said = [json.loads(line) for line in file]
    rooms: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in said:
        rooms[line["room"]].append(line)
    with running_stack() as stack:
        first = await _cli(stack, "import", str(_CHAT), "--json")
        assert json.loads(first)["messages"] == len(said)
        assert json.loads(first)["events_added"] > len(said)
        again = json.loads(await _cli(stack, "import", str(_CHAT), "--json"))
        assert (again["events_added"], again["already_there"]) == (0, len(said))
        for name, lines in rooms.items():
            events = await asyncio.to_thread(logged_events, stack, named_room_id(name), _READER)
            sent = [e for e in events if e["event"]["type"] == "message.sent"]
            # Two lines hold a backspace, which is no text that anybody could have read.
            assert [e["event"]["content"] for e in sent] == [clean_text(e["text"]) for e in lines]
            assert [e["event"]["actor"] for e in sent] == [e["sender"] for e in lines]
            assert [e["at"] for e in sent] == [e["at"].replace("Z", ".000Z") for e in lines]
            assert await _replayed(stack, named_room_id(name)) == events
        await _cli(stack, "projections", "verify")
        await _cli(stack, "projections", "rebuild")
        await _cli(stack, "projections", "verify")


async def _cli(stack: Stack, *arguments: str) -> str:
    done = await asyncio.to_thread(stack.cli, *arguments, timeout_s=_TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def _replayed(stack: Stack, room: str) -> list[dict[str, Any]]:
    """What a WebSocket client gets who asks for everything after 0, up to `live`."""
    url = f"{stack.ws_url}/ws/{room}?after=0"
    events: list[dict[str, Any]] = []
    async with connect(
        url, additional_headers=stack.headers(_READER), compression=None, max_size=None
    ) as socket:
        async with asyncio.timeout(_TIMEOUT_S):
            async for text in socket:
                for frame in map(json.loads, str(text).split("\n")):
                    if frame["type"] == "live":
                        return events
                    if frame["type"] == "event":
                        events.append({k: v for k, v in frame.items() if k != "type"})
    raise AssertionError(f"the connection ended before `live`: {socket.close_code}")

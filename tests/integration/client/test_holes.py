"""An event that gets lost on the way to a room that is quiet afterwards: nothing tells of the hole
but the next heartbeat."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from roomlog_client import RoomlogClient, State
from tests.integration.client.conftest import HEARTBEAT_S
from tests.integration.client.following import ADA, BOB, check_whole, create_room, following, until
from tests.stack import Stack

# A heartbeat, and what a busy machine takes to replay one event.
_NOTICED_WITHIN_S = HEARTBEAT_S + 5.0
Lost = Callable[[str], bool]


@asynccontextmanager
async def losing(stack: Stack, is_lost: Lost) -> AsyncIterator[str]:
    """The address of a relay before the server's WebSocket that swallows these lines of it."""

    async def relay(client: ServerConnection) -> None:
        assert client.request is not None
        headers = {"Authorization": client.request.headers["Authorization"]}
        async with connect(
            stack.ws_url + client.request.path, additional_headers=headers, ping_interval=None
        ) as server:
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass(client, server, lambda _: False))
                    both.create_task(_pass(server, client, is_lost))
            except* ConnectionClosed:
                pass

    async with serve(relay, "127.0.0.1", 0, ping_interval=None) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def _pass(source: Connection, target: Connection, is_lost: Lost) -> None:
    while True:
        text = str(await source.recv())
        kept = [line for line in text.split("\n") if not is_lost(line)]
        if kept:
            await target.send("\n".join(kept))


def _losing_once(content: str, lost: list[float]) -> Lost:
    """Swallow the first event that says this; `lost` gets the time."""

    def is_lost(line: str) -> bool:
        frame = json.loads(line)
        if lost or frame["type"] != "event" or frame["event"].get("content") != content:
            return False
        lost.append(time.monotonic())
        return True

    return is_lost


async def test_an_event_lost_in_a_quiet_room_is_there_within_one_heartbeat(restless: Stack):
    lost: list[float] = []
    async with (
        RoomlogClient(restless.base_url, token=restless.token(ADA)) as ada,
        losing(restless, _losing_once("the last word", lost)) as url,
        RoomlogClient(url, token=restless.token(BOB)) as bob,
        following(bob, await create_room(ada)) as (followed,),
    ):
        there = await ada.room(followed.room.room_id)
        await there.send("the first word")
        sent = await there.send("the last word")

        await until(lambda: bool(lost), "the event is swallowed")
        await until(lambda: followed.room.position == sent.sequence, "the hole is noticed")

        assert time.monotonic() - lost[0] < _NOTICED_WITHIN_S
        assert bob.state is State.LIVE
        await check_whole(restless, followed)


async def test_an_event_lost_in_a_lively_room_is_there_before_the_next(restless: Stack):
    lost: list[float] = []
    async with (
        RoomlogClient(restless.base_url, token=restless.token(ADA)) as ada,
        losing(restless, _losing_once("in the middle", lost)) as url,
        RoomlogClient(url, token=restless.token(BOB)) as bob,
        following(bob, await create_room(ada)) as (followed,),
    ):
        there = await ada.room(followed.room.room_id)
        for content in ("first", "in the middle", "last"):
            await there.send(content)
        await check_whole(restless, followed)
        assert len(lost) == 1

"""`python -m bench.baseline`: roomlog beside what a good team writes by hand in a day: Litestar,
PostgreSQL with a commit before each ack, and an in-process broadcast. Same load, same machine, one
run: 50 senders in a room of 100, then 100 rooms of 5.

As a program it serves: `python -m bench.baseline --serve PORT URL SECRET`.
"""

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import click
import jwt
import uvicorn
import uvloop
from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.rooms_under_load import SETTINGS, check, connects, make_rooms, run_load, users
from bench.running_load import running_load
from bench.served import served
from tests.stack import Stack, running_stack

_POOL = 10
_SCHEMA = """
CREATE SCHEMA baseline;
CREATE TABLE baseline.messages (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE,
    room_id uuid NOT NULL,
    sender_id text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON baseline.messages (room_id, sequence);
"""
_INSERT = """
INSERT INTO baseline.messages (message_id, room_id, sender_id, content) VALUES ($1, $2, $3, $4)
ON CONFLICT (message_id) DO UPDATE SET message_id = excluded.message_id RETURNING sequence
"""
_SHAPES = (("1 room x 100, 50 senders", 1, 100, 50), ("100 rooms x 5, 1 sender each", 100, 5, 1))


def serve(port: int, database_url: str, secret: str) -> None:
    """Serve the hand-written room."""
    rooms: dict[str, set[Any]] = {}
    last: dict[str, int] = {}
    pool: asyncpg.Pool

    async def open_pool(_: Litestar) -> None:
        nonlocal pool
        pool = await asyncpg.create_pool(database_url, min_size=_POOL, max_size=_POOL)

    @websocket("/ws/{room_id:str}")
    async def room(socket: WebSocket[Any, Any, Any], room_id: FromPath[str]) -> None:
        claims = jwt.decode(socket.query_params["token"], secret, algorithms=["HS256"])
        await socket.accept()
        await socket.send_text('{"type":"subscribed","resumed":false}')
        members = rooms.setdefault(room_id, set())
        members.add(socket)
        try:
            while True:
                said = json.loads(await socket.receive_text())
                message_id, content = said["idempotency_key"], said["content"]
                sequence = await pool.fetchval(_INSERT, message_id, room_id, claims["sub"], content)
                event = {
                    "type": "event",
                    "sequence": sequence,
                    "prev_sequence": last.get(room_id, 0),
                    "room_id": room_id,
                    "event": {
                        "type": "message.sent",
                        "message_id": message_id,
                        "actor": claims["sub"],
                        "content": content,
                    },
                }
                last[room_id] = sequence
                line = json.dumps(event, separators=(",", ":"))
                ack = {"type": "ack", "ref": said["ref"], "sequence": sequence}
                await socket.send_text(json.dumps(ack, separators=(",", ":")))
                for member in tuple(members):
                    await member.send_text(line)
        except WebSocketDisconnect:
            pass
        finally:
            members.discard(socket)

    app = Litestar([room], on_startup=[open_pool], logging_config=None, openapi_config=None)
    config = uvicorn.Config(
        app,
        port=port,
        log_level="error",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
    )
    uvloop.run(uvicorn.Server(config).serve())


async def _prepare(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_SCHEMA)
    await connection.close()


def _by_hand(
    url: str, secret: str, *, rooms: int, each: int, senders: int, seconds: float
) -> dict[str, Any]:
    expires = time.time() + 3600
    tokens = [jwt.encode({"sub": user, "exp": expires}, secret) for user in users(each)]
    names = [str(uuid4()) for _ in range(rooms)]
    task = {
        "connects": [
            {
                "url": f"{url}/ws/{room}?token={tokens[number]}",
                "room": room,
                "sends": number < senders,
            }
            for room in names
            for number in range(each)
        ],
        "content": CONTENT,
        "seconds": seconds,
    }
    with running_load(task) as load:
        return load.result()


def _out_of_order(result: dict[str, Any]) -> dict[str, int]:
    """Events in another order than that of their sequences, and receivers who saw another."""
    return {name: result[name] for name in ("misordered", "different")}


def measure(stack: Stack, seconds: float) -> list[Measured]:
    """Both, in turns."""
    database_url, secret = stack.run["database_url"], secrets.token_hex(32)
    asyncio.run(_prepare(database_url))
    found: list[Measured] = []
    for name, rooms, each, senders in _SHAPES:
        with served(
            "bench.baseline", lambda port: ["--serve", str(port), database_url, secret]
        ) as server:
            by_hand = _by_hand(
                f"ws://127.0.0.1:{server.port}",
                secret,
                rooms=rooms,
                each=each,
                senders=senders,
                seconds=seconds,
            )
        made = make_rooms(stack, rooms, users(each))
        ours = run_load(
            stack,
            {
                "connects": connects(stack, made, each=each, senders=senders),
                "content": CONTENT,
                "seconds": seconds,
            },
        )
        check(ours)
        found.append(
            Measured(
                f"{name}: sends",
                ours["sends_per_second"],
                "/s",
                by_hand["sends_per_second"],
                "written by hand",
                details={
                    "acks": ours["ack"],
                    "acks by hand": by_hand["ack"],
                    "deliveries a second": ours["deliveries_per_second"],
                    "deliveries a second by hand": by_hand["deliveries_per_second"],
                    "out of order": _out_of_order(ours),
                    "out of order by hand": _out_of_order(by_hand),
                },
            )
        )
    return found


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@json_option
@click.option("--serve", "serving", type=(int, str, str), hidden=True)
def main(*, seconds: float, json_file: Path | None, serving: tuple[int, str, str] | None) -> None:
    """Compare with a room written by hand."""
    if serving is not None:
        serve(*serving)
        return
    with running_stack(**SETTINGS) as stack:
        tell(measure(stack, seconds), json_file)


if __name__ == "__main__":
    main()

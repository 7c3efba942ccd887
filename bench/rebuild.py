"""`python -m bench.rebuild`: projecting the log into the tables, beside COPY of the same rows.

Each rate comes with its bare limit from the same run: for live projection `INSERT … unnest` of
the messages' rows in transactions of the same size, for rebuilds COPY of all tables' rows, both
into tables with the same indexes, made at the same time as there.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import click
import psutil
import uvloop

from bench.measured import Measured, cpu_seconds, json_option, tell
from bench.served import stores
from roomlog.collector import spare_what_stays
from roomlog.core.decide import Fact, Stamp, stamp
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent
from roomlog.postgres.migrate import migrate
from roomlog.postgres.schema import (
    create_constraints_sql,
    create_indexes_sql,
    create_tables_sql,
    table_shapes,
)
from roomlog.postgres.tables import PostgresTables
from roomlog.projector import rebuild, verify
from roomlog.projector.partition import PartitionProjector

ROOMS = 20
APPEND_BATCH = 512
COPY_ROWS = 5000
LIVE_BATCHES = (100, 500)
AT = "2026-01-31T09:15:00.123Z"
TEXT = "is the *checkout* slow for everybody, or only in eu-west-1? see https://example.org/d/1 "


def a_room(room_id: str, messages: int) -> list[NewEvent]:
    """A room's events: of ten messages one is edited, one gets a reaction."""
    events: list[NewEvent] = []

    def put(kind: str, about: str | None = None, **body: Any) -> str:
        event_id = str(uuid4())
        mark = Stamp(event_id, "00" * 16)
        data = stamp(Fact(kind, body, about), room_id, "ada@example.org", AT, mark)
        events.append(NewEvent(event_id, data))
        return event_id

    put("room.created", name="bench")
    for n in range(messages):
        sent = put("message.sent", content=f"{n}: {TEXT}"[: 40 + n % 60], message_type="text")
        if n % 10 == 3:
            put("message.edited", sent, content=f"{n} corrected: {TEXT}"[:90])
        elif n % 10 == 7:
            put("reaction.added", sent, emoji="👍")
    return events


async def fill(log: JetStreamLog, count: int) -> int:
    total = 0
    for _ in range(ROOMS):
        room_id = str(uuid4())
        events = a_room(room_id, int(count / ROOMS / 1.2))
        for place in range(0, len(events), APPEND_BATCH):
            await log.append(room_id, events[place : place + APPEND_BATCH])
        total += len(events)
    return total


class Cpu:
    """µs of CPU an event of whatever is done from now on, by part."""

    def __init__(self) -> None:
        servers = {child.name(): child.pid for child in psutil.Process().children()}
        self._parts = {
            "projector": (os.getpid(), False),
            "postgres": (servers["postgres"], True),
            "nats": (servers["nats-server"], False),
        }
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {
            part: cpu_seconds(pid, family=family) for part, (pid, family) in self._parts.items()
        }

    def each(self, events: int) -> dict[str, float]:
        return {
            part: (now - self._before[part]) * 1e6 / events for part, now in self._now().items()
        }


def silent(done: int, total: int) -> None:
    del done, total


async def live_rate(
    log: JetStreamLog, url: str, total: int, batch: int
) -> tuple[float, dict[str, float]]:
    names = ", ".join(f"roomlog.{name}" for name in table_shapes())
    connection = await asyncpg.connect(url)
    await connection.execute(f"TRUNCATE {names}")
    await connection.close()
    claimed = await PostgresTables(url).claim(0)
    projector = PartitionProjector(log, claimed, batch_events_max=batch)
    await projector.begin()
    cpu = Cpu()
    begun_s = time.perf_counter()
    await projector.catch_up()
    rate = total / (time.perf_counter() - begun_s)
    each = cpu.each(total)
    await claimed.close()
    return rate, each


async def bare_insert_rate(url: str, batch: int, *, rows_max: int | None = None) -> float:
    """Rows of messages as the live projector writes them, with nothing around it."""
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    rows = await rows_of(connection, "messages", rows_max)
    await made(connection, complete=True)
    await connection.execute("INSERT INTO bare.incident_rooms SELECT * FROM roomlog.incident_rooms")
    shape = table_shapes()["messages"]
    columns = [column.name for column in shape.columns]
    types = [column.type if "." not in column.type else "text" for column in shape.columns]
    arrays = ", ".join(f"${place + 1}::{kind}[]" for place, kind in enumerate(types))
    values = ", ".join(f"u.{c.name}::{c.type}" for c in shape.columns)
    statement = (
        f"INSERT INTO bare.messages ({', '.join(columns)}) "
        f"SELECT {values} FROM unnest({arrays}) AS u ({', '.join(columns)})"
    )
    begun_s = time.perf_counter()
    for place in range(0, len(rows), batch):
        async with connection.transaction():
            await connection.execute(statement, *zip(*rows[place : place + batch], strict=True))
    rate = len(rows) / (time.perf_counter() - begun_s)
    await connection.close()
    return rate


async def bare_copy_s(url: str) -> float:
    """COPY of what all tables hold into new ones, then their indexes: seconds."""
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    held = {name: await rows_of(connection, name) for name in table_shapes()}
    begun_s = time.perf_counter()
    await made(connection, complete=False)
    for name, rows in held.items():
        columns = [column.name for column in table_shapes()[name].columns]
        for place in range(0, len(rows), COPY_ROWS):
            await connection.copy_records_to_table(
                name, schema_name="bare", records=rows[place : place + COPY_ROWS], columns=columns
            )
    await completed(connection)
    taken_s = time.perf_counter() - begun_s
    await connection.close()
    return taken_s


async def rows_of(
    connection: asyncpg.Connection, name: str, rows_max: int | None = None
) -> Sequence[tuple[Any, ...]]:
    columns = ", ".join(column.name for column in table_shapes()[name].columns)
    asked = f"SELECT {columns} FROM roomlog.{name} LIMIT $1"
    return [tuple(row) for row in await connection.fetch(asked, rows_max)]


async def made(connection: asyncpg.Connection, *, complete: bool) -> None:
    await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
    for statement in create_tables_sql("bare"):
        await connection.execute(statement)
    if complete:
        await completed(connection)


async def completed(connection: asyncpg.Connection) -> None:
    for statement in (*create_indexes_sql("bare"), *create_constraints_sql("bare")):
        await connection.execute(statement)


async def measure(nats_url: str, database_url: str, count: int) -> list[Measured]:
    await migrate(database_url)
    log = await JetStreamLog.connect(nats_url)
    results: list[Measured] = []

    def add(name: str, rate: float, cpu: dict[str, float], bare: float, bare_name: str) -> None:
        details = {"CPU an event, µs": cpu}
        results.append(Measured(name, rate, "events/s", bare, bare_name, details=details))

    total = await fill(log, count)
    spare_what_stays()
    for batch in LIVE_BATCHES:
        rate, each = await live_rate(log, database_url, total, batch)
        bare = await bare_insert_rate(database_url, batch)
        add(f"live, batches of {batch}", rate, each, bare, "INSERT of messages' rows alone")
    tables = PostgresTables(database_url)
    cpu, begun_s = Cpu(), time.perf_counter()
    await rebuild(log, tables, silent)
    rebuilt_s = time.perf_counter() - begun_s
    add(
        "rebuild, comparison and swap included",
        total / rebuilt_s,
        cpu.each(total),
        total / await bare_copy_s(database_url),
        "COPY of all rows, then all indexes",
    )
    cpu, begun_s = Cpu(), time.perf_counter()
    assert not await verify(log, tables, silent)
    rate, copied = total / (time.perf_counter() - begun_s), results[-1]
    assert copied.bare is not None
    add("verify", rate, cpu.each(total), copied.bare, copied.bare_name)
    await log.close()
    return results


@click.command()
@click.option("--events", default=40_000, show_default=True)
@json_option
def main(*, events: int, json_file: Path | None) -> None:
    """Measure projecting and rebuilding."""
    with stores() as made:
        results = uvloop.run(measure(made.nats_url, made.database_url, events))
    tell(results, json_file)


if __name__ == "__main__":
    main()

"""`python -m bench.trees`: what the rooms' trees cost the projector beside them, and proofs take.

Projector and keeper catch up with the same log, each alone and both together in one process, in
turn. Processor time is this process's own, PostgreSQL's is not in it.
"""

import asyncio
import statistics
import time
from pathlib import Path
from random import Random

import asyncpg
import click
import uvloop

from bench.measured import Measured, json_option, tell
from bench.rebuild import fill
from bench.served import stores
from roomlog.audit.tree_keeper import TreeKeeper
from roomlog.audit.tree_runner import BATCH_EVENTS_MAX
from roomlog.core.signed_note import SigningKey
from roomlog.jetstream.log import JetStreamLog
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.postgres.migrate import migrate
from roomlog.postgres.schema import table_shapes
from roomlog.postgres.tables import PostgresTables
from roomlog.postgres.tree_tables import PostgresTrees, forget_trees
from roomlog.projector.partition import PartitionProjector
from roomlog.services.audit_keys import KeyRing
from roomlog.services.proof_service import ProofService

PROJECTOR_BATCH = 100
ROUNDS = 3


class Spent:
    """A round's seconds, and its processor time an event in µs."""

    def __init__(self, events: int) -> None:
        self.events = events
        self._begun_s, self._cpu_s = time.perf_counter(), time.process_time()

    @property
    def rate(self) -> float:
        return self.events / (time.perf_counter() - self._begun_s)

    @property
    def cpu_us(self) -> float:
        return (time.process_time() - self._cpu_s) / self.events * 1e6


async def project(log: JetStreamLog, url: str) -> None:
    claimed = await PostgresTables(url).claim(0)
    projector = PartitionProjector(log, claimed, batch_events_max=PROJECTOR_BATCH)
    await projector.begin()
    await projector.catch_up()
    await claimed.close()


async def keep(log: JetStreamLog, url: str) -> None:
    claimed = await PostgresTrees(url).claim(0)
    keeper = TreeKeeper(log, claimed, batch_events_max=BATCH_EVENTS_MAX)
    await keeper.begin()
    await keeper.catch_up()
    await claimed.close()


async def empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    names = ", ".join(f"roomlog.{name}" for name in table_shapes())
    await connection.execute(f"TRUNCATE {names}")
    await connection.close()
    await forget_trees(url)


async def proof_times_ms(log: JetStreamLog, url: str, count: int) -> list[float]:
    """Inclusion proofs of events chosen by chance, one after the other."""
    chance, taken_ms = Random(1), list[float]()
    async with open_pool(url, size=2) as pool:
        reader = PostgresTreeReader(pool)
        proofs = ProofService(log=log, trees=reader, keys=KeyRing(SigningKey("bench", bytes(32))))
        heads = await reader.heads(None)
        assert heads is not None
        for _ in range(count):
            head = chance.choice(heads.heads)
            sequence = await reader.sequence_of(head.room_id, chance.randrange(head.size))
            assert sequence is not None
            begun_s = time.perf_counter()
            await proofs.inclusion(head.room_id, sequence)
            taken_ms.append((time.perf_counter() - begun_s) * 1e3)
    return taken_ms


async def measure(nats_url: str, url: str, count: int) -> list[Measured]:
    await migrate(url)
    log = await JetStreamLog.connect(nats_url)
    total = await fill(log, count)
    rates: dict[str, list[float]] = {"projector": [], "keeper": [], "both": []}
    cpus: dict[str, list[float]] = {"projector": [], "keeper": [], "both": []}
    for _ in range(ROUNDS):
        for name, work in (
            ("projector", [project]),
            ("keeper", [keep]),
            ("both", [project, keep]),
        ):
            await empty(url)
            spent = Spent(total)
            await asyncio.gather(*(each(log, url) for each in work))
            rates[name].append(spent.rate)
            cpus[name].append(spent.cpu_us)
    taken_ms = sorted(await proof_times_ms(log, url, 300))
    await log.close()
    rate = {name: statistics.median(several) for name, several in rates.items()}
    cpu = {name: statistics.median(several) for name, several in cpus.items()}
    return [
        Measured(
            f"projecting in batches of {PROJECTOR_BATCH}, trees beside",
            *(rate["both"], "events/s", rate["projector"], "projecting alone"),
            details={"processor µs an event": cpu["both"], "alone": cpu["projector"]},
        ),
        Measured(
            "trees alone, from the beginning",
            *(rate["keeper"], "events/s"),
            details={"processor µs an event": cpu["keeper"]},
        ),
        Measured(
            "an inclusion proof, 95th percentile",
            *(taken_ms[len(taken_ms) * 95 // 100], "ms"),
            more_is_better=False,
            details={"median": statistics.median(taken_ms)},
        ),
    ]


@click.command()
@click.option("--events", default=40_000, show_default=True)
@json_option
def main(*, events: int, json_file: Path | None) -> None:
    """Measure keeping trees and proving."""
    with stores() as made:
        results = uvloop.run(measure(made.nats_url, made.database_url, events))
    tell(results, json_file)


if __name__ == "__main__":
    main()

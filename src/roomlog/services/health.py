"""What log, tables, projection and trees say of themselves, for who asks whether a worker is well."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from roomlog.ports import Clock, DatabaseUnavailableError, ReadModel
from roomlog.services.tokens import TokenVerifier
from roomlog.tree_ports import TreeReader, TreeStatus

_STALE = timedelta(seconds=30)
# Whoever asks whether a worker is well does not wait for a database that is not.
_TIMEOUT_S = 0.8


class PartStatus(msgspec.Struct, frozen=True):
    """One part's health. A worker without a `required` part is not ready; without another it
    serves what does not need it (sends go on without PostgreSQL)."""

    ok: bool
    required: bool = True
    detail: str = ""


class Log(Protocol):
    """What the log says of itself."""

    @property
    def epoch(self) -> str:
        """See EventLog.epoch."""
        ...

    @property
    def partitions(self) -> int:
        """See EventLog.partitions."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be appended, as far as is known; empty where it can."""
        ...


async def health(
    log: Log, read_model: ReadModel, trees: TreeReader, tokens: TokenVerifier, clock: Clock
) -> Mapping[str, PartStatus]:
    """The parts by name. Answers within seconds, and raises nothing; without the tables, sends go
    on."""
    keys = _keys(tokens)
    there = PartStatus(ok=not log.trouble, detail=log.trouble)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            behind = await _behind(log, read_model, clock)
            found = await trees.statuses()
    except (DatabaseUnavailableError, TimeoutError) as error:
        reason = str(error) or f"PostgreSQL did not answer within {_TIMEOUT_S} s"
        away = PartStatus(ok=False, required=False, detail=reason)
        unknown = PartStatus(ok=False, required=False, detail="unknown without the database")
        return {
            "log": there,
            "database": away,
            "projection": unknown,
            "integrity": unknown,
            **keys,
        }
    return {
        "log": there,
        "database": PartStatus(ok=True, required=False),
        "projection": PartStatus(ok=not behind, required=False, detail="; ".join(behind)),
        "integrity": _integrity(found),
        **keys,
    }


def _integrity(trees: Sequence[TreeStatus]) -> PartStatus:
    """What the trees' keeper found wrong with what is in the log. Sends don't depend on it."""
    wrong = [
        one.halted or f"{one.findings} things are wrong with the log, {one.unexplained} events gone"
        for one in trees
        if one.halted or one.findings
    ]
    detail = "; ".join(wrong) + ": run `roomlog doctor`" if wrong else ""
    return PartStatus(ok=not wrong, required=False, detail=detail)


async def _behind(log: Log, read_model: ReadModel, clock: Clock) -> list[str]:
    """What is wrong with the projection of each partition."""
    behind: list[str] = []
    for partition in range(log.partitions):
        checkpoint = await read_model.checkpoint(partition)
        if checkpoint is None:
            behind.append(f"partition {partition} has not begun")
        elif checkpoint.epoch != log.epoch:
            behind.append(f"partition {partition} shows another epoch of the log")
        elif (age := clock.now() - checkpoint.current_at) > _STALE:
            behind.append(f"partition {partition} is {age.total_seconds():.0f} s behind")
    return behind


def _keys(tokens: TokenVerifier) -> dict[str, PartStatus]:
    """The key set, where there is one. It is tried again here while it is missing, because a
    worker that is not ready is asked nothing else."""
    if tokens.keys is None:
        return {}
    tokens.keys.retry_missing()
    problem = "" if tokens.keys.loaded else tokens.keys.problem
    return {"keys": PartStatus(tokens.keys.loaded, not tokens.usable, problem)}

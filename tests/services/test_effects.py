"""What is told of a command that was appended, where nothing more can be found out."""

from typing import Any, cast

import pytest

from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog.services.effects import Effect, Effects
from roomlog.services.identity import new_id
from roomlog.services.writer import Receipt
from roomlog_contract.errors import ErrorCode, RefusedError

ROOM = new_id()
MESSAGE = new_id()


class Tables:
    """Tables that are away, or only behind: then the log is asked, which is away."""

    def __init__(self, *, away: bool) -> None:
        self._away = away

    async def message_state(self, message_id: str) -> tuple[None, int]:
        if self._away:
            raise DatabaseUnavailableError("away")
        return None, 0

    async def message(self, message_id: str, *, as_of: int) -> None:
        raise DatabaseUnavailableError("away")


class Behind:
    """A projection that does not get there in time."""

    async def wait(self, room_id: str, sequence: int, timeout_s: float) -> bool:
        return False


class NoRooms:
    async def open(self, room_id: str) -> None:
        raise LogUnavailableError("away")


def receipt() -> Receipt:
    return Receipt(ROOM, new_id(), MESSAGE, 7, "2026-01-31T09:15:00.000Z", b"")


def effects(*, tables_away: bool) -> Effects:
    tables, behind, rooms = Tables(away=tables_away), Behind(), NoRooms()
    return Effects(cast("Any", None), cast("Any", tables), cast("Any", behind), cast("Any", rooms))


@pytest.mark.parametrize(
    ("tables_away", "code"),
    [(True, ErrorCode.DATABASE_UNAVAILABLE), (False, ErrorCode.LOG_UNAVAILABLE)],
)
async def test_who_appended_is_told_that_the_effect_is_unknown(
    *, tables_away: bool, code: ErrorCode
):
    with pytest.raises(RefusedError) as refused:
        await effects(tables_away=tables_away).of(receipt())

    assert refused.value.code == code
    assert "appended" in refused.value.detail
    assert "unknown" in refused.value.detail
    assert refused.value.retry_after_s


async def test_so_is_who_gets_no_answer_after_the_effect():
    effect = Effect(receipt(), MESSAGE, projected=True, unchanged=False)

    with pytest.raises(RefusedError) as refused:
        await effects(tables_away=True).message(effect)

    assert refused.value.code == ErrorCode.DATABASE_UNAVAILABLE
    assert "unknown" in refused.value.detail

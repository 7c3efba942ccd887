"""Row changes written in few statements: what one batch does to one table goes at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from projections.row_changes import (
    Add,
    Delete,
    DeleteWhere,
    RowChange,
    Update,
    UpdateWhere,
    Upsert,
)
from roomlog.postgres.connection import Connection
from roomlog.postgres.row_form import Key, Record, RowForm, row_forms

_WHERE = (UpdateWhere, DeleteWhere)


class _TableChanges:
    """What is left to do in one table, at most one thing for each row (and its deletion before)."""

    def __init__(self, form: RowForm) -> None:
        self.form = form
        self.deletes: set[Key] = set()
        self.upserts: dict[Key, Upsert] = {}
        self.updates: dict[Key, dict[str, Any]] = {}
        self.sums: dict[Key, dict[str, int]] = {}

    def take(self, change: Upsert | Update | Add | Delete) -> None:
        """Add one more change, which comes after all those before."""
        key = self.form.key_of(change.key)
        match change:
            case Upsert():
                if self.updates.pop(key, None) is not None:
                    change = Upsert(change.table, change.key, change.values, fresh=False)
                self.upserts[key] = change
            case Update():
                upsert = self.upserts.get(key)
                if upsert is not None:
                    values = {**upsert.values, **change.values}
                    self.upserts[key] = Upsert(upsert.table, upsert.key, values, upsert.fresh)
                else:
                    self.updates.setdefault(key, {}).update(change.values)
            case Add():
                sums = self.sums.get(key)
                if sums is None:
                    self.sums[key] = dict(change.values)
                else:
                    for name, number in change.values.items():
                        sums[name] += number
            case Delete():
                self.upserts.pop(key, None)
                self.updates.pop(key, None)
                self.deletes.add(key)


class RowWriter:
    """Writes row changes over one connection, inside its caller's transaction.

    Rows that are new by the fold are copied, which costs less than inserting them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def apply(self, changes: Iterable[RowChange]) -> None:
        """Apply changes in order. Raises asyncpg's errors; then the transaction is lost."""
        pending = _pending()
        for change in changes:
            if isinstance(change, _WHERE):
                await self._flush(pending)
                pending = _pending()
                await self._apply_where(change)
            else:
                pending[change.table].take(change)
        await self._flush(pending)

    async def _flush(self, pending: Mapping[str, _TableChanges]) -> None:
        for table in pending.values():
            if table.deletes:
                await self._delete(table)
        for table in pending.values():
            if table.upserts:
                await self._upsert(table)
            if table.updates:
                await self._update(table)
            if table.sums:
                await self._add(table)

    async def _delete(self, table: _TableChanges) -> None:
        form = table.form
        arrays = form.arrays(form.key, table.deletes)
        await self._connection.execute(form.delete, *arrays)

    async def _upsert(self, table: _TableChanges) -> None:
        form = table.form
        fresh: list[Record] = []
        others: list[Record] = []
        for key, upsert in table.upserts.items():
            records = fresh if upsert.fresh else others
            records.append(key + form.others_of(upsert.values))
        if fresh:
            columns = form.arrays(form.columns, fresh)
            await self._connection.copy_records_to_table(
                form.table, records=zip(*columns, strict=True), columns=form.columns
            )
        if others:
            arrays = form.arrays(form.columns, others)
            await self._connection.execute(form.upsert, *arrays)

    async def _update(self, table: _TableChanges) -> None:
        form = table.form
        groups: dict[tuple[str, ...], list[Record]] = {}
        for key, values in table.updates.items():
            names = tuple(sorted(values))
            groups.setdefault(names, []).append((*key, *(values[name] for name in names)))
        for names, records in groups.items():
            arrays = form.arrays((*form.key, *names), records)
            await self._connection.execute(form.update(names), *arrays)

    async def _add(self, table: _TableChanges) -> None:
        form = table.form
        sums = {key: numbers for key, numbers in table.sums.items() if any(numbers.values())}
        if not sums:
            return
        records = [key + form.others_of(numbers) for key, numbers in sums.items()]
        await self._connection.execute(form.add, *form.arrays(form.columns, records))
        if any(number < 0 for numbers in sums.values() for number in numbers.values()):
            await self._connection.execute(form.delete_zeros, *form.arrays(form.key, sums))

    async def _apply_where(self, change: UpdateWhere | DeleteWhere) -> None:
        form = row_forms()[change.table]
        values = change.values if isinstance(change, UpdateWhere) else {}
        names = (*values, *change.where)
        arrays = form.arrays(names, [(*values.values(), *change.where.values())])
        places = iter(f"${place + 1}" for place in range(len(names)))
        assignments = ", ".join(f"{name} = {next(places)}" for name in values)
        where = " AND ".join(f"{name} = {next(places)}" for name in change.where)
        statement = (
            f"UPDATE {form.table} SET {assignments} WHERE {where}"  # noqa: S608 - names are ours
            if values
            else f"DELETE FROM {form.table} WHERE {where}"  # noqa: S608 - names are ours
        )
        await self._connection.execute(statement, *(array[0] for array in arrays))


def _pending() -> dict[str, _TableChanges]:
    return {name: _TableChanges(form) for name, form in row_forms().items()}

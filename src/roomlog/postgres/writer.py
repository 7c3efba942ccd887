"""Row changes written in few statements: what one batch does to one table goes at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

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
from roomlog.postgres.schema import TableShape, table_shapes

Key = tuple[Any, ...]
Values = dict[str, Any]

_json = msgspec.json.Encoder()


class _Upsert(msgspec.Struct):
    values: Values
    fresh: bool


class _TableChanges:
    """What is left to do in one table, at most one thing for each row (and its deletion before)."""

    def __init__(self, shape: TableShape) -> None:
        self.shape = shape
        self.deletes: set[Key] = set()
        self.upserts: dict[Key, _Upsert] = {}
        self.updates: dict[Key, Values] = {}
        self.sums: dict[Key, dict[str, int]] = {}

    def take(self, change: Upsert | Update | Add | Delete) -> None:
        """Add one more change, which comes after all those before."""
        key = tuple(change.key[name] for name in self.shape.key)
        match change:
            case Upsert():
                earlier = self.updates.pop(key, None)
                self.upserts[key] = _Upsert(
                    {**change.key, **change.values},
                    change.fresh and earlier is None,
                )
            case Update():
                upsert = self.upserts.get(key)
                if upsert is not None:
                    upsert.values.update(change.values)
                else:
                    self.updates.setdefault(key, {}).update(change.values)
            case Add():
                sums = self.sums.setdefault(key, {})
                for name, number in change.values.items():
                    sums[name] = sums.get(name, 0) + number
            case Delete():
                self.upserts.pop(key, None)
                self.updates.pop(key, None)
                self.deletes.add(key)


class RowWriter:
    """Writes row changes over one connection, inside its caller's transaction.

    In `bulk`, rows that are new by the fold are copied.
    """

    def __init__(self, connection: Connection, *, bulk: bool) -> None:
        self._connection = connection
        self._bulk = bulk

    async def apply(self, changes: Iterable[RowChange]) -> None:
        """Apply changes in order. Raises asyncpg's errors; then the transaction is lost."""
        pending = _pending()
        for change in changes:
            if isinstance(change, UpdateWhere | DeleteWhere):
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
        shape = table.shape
        columns = zip(*table.deletes, strict=True)
        arrays = [_array(shape, n, c) for n, c in zip(shape.key, columns, strict=True)]
        await self._connection.execute(_delete_sql(shape), *arrays)

    async def _upsert(self, table: _TableChanges) -> None:
        shape = table.shape
        names = [column.name for column in shape.columns]
        if self._bulk:
            fresh = [u.values for u in table.upserts.values() if u.fresh]
            arrays = [_array(shape, name, (row[name] for row in fresh)) for name in names]
            await self._connection.copy_records_to_table(
                shape.name, records=zip(*arrays, strict=True), columns=names
            )
            rows = [u.values for u in table.upserts.values() if not u.fresh]
        else:
            rows = [u.values for u in table.upserts.values()]
        if rows:
            arrays = [_array(shape, name, (row[name] for row in rows)) for name in names]
            await self._connection.execute(_upsert_sql(shape), *arrays)

    async def _update(self, table: _TableChanges) -> None:
        shape = table.shape
        groups: dict[tuple[str, ...], list[tuple[Key, Values]]] = {}
        for key, values in table.updates.items():
            groups.setdefault(tuple(sorted(values)), []).append((key, values))
        for names, rows in groups.items():
            arrays = [
                *(
                    _array(shape, name, (key[place] for key, _ in rows))
                    for place, name in enumerate(shape.key)
                ),
                *(_array(shape, name, (values[name] for _, values in rows)) for name in names),
            ]
            await self._connection.execute(_update_sql(shape, names), *arrays)

    async def _add(self, table: _TableChanges) -> None:
        shape = table.shape
        names = [column.name for column in shape.columns]
        sums = {key: numbers for key, numbers in table.sums.items() if any(numbers.values())}
        if not sums:
            return
        rows = [
            {**dict(zip(shape.key, key, strict=True)), **numbers} for key, numbers in sums.items()
        ]
        arrays = [_array(shape, name, (row[name] for row in rows)) for name in names]
        await self._connection.execute(_add_sql(shape), *arrays)
        if any(number < 0 for numbers in sums.values() for number in numbers.values()):
            keys = zip(*sums, strict=True)
            arrays = [_array(shape, n, c) for n, c in zip(shape.key, keys, strict=True)]
            await self._connection.execute(_delete_sql(shape, zeros=True), *arrays)

    async def _apply_where(self, change: UpdateWhere | DeleteWhere) -> None:
        shape = table_shapes()[change.table]
        values = change.values if isinstance(change, UpdateWhere) else {}
        arguments = [
            _array(shape, name, (value,))[0]
            for name, value in (*values.items(), *change.where.items())
        ]
        places = iter(f"${place + 1}" for place in range(len(arguments)))
        assignments = ", ".join(f"{name} = {next(places)}" for name in values)
        where = " AND ".join(f"{name} = {next(places)}" for name in change.where)
        statement = (
            f"UPDATE {shape.name} SET {assignments} WHERE {where}"  # noqa: S608 - names are ours
            if values
            else f"DELETE FROM {shape.name} WHERE {where}"  # noqa: S608 - names are ours
        )
        await self._connection.execute(statement, *arguments)


def _pending() -> dict[str, _TableChanges]:
    return {name: _TableChanges(shape) for name, shape in table_shapes().items()}


def _encode_json(value: object) -> str:
    return _json.encode(value).decode()


# How PostgreSQL's types are sent: the types of unnested arrays, and what makes a value of ours one.
_CONVERTERS: Mapping[str, Callable[[Any], object]] = {
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat,
    "JSONB": _encode_json,
}


def _array(shape: TableShape, name: str, values: Iterable[Any]) -> Sequence[object]:
    converter = _CONVERTERS.get(_type_of(shape, name))
    if converter is None:
        return list(values)
    return [None if value is None else converter(value) for value in values]


def _type_of(shape: TableShape, name: str) -> str:
    return _types(shape)[name]


@cache
def _types(shape: TableShape) -> dict[str, str]:
    return shape.types


def _unnested(shape: TableShape, names: Sequence[str]) -> str:
    # Enums go as text: their arrays would be looked up by each new connection.
    arrays = ", ".join(
        f"${place + 1}::{'text' if '.' in _type_of(shape, name) else _type_of(shape, name)}[]"
        for place, name in enumerate(names)
    )
    columns = ", ".join(f'"{name}"' for name in names)
    return f"unnest({arrays}) AS u ({columns})"


def _from_u(shape: TableShape, name: str) -> str:
    cast = f"::{_type_of(shape, name)}" if "." in _type_of(shape, name) else ""
    return f'u."{name}"{cast}'


@cache
def _delete_sql(shape: TableShape, *, zeros: bool = False) -> str:
    match = " AND ".join(f't."{name}" = u."{name}"' for name in shape.key)
    if zeros:
        match += "".join(f' AND t."{name}" = 0' for name in _others(shape))
    return f"DELETE FROM {shape.name} AS t USING {_unnested(shape, shape.key)} WHERE {match}"  # noqa: S608 - names are ours


def _others(shape: TableShape) -> list[str]:
    return [column.name for column in shape.columns if column.name not in shape.key]


@cache
def _add_sql(shape: TableShape) -> str:
    sums = ", ".join(f'"{n}" = t."{n}" + excluded."{n}"' for n in _others(shape))
    return _insert_sql(shape, sums)


@cache
def _upsert_sql(shape: TableShape) -> str:
    return _insert_sql(shape, ", ".join(f'"{n}" = excluded."{n}"' for n in _others(shape)))


def _insert_sql(shape: TableShape, instead: str) -> str:
    """Insert rows; `instead` says what to do with one that is there."""
    names = [column.name for column in shape.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(_from_u(shape, name) for name in names)
    key = ", ".join(f'"{name}"' for name in shape.key)
    return (
        f"INSERT INTO {shape.name} AS t ({columns}) SELECT {values} FROM {_unnested(shape, names)} "  # noqa: S608 - names are ours
        f"ON CONFLICT ({key}) DO UPDATE SET {instead}"
    )


@cache
def _update_sql(shape: TableShape, names: tuple[str, ...]) -> str:
    assignments = ", ".join(f'"{name}" = {_from_u(shape, name)}' for name in names)
    match = " AND ".join(f't."{name}" = u."{name}"' for name in shape.key)
    source = _unnested(shape, [*shape.key, *names])
    return f"UPDATE {shape.name} AS t SET {assignments} FROM {source} WHERE {match}"  # noqa: S608 - names are ours

"""How the rows of each table are written: statements, and values as the driver takes them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec

from roomlog.postgres.schema import TableShape, table_shapes

Key = tuple[Any, ...]
Record = tuple[Any, ...]

_json = msgspec.json.Encoder()


def _encode_json(value: object) -> str:
    return str(_json.encode(value), "utf-8")


# What makes a value of ours one that the driver takes for that type.
_CONVERTERS: Mapping[str, Callable[[Any], object]] = {
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat,
    "JSONB": _encode_json,
}


class RowForm:
    """One table: how its keys and records are made of row changes, and its statements.

    A record holds the key's columns, and after them all others. Statements take an array for each
    column, as `arrays` makes them.
    """

    def __init__(self, shape: TableShape) -> None:
        self.table = shape.name
        self.key = shape.key
        self._types = shape.types
        self.others = tuple(name for name in self._types if name not in shape.key)
        self.columns = (*shape.key, *self.others)
        self.key_of = _values_of(shape.key)
        self.others_of = _values_of(self.others)
        self._updates: dict[tuple[str, ...], str] = {}
        self._matching = " AND ".join(f't."{name}" = u."{name}"' for name in shape.key)
        unnested = self._unnested(shape.key)
        self.delete = f"DELETE FROM {self.table} AS t USING {unnested} WHERE {self._matching}"  # noqa: S608 - names are ours
        self.delete_zeros = self.delete + "".join(f' AND t."{name}" = 0' for name in self.others)
        self.upsert = self._insert(f'"{name}" = excluded."{name}"' for name in self.others)
        self.add = self._insert(f'"{n}" = t."{n}" + excluded."{n}"' for n in self.others)

    def update(self, names: tuple[str, ...]) -> str:
        """The statement that sets the columns `names`; it takes the key's arrays, then theirs."""
        statement = self._updates.get(names)
        if statement is None:
            assignments = ", ".join(f'"{name}" = {self._from_u(name)}' for name in names)
            statement = self._updates[names] = (
                f"UPDATE {self.table} AS t SET {assignments} "  # noqa: S608 - names are ours
                f"FROM {self._unnested((*self.key, *names))} WHERE {self._matching}"
            )
        return statement

    def arrays(self, names: Sequence[str], records: Iterable[Record]) -> list[Sequence[object]]:
        """Records with values of the columns `names`, at least one, as an array for each column."""
        columns: list[Sequence[object]] = list(zip(*records, strict=True))
        for place, name in enumerate(names):
            convert = _CONVERTERS.get(self._types[name])
            if convert is not None:
                columns[place] = [None if v is None else convert(v) for v in columns[place]]
        return columns

    def _unnested(self, names: Sequence[str]) -> str:
        # Enums go as text: their arrays would be looked up by each new connection.
        types = [self._types[name] for name in names]
        arrays = ", ".join(
            f"${place + 1}::{'text' if '.' in kind else kind}[]" for place, kind in enumerate(types)
        )
        columns = ", ".join(f'"{name}"' for name in names)
        return f"unnest({arrays}) AS u ({columns})"

    def _from_u(self, name: str) -> str:
        kind = self._types[name]
        return f'u."{name}"' + (f"::{kind}" if "." in kind else "")

    def _insert(self, instead: Iterable[str]) -> str:
        """Insert rows; `instead` says what to do with one that is there."""
        columns = ", ".join(f'"{name}"' for name in self.columns)
        values = ", ".join(self._from_u(name) for name in self.columns)
        key = ", ".join(f'"{name}"' for name in self.key)
        return (
            f"INSERT INTO {self.table} AS t ({columns}) SELECT {values} "  # noqa: S608 - names are ours
            f"FROM {self._unnested(self.columns)} "
            f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(instead)}"
        )


@cache
def row_forms() -> Mapping[str, RowForm]:
    """The form of each table by its name, those that others refer to first."""
    return {name: RowForm(shape) for name, shape in table_shapes().items()}


def _values_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Record]:
    """What takes the values of these names out of a mapping, as a tuple also where it is one."""
    if len(names) > 1:
        return itemgetter(*names)
    (name,) = names
    return lambda values: (values[name],)

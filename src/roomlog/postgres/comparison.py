"""Two sets of the same table, compared row by row along their key."""

from typing import Any

import msgspec

from roomlog.postgres.connection import Connection
from roomlog.postgres.schema import TableShape
from roomlog.projection_ports import Difference

_VALUE_CHARS_MAX = 60

# What says how and when projecting went, not what the log holds.
_NOT_COMPARED = {
    "projection_checkpoint": {"current_at", "halted"},
    "dead_events": {"at", "error"},
}


async def difference(
    connection: Connection, shape: TableShape, live: str, fresh: str, examples_max: int
) -> Difference | None:
    """How the table in schema `live` differs from that in `fresh`; None where it does not."""
    ignored = _NOT_COMPARED.get(shape.name, set[str]())
    columns = [column.name for column in shape.columns if column.name not in ignored]
    differing = _differing_sql(shape, columns, live, fresh)
    first = shape.key[0]
    row = await connection.fetchrow(
        f"SELECT count(*) FILTER (WHERE f.{first} IS NOT NULL) AS missing, "
        f"count(*) FILTER (WHERE l.{first} IS NOT NULL) AS surplus {differing}"
    )
    assert row is not None
    if not row["missing"] and not row["surplus"]:
        return None
    key = ", ".join(f"coalesce(l.{name}, f.{name})" for name in shape.key)
    examples = await connection.fetch(
        f"SELECT row_to_json(l)::text AS live, row_to_json(f)::text AS fresh "
        f"{differing} ORDER BY {key} LIMIT $1",
        examples_max,
    )
    return Difference(
        table=shape.name,
        missing=row["missing"],
        surplus=row["surplus"],
        examples=[_example(shape, columns, e["live"], e["fresh"]) for e in examples],
    )


def _differing_sql(shape: TableShape, columns: list[str], live: str, fresh: str) -> str:
    # A full join along the key goes over both once, in the order of their primary keys' indexes
    # or by hash, where EXCEPT would sort whole rows.
    key = ", ".join(shape.key)
    left = ", ".join(f'l."{name}"' for name in columns)
    right = ", ".join(f'f."{name}"' for name in columns)
    first = shape.key[0]
    return (
        f"FROM {live}.{shape.name} AS l FULL JOIN {fresh}.{shape.name} AS f USING ({key}) "
        f"WHERE l.{first} IS NULL OR f.{first} IS NULL "
        f"OR ROW({left}) IS DISTINCT FROM ROW({right})"
    )


def _example(shape: TableShape, columns: list[str], live: str | None, fresh: str | None) -> str:
    one: dict[str, Any] = msgspec.json.decode(live) if live else {}
    other: dict[str, Any] = msgspec.json.decode(fresh) if fresh else {}
    key = " ".join(f"{name}={(one or other)[name]}" for name in shape.key)
    if not other:
        return f"{key}: a row that the log does not explain"
    if not one:
        return f"{key}: the row is missing"
    wrong = [
        f"{name} is {_short(one[name])}, should be {_short(other[name])}"
        for name in columns
        if one[name] != other[name]
    ]
    return f"{key}: {'; '.join(wrong)}"


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…"

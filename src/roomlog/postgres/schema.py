"""The tables' definitions as SQL, for schemas that a rebuild or a verification makes anew."""

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Index, Table
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, ForeignKeyConstraint

from roomlog.postgres.models import SCHEMA, Base

CHECKPOINTS = "projection_checkpoint"
DEAD_EVENTS = "dead_events"

_dialect: Any = dialect()


class Column(msgspec.Struct, frozen=True):
    """A column that is written: its name, and its type as PostgreSQL calls it."""

    name: str
    type: str


class TableShape(msgspec.Struct, frozen=True):
    """A table as whoever writes or compares rows needs it; generated columns are left out."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def types(self) -> dict[str, str]:
        """The columns' types by name."""
        return {column.name: column.type for column in self.columns}


@cache
def table_shapes() -> dict[str, TableShape]:
    """All tables by name, those that others refer to first."""
    shapes: dict[str, TableShape] = {}
    for table in Base.metadata.sorted_tables:
        columns = tuple(
            Column(str(column.name), column.type.compile(_dialect).split(" COLLATE ")[0])
            for column in table.columns
            if column.computed is None
        )
        key = tuple(str(column.name) for column in table.primary_key.columns)
        # SQLAlchemy's names are a subclass of str that encoders do not know.
        shapes[str(table.name)] = TableShape(str(table.name), key, columns)
    return shapes


def create_tables_sql(schema: str, *, logged: bool = True) -> list[str]:
    """Statements that make the schema with its tables, without what only slows down filling.

    Not `logged`: a crash empties them, which is fine for tables that are only compared.
    """
    statements = [f'CREATE SCHEMA "{schema}"']
    for table in Base.metadata.sorted_tables:
        create = _compiled(CreateTable(table, include_foreign_key_constraints=[]), schema)
        if not logged:
            create = create.replace("CREATE TABLE", "CREATE UNLOGGED TABLE", 1)
        statements.append(create)
        statements.extend(_index(index, schema) for index in _indexes(table, from_the_start=True))
    return statements


def create_indexes_sql(schema: str) -> list[str]:
    """Statements that add the indexes that `create_tables_sql` left out: those that take longest
    first, each by itself, so that several connections may share them."""
    indexes = [
        index
        for table in Base.metadata.sorted_tables
        for index in _indexes(table, from_the_start=False)
    ]
    indexes.sort(key=lambda index: index.dialect_options["postgresql"]["using"] != "gin")
    return [_index(index, schema) for index in indexes]


def create_constraints_sql(schema: str) -> list[str]:
    """Statements that add the constraints that `create_tables_sql` left out."""
    return [
        _compiled(AddConstraint(constraint, isolate_from_table=False), schema)
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint)
    ]


def _indexes(table: Table, *, from_the_start: bool) -> list[Index]:
    chosen = [i for i in table.indexes if bool(i.info.get("from_the_start")) is from_the_start]
    return sorted(chosen, key=lambda index: str(index.name))


def _index(index: Index, schema: str) -> str:
    return _compiled(CreateIndex(index), schema)


def _compiled(statement: Any, schema: str) -> str:
    compiled = statement.compile(
        dialect=_dialect,
        schema_translate_map={SCHEMA: schema, "public": "public"},
        render_schema_translate=True,
    )
    return str(compiled).strip()

"""What an event changes in the tables, as data. Order matters: later changes see earlier ones.

Values are text, numbers, booleans, None or (metadata) a dict; ids are UUIDs in canonical text
form, times RFC 3339 as in the events. Whoever writes them converts.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class Upsert(msgspec.Struct, frozen=True, gc=False):
    """A whole row. `key` names the row within `table`, `values` are all its other columns.

    `fresh`: by the fold there is no row of that key yet, so that it may be
    copied instead of inserted or updated.
    """

    table: str
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    fresh: bool = True


class Update(msgspec.Struct, frozen=True, gc=False):
    """Some columns of the one row with that key, which exists."""

    table: str
    key: Mapping[str, Any]
    values: Mapping[str, Any]


class Add(msgspec.Struct, frozen=True, gc=False):
    """Numbers to add to those of a row, which are 0 where there is none. `values` are all columns
    beside the key; a row whose numbers come to 0 goes. Its table takes no other changes."""

    table: str
    key: Mapping[str, Any]
    values: Mapping[str, int]


class Delete(msgspec.Struct, frozen=True, gc=False):
    """The one row with that key goes, where it exists."""

    table: str
    key: Mapping[str, Any]


class UpdateWhere(msgspec.Struct, frozen=True, gc=False):
    """Some columns of every row whose columns equal `where`. Rare: only redaction needs it."""

    table: str
    where: Mapping[str, Any]
    values: Mapping[str, Any]


class DeleteWhere(msgspec.Struct, frozen=True, gc=False):
    """Every row whose columns equal `where` goes. Rare: only redaction needs it."""

    table: str
    where: Mapping[str, Any]


RowChange = Upsert | Update | Add | Delete | UpdateWhere | DeleteWhere

PARTITIONS_MAX = 1024


def event_row_id(sequence: int, partition: int) -> int:
    """The id of a row made by one event: the same in every rebuild, unique over partitions."""
    return sequence * PARTITIONS_MAX + partition

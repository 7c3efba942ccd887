"""The queries, by name: one file each in `sql/`, whose first line says what it gives.

A line `-- part: name` stands for what is in `sql/parts/<name>.sql`.
"""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_PART = re.compile(r"^-- part: (\w+)\n", re.MULTILINE)


@cache
def query(name: str) -> str:
    """The text of `sql/<name>.sql`, with its parts in their places."""
    return _PART.sub(_part, (_FOLDER / f"{name}.sql").read_text())


@cache
def bounded_page(page: str, bytes_max: int, order: str) -> str:
    """A statement that gives messages in the `order` of one of its columns, ended where they have
    come to `bytes_max`."""
    text = (_FOLDER / "parts" / "bounded_page.sql").read_text()
    text = text.replace("{bytes_max}", str(bytes_max)).replace("{order}", order)
    return text.replace("{page}", page.rstrip().removesuffix(";"))


def page_of_messages(name: str, *, past: bool, bytes_max: int) -> str:
    """The statement for such a page: messages_before or messages_after, as it stood if `past`."""
    order = "sequence_number DESC" if name == "messages_before" else "sequence_number"
    return bounded_page(query(f"{name}_as_of" if past else name), bytes_max, order)


def _part(match: re.Match[str]) -> str:
    return (_FOLDER / "parts" / f"{match[1]}.sql").read_text()

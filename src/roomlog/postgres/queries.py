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


def _part(match: re.Match[str]) -> str:
    return (_FOLDER / "parts" / f"{match[1]}.sql").read_text()

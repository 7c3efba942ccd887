"""Whether what was erased is in no file: that NATS says so does not show it.

A nats-server that is killed while it erases takes the event for erased, and keeps the bytes (see
`embedded/erased_records.py`); and a restore sets a log aside that nothing is erased from any more.
"""

import mmap
import re
from collections.abc import Iterable
from pathlib import Path

# Salted, so no other event has it; a redaction repeats it in a string, with its quotes escaped.
_COMMIT = re.compile(rb'"commit":"([0-9a-f]{64})","body":')
_AT_THE_END = re.compile(rb'"commit":"([0-9a-f]{64})"\}\Z')


def commit_of(envelope: bytes) -> bytes | None:
    """By what a redacted event is known in a file; None where its envelope has no commit."""
    found = _AT_THE_END.search(envelope)
    return None if found is None else found[1]


def left_in(files: Iterable[Path], commits: set[bytes]) -> set[bytes]:
    """Which of the events that have these commits lie with their bodies in the files.

    A file that goes meanwhile holds nothing. Raises OSError where one can't be read.
    """
    left: set[bytes] = set()
    for path in files:
        try:
            with path.open("rb") as file:
                left |= commits & _commits_in(file.fileno())
        except FileNotFoundError:
            continue
    return left


def _commits_in(descriptor: int) -> set[bytes]:
    try:
        mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError:
        return set()  # it is empty
    with mapped:
        return {found[1] for found in _COMMIT.finditer(mapped)}

"""What a killed nats-server leaves of an event that it was erasing.

It notes down first that the event is erased (a tombstone), and overwrites its bytes then. Killed in
between, or stopped by a full disk, it takes the event for erased from then on, answers so, and never
touches the bytes again. Before it is started the next time, they are cut out of its files here.

A file of the log is records one after the other, little endian: total length (4 bytes, the highest
bit: has headers), sequence (8 bytes), time (8), length of the subject (2), and so on. In a sequence
bit 62 marks a tombstone, bit 63 a record whose bytes were overwritten. NATS itself leaves records
out when it compacts a file. Source: nats-server 2.15.1 (`filestore.go`).
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Final

from roomlog.files import write_private

_HEAD: Final = Struct("<IQ")
_HAS_HEADERS: Final = 1 << 31
_TOMBSTONE: Final = 1 << 62
_OVERWRITTEN: Final = 1 << 63
_SEQUENCE: Final = _TOMBSTONE - 1
_RECORD_BYTES_MIN: Final = 30
_RECORD_BYTES_MAX: Final = 32 * 1024 * 1024
_UNFINISHED: Final = (".tmp", ".new")
_STREAMS: Final = "jetstream/*/streams/ROOMLOG*"


def cut_out_erased(store: Path) -> int:
    """Cut what is noted down as erased, and is there, out of the files in a stopped nats-server's
    store; return how many events it was.

    Safe to be killed at any step. Raises OSError, on a full disk say: begin again then.
    """
    return sum(_cut_out_of_stream(folder / "msgs") for folder in store.glob(_STREAMS))


def _cut_out_of_stream(folder: Path) -> int:
    for path in folder.iterdir():
        if path.suffix in _UNFINISHED:
            path.unlink()  # half a file, of NATS or of ours, may hold what is erased later
    blocks = sorted(folder.glob("*.blk"), key=lambda path: int(path.stem))
    noted: dict[int, tuple[int, int]] = {}
    last = 0
    for number, block in enumerate(blocks):
        for start, _, marked in _records(block):
            if marked & _TOMBSTONE:
                noted[marked & _SEQUENCE] = number, start
            else:
                last = max(last, marked & _SEQUENCE)
    # NATS would give the last one's sequence away again. Of roomlog's events none is erased before
    # another tells of it.
    noted.pop(last, None)
    count = 0
    for number, block in enumerate(blocks if noted else ()):
        # What stands behind its note was given a sequence that was lost: it is another event.
        left = [
            (start, end)
            for start, end, marked in _records(block)
            if marked in noted and (number, start) < noted[marked]
        ]
        if left:
            # NATS would hold the files to it; without it, it reads them.
            (folder / "index.db").unlink(missing_ok=True)
            _write_without(block, left)
            count += len(left)
    return count


def _records(block: Path) -> Iterator[tuple[int, int, int]]:
    """Start, end and marked sequence of the records up to the file's end, or to the first that is
    none: NATS reads no further."""
    size = block.stat().st_size
    if not size:
        return
    with block.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        place = 0
        while place + _RECORD_BYTES_MIN <= size:
            length, marked = _HEAD.unpack_from(held, place)
            end = place + (length & ~_HAS_HEADERS)
            if not _RECORD_BYTES_MIN <= end - place <= _RECORD_BYTES_MAX or end > size:
                return
            yield place, end, marked
            place = end


def _write_without(block: Path, ranges: Sequence[tuple[int, int]]) -> None:
    data = block.read_bytes()
    kept: list[bytes] = []
    place = 0
    for start, end in ranges:
        kept.append(data[place:start])
        place = end
    kept.append(data[place:])
    write_private(block, b"".join(kept))

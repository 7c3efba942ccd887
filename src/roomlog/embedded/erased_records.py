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
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from roomlog.files import sync, write_private

_HEAD: Final = Struct("<IQ")
_HAS_HEADERS: Final = 1 << 31
_TOMBSTONE: Final = 1 << 62
_OVERWRITTEN: Final = 1 << 63
_RECORD_BYTES_MIN: Final = 30
_RECORD_BYTES_MAX: Final = 32 * 1024 * 1024
_UNFINISHED: Final = (".tmp", ".new")
_STREAMS: Final = "jetstream/*/streams/ROOMLOG*"


class _Record(NamedTuple):
    start: int
    end: int
    marked: int


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
    there: dict[int, Path] = {}
    left: dict[Path, set[int]] = {}
    last = 0
    for block in blocks:
        for record in _records(block):
            sequence = record.marked & ~(_TOMBSTONE | _OVERWRITTEN)
            if not record.marked & _TOMBSTONE:
                last = max(last, sequence)
            if not record.marked & (_TOMBSTONE | _OVERWRITTEN):
                there[sequence] = block
            elif record.marked & _TOMBSTONE and sequence in there:
                # Only what stands before it: a sequence that was lost may be given away again.
                left.setdefault(there.pop(sequence), set()).add(sequence)
    # NATS would give the last one's sequence away again. Of roomlog's events none is erased before
    # another tells of it.
    left = {block: sequences - {last} for block, sequences in left.items() if sequences != {last}}
    for block, sequences in left.items():
        _write_without(block, sequences)
    if left:
        # NATS would hold the files to it; without it, it reads them.
        (folder / "index.db").unlink(missing_ok=True)
        sync(folder)
    return sum(len(sequences) for sequences in left.values())


def _records(block: Path) -> Iterator[_Record]:
    """The records up to the file's end, or to the first that is none: NATS reads no further."""
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
            yield _Record(place, end, marked)
            place = end


def _write_without(block: Path, sequences: set[int]) -> None:
    data = block.read_bytes()
    kept: list[bytes] = []
    place = 0
    for record in _records(block):
        if record.marked in sequences:
            kept.append(data[place : record.start])
            place = record.end
    kept.append(data[place:])
    write_private(block, b"".join(kept))

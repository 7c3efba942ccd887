"""Reads a zip archive without trusting what it says of itself: every size is counted as read."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from roomlog.core.chat_items import BadEntryError
from roomlog.services.chat_file import DamagedFileError, numbered_lines

FILES_MAX = 1_000_000
EXPANSION_MAX = 200
_EXPANDED_BYTES_ALWAYS = 256 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError),  # an unknown method; an encrypted file
)


class ChatArchive:
    """An open zip archive. `size`: its bytes on disk; `position`: bytes of it that were read.

    All that is read of it may be at most EXPANSION_MAX times its size (and always 256 MiB).
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where it cannot be opened, DamagedFileError where it is no archive."""
        self.size = path.stat().st_size
        self.position = 0
        self._left_bytes = max(_EXPANDED_BYTES_ALWAYS, EXPANSION_MAX * self.size)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise DamagedFileError(f"is no zip archive that can be read: {error}") from error
        if len(self._zip.filelist) > FILES_MAX:
            self._zip.close()
            raise DamagedFileError(f"holds more than {FILES_MAX} files")
        self._by_name = {info.filename: info for info in self._zip.filelist}

    @property
    def names(self) -> list[str]:
        """The paths of all files in it."""
        return sorted(self._by_name)

    def read(self, name: str, size_bytes_max: int) -> bytes:
        """A whole file. Raises BadEntryError where it is too large, DamagedFileError."""
        data = bytearray()
        try:
            with self._zip.open(self._by_name[name]) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    self._count(len(chunk))
                    data += chunk
                    if len(data) > size_bytes_max:
                        raise BadEntryError(f"the file is larger than {size_bytes_max} bytes")
        except _FAULTS as error:
            raise DamagedFileError(f"{name} cannot be read: {error}") from error
        self.position += self._by_name[name].compress_size
        return bytes(data)

    def lines(self, name: str, line_bytes_max: int) -> Iterator[tuple[int, bytes]]:
        """A file's lines; see `numbered_lines`. Raises DamagedFileError."""
        info = self._by_name[name]
        try:
            with self._zip.open(info) as file:
                for number, line in numbered_lines(_Metered(file, self), line_bytes_max):
                    self.position = info.compress_size * file.tell() // max(info.file_size, 1)
                    yield number, line
        except _FAULTS as error:
            raise DamagedFileError(f"{name} cannot be read: {error}") from error

    def _count(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise DamagedFileError(f"expands to more than {EXPANSION_MAX} times its size")

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()


class _Metered:
    def __init__(self, file: IO[bytes], archive: ChatArchive) -> None:
        self._file = file
        self._archive = archive

    def readline(self, limit: int, /) -> bytes:
        line = self._file.readline(limit)
        self._archive._count(len(line))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the archive's own stream
        return line

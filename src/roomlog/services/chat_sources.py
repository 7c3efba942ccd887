"""The formats that existing chat comes in, each a source of entries."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from roomlog.core import chat_items
from roomlog.core.chat_import import LINE_BYTES_MAX, parse_line
from roomlog.core.chat_items import BadEntryError, ChatItem, ChatMember, ChatRoom, Entry, parsed
from roomlog.core.decide import Limits
from roomlog.core.mattermost_export import POST_LINE_BYTES_MAX, MattermostExport
from roomlog.core.slack_export import (
    SlackChannel,
    SlackExport,
    SlackPeople,
    SlackUser,
    time_of,
)
from roomlog.services.chat_archive import ChatArchive
from roomlog.services.chat_file import ChatFile, DamagedFileError
from roomlog.services.post_store import PostStore

EXPORT_FILE_BYTES_MAX = 64 * 1024 * 1024
_T = TypeVar("_T")
_ZIP_MAGIC = b"PK\x03\x04"
_DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ChatSource(Protocol):
    """An open file of chat. `names`: what users are called, by id, as far as is known."""

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        ...

    @property
    def position(self) -> int:
        """How much of it has been read, in bytes."""
        ...

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def direct_left_out(self) -> int:
        """Direct conversations met: they belong to no room and are left out."""
        ...

    def entries(self) -> Iterator[Entry]:
        """All that the file says, in order. Raises DamagedFileError."""
        ...

    def close(self) -> None: ...


class JsonLines:
    """JSON Lines as roomlog defines them, plain or compressed with gzip."""

    def __init__(self, path: Path, limits: Limits) -> None:
        if _is_zip(path):
            raise DamagedFileError("is a zip archive: say --format slack or --format mattermost")
        self._file = ChatFile(path)
        self._limits = limits
        self.size = self._file.size
        self.names: Mapping[str, str] = {}
        self.direct_left_out = 0

    @property
    def position(self) -> int:
        """How much of it has been read, in bytes."""
        return self._file.position

    def entries(self) -> Iterator[Entry]:
        """An entry for each line; its place is the line's number."""
        for number, line in self._file.lines(LINE_BYTES_MAX):
            yield line_entry(number, line, self._limits)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def line_entry(number: int, line: bytes, limits: Limits) -> Entry:
    """The entry of one line of JSON."""
    try:
        return Entry(str(number), [parse_line(line, limits)])
    except BadEntryError as error:
        return Entry(str(number), error)


class SlackArchive:
    """A Slack export: a zip with `users.json`, `channels.json` and a folder for each channel."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._archive = ChatArchive(path)
        self._limits = limits
        self.size = self._archive.size
        self._names = self._archive.names
        lists = [n for n in self._names if n.rpartition("/")[2] in {"channels.json", "groups.json"}]
        if not lists:
            self.close()
            raise DamagedFileError("holds no channels.json: it is no Slack export")
        # An archive that was packed again has all of it in one folder.
        self._folder = min(lists, key=len).rpartition("/")[0]
        self._prefix = self._folder and self._folder + "/"
        try:
            users = self._list("users.json", SlackUser) + self._list("org_users.json", SlackUser)
            self._channels = self._list("channels.json", SlackChannel)
            self._channels += self._list("groups.json", SlackChannel)
            direct = self._list("dms.json", msgspec.Raw) + self._list("mpims.json", msgspec.Raw)
        except (BadEntryError, DamagedFileError) as error:
            self.close()
            raise DamagedFileError(str(error)) from error
        self.direct_left_out = len(direct)
        self._people = SlackPeople(users)
        self.names = self._people.names
        by_id = {channel.id: channel.name for channel in self._channels}
        self._export = SlackExport(self._people, by_id, limits)

    @property
    def position(self) -> int:
        """How much of it has been read, in bytes."""
        return self._archive.position

    def entries(self) -> Iterator[Entry]:
        """Channel by channel, day by day; an entry's place is its file and number there."""
        days: dict[str, list[str]] = {}
        for name in self._names:
            folder, _, file = name.removeprefix(self._prefix).rpartition("/")
            if _DAY.fullmatch(file):
                days.setdefault(folder, []).append(name)
        for channel in self._channels:
            yield from self._channel(channel, days.get(channel.name, []))

    def _channel(self, channel: SlackChannel, days: list[str]) -> Iterator[Entry]:
        room = channel.name
        place = f"channels.json: {channel.name}"
        title = chat_items.room_title(channel.topic.value or channel.purpose.value)
        last = ""

        def opened() -> Iterator[ChatItem]:
            yield ChatRoom(chat_items.room_name(room), _begun(channel, days), title)

        opening = parsed(place, opened())
        yield opening
        if isinstance(opening.said, BadEntryError):
            return
        for name in days:
            for entry in self._day(room, name):
                if not isinstance(entry.said, BadEntryError) and entry.said:
                    last = max(last, entry.said[0].at)
                yield entry

        def listed() -> Iterator[ChatItem]:
            at = last or _begun(channel, days)
            for member in channel.members:
                who = chat_items.user_id(self._people.id_of(member), "members")
                yield ChatMember(room, at, who)

        yield parsed(f"{place}: members", listed())

    def _day(self, room: str, name: str) -> Iterator[Entry]:
        place = name.removeprefix(self._prefix)
        try:
            data = self._archive.read(name, EXPORT_FILE_BYTES_MAX)
            told = msgspec.json.decode(data, type=list[msgspec.Raw])
        except BadEntryError as error:
            yield Entry(place, error)
            return
        except _FAULTS as error:
            yield Entry(place, chat_items.json_fault(error))
            return
        for number, raw in sorted(enumerate(told, 1), key=lambda one: time_of(one[1])):
            yield parsed(f"{place}:{number}", self._export.items(room, raw))

    def _list(self, name: str, kind: type[_T]) -> list[_T]:
        path = self._prefix + name
        if path not in self._names:
            return []
        try:
            return msgspec.json.decode(
                self._archive.read(path, EXPORT_FILE_BYTES_MAX), type=list[kind]
            )
        except _FAULTS as error:
            raise BadEntryError(f"{name}: {chat_items.json_fault(error)}") from error
        except BadEntryError as error:
            raise BadEntryError(f"{name}: {error}") from error

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class MattermostFile:
    """A Mattermost bulk export: JSON Lines, plain, in gzip, or the first `.jsonl` in a zip."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._file: ChatFile | ChatArchive = ChatArchive(path) if _is_zip(path) else ChatFile(path)
        self.size = self._file.size
        self._export = MattermostExport(limits)
        self._store = PostStore()
        self.names: Mapping[str, str] = self._export.names

    @property
    def position(self) -> int:
        """How much of it has been read, in bytes."""
        return self._file.position

    @property
    def direct_left_out(self) -> int:
        """Direct conversations met."""
        return self._export.direct_left_out

    def entries(self) -> Iterator[Entry]:
        """All lines are read first; posts follow by time. A place is a line's number."""
        for number, line in self._lines():
            place = str(number)
            try:
                posts = self._export.learn(line)
            except BadEntryError as error:
                yield Entry(place, error)
                continue
            root: str | None = None
            for post in posts:
                at = f"{place}: reply {post.nth}" if post.nth else place
                known = self._store.add(at, post, root)
                root = root or known
            yield Entry(place, [])
        for place, post, source_id, reply_to in self._store.in_order():
            yield parsed(place, self._export.opening(post.team, post.channel, post.at_ms))
            yield parsed(place, self._export.items(post, source_id, reply_to))
        for name, items in self._export.ending():
            yield parsed(f"channel {name}", items)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        if isinstance(self._file, ChatFile):
            return self._file.lines(POST_LINE_BYTES_MAX)
        inside = [name for name in self._file.names if name.endswith(".jsonl")]
        if not inside:
            raise DamagedFileError("holds no .jsonl file: it is no Mattermost export")
        return self._file.lines(min(inside, key=lambda n: (n.count("/"), n)), POST_LINE_BYTES_MAX)

    def close(self) -> None:
        """Close the file and let go of what was learned."""
        self._file.close()
        self._store.close()


SOURCES: Mapping[str, Callable[[Path, Limits], ChatSource]] = {
    "jsonl": JsonLines,
    "slack": SlackArchive,
    "mattermost": MattermostFile,
}


def _begun(channel: SlackChannel, days: list[str]) -> str:
    if channel.created or not days:
        return chat_items.time_of_ms(channel.created * 1000, "created")
    return chat_items.normalised_time(days[0].rpartition("/")[2].removesuffix(".json") + "T00:00Z")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC

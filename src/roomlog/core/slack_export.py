"""A Slack export as items of chat: `users.json`, `channels.json` and a file for each day.

Source: slack.com/help/articles/220556107 ("How to read Slack data exports") for the files,
docs.slack.dev ("message" event, its subtypes, "file" and "user" objects) for what they hold.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from roomlog.core import chat_items
from roomlog.core.chat_items import (
    BadEntryError,
    ChatDeletion,
    ChatEdit,
    ChatItem,
    ChatPassage,
    ChatReaction,
    ExportedMessage,
)
from roomlog.core.decide import REACTIONS_PER_MESSAGE_MAX, Limits
from roomlog.core.slack_text import as_typed, attachments_text, blocks_text
from roomlog_contract.types import MessageType

FILES_PER_MESSAGE_MAX = 100
EDIT_REASON = "edited before the export, which holds only the last text"
_TS = re.compile(r"([0-9]{1,11})\.([0-9]{1,9})")
_SAID = frozenset(
    {
        *("bot_message", "me_message", "file_share", "file_comment", "file_mention"),
        *("thread_broadcast", "reply_broadcast", "slackbot_response"),
    }
)
_JOINED = frozenset({"channel_join", "group_join"})
_LEFT = frozenset({"channel_leave", "group_leave"})
_SLACK = "slack"


class _Text(msgspec.Struct, frozen=True, gc=False):
    value: str = ""


class SlackChannel(msgspec.Struct, frozen=True, gc=False):
    """An entry of `channels.json` or `groups.json`; its days lie in the folder of its name."""

    id: str
    name: str
    created: int = 0
    members: list[str] = []
    topic: _Text = _Text()
    purpose: _Text = _Text()


class _Profile(msgspec.Struct, frozen=True, gc=False):
    email: str | None = None
    display_name: str | None = None
    real_name: str | None = None
    name: str | None = None


class SlackUser(msgspec.Struct, frozen=True, gc=False):
    """An entry of `users.json`."""

    id: str
    name: str = ""
    real_name: str | None = None
    profile: _Profile = _Profile()


class _Edited(msgspec.Struct, frozen=True, gc=False):
    user: str | None = None
    ts: str = ""


class _Reaction(msgspec.Struct, frozen=True, gc=False):
    name: str
    users: list[str] = []


class _File(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    size: int | None = None
    url_private: str | None = None
    permalink: str | None = None
    mode: str | None = None


class _Bot(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None


class _Message(msgspec.Struct, frozen=True):
    ts: str
    type: str = "message"
    subtype: str | None = None
    user: str | None = None
    text: str | None = ""
    thread_ts: str | None = None
    edited: _Edited | None = None
    reactions: list[_Reaction] = []
    files: list[_File | None] | None = None
    attachments: list[dict[str, Any]] | None = None
    blocks: list[Any] | None = None
    username: str | None = None
    bot_id: str | None = None
    bot_profile: _Bot | None = None
    user_profile: _Profile | None = None
    message: "_Message | None" = None
    deleted_ts: str | None = None


class _When(msgspec.Struct, frozen=True, gc=False):
    ts: str = ""


_decoder = msgspec.json.Decoder(_Message)
_when_decoder = msgspec.json.Decoder(_When)


def time_of(data: bytes | msgspec.Raw) -> str:
    """When an entry of a day's file was said, as a key to sort by; the unreadable come first."""
    try:
        whole, _, rest = _when_decoder.decode(data).ts.partition(".")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{whole:>12}.{rest}"


class SlackPeople:
    """Who the ids of an export are here: by e-mail where it is told, else by name."""

    def __init__(self, users: list[SlackUser]) -> None:
        """Accounts of one e-mail are one person; of two with one name, one gets the id added."""
        self.names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        taken: set[str] = set()
        for user in users:
            profile = user.profile
            plain = user.name or profile.display_name or profile.real_name or user.id
            who = profile.email or (plain if plain not in taken else f"{plain} ({user.id})")
            taken.add(who)
            self._ids[user.id] = who
            if name := profile.real_name or user.real_name or profile.display_name or user.name:
                self.names.setdefault(who, name)

    def id_of(self, slack_id: str) -> str:
        """The user id here; what the export does not know is called by its own id."""
        return self._ids.get(slack_id, slack_id)

    def knows(self, slack_id: str) -> bool:
        """Whether the export told of this id."""
        return slack_id in self._ids


class SlackExport:
    """Makes items of the messages of one export. `channels`: names by id, for references."""

    def __init__(self, people: SlackPeople, channels: Mapping[str, str], limits: Limits) -> None:
        self._people = people
        self._channels = channels
        self._limits = limits

    def items(self, room: str, data: bytes | msgspec.Raw) -> Iterator[ChatItem]:
        """What one entry of a day's file says. Raises BadEntryError while it is read."""
        try:
            entry = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise chat_items.json_fault(error) from error
        if entry.subtype == "message_changed" and entry.message is not None:
            yield self._change(room, entry, entry.message)
        elif entry.subtype == "message_deleted" and entry.deleted_ts:
            target = _source_id(entry.deleted_ts)
            yield ChatDeletion(room, _time(entry.ts), self._sender(entry), target)
        elif entry.subtype in _JOINED or entry.subtype in _LEFT:
            yield self._passage(room, entry)
        else:
            yield from self._message(room, entry)
        yield from self._reactions(room, entry)

    def _change(self, room: str, entry: _Message, now: _Message) -> ChatEdit:
        by = now.edited.user if now.edited is not None else None
        return ChatEdit(
            room=room,
            at=_time(entry.ts),
            actor=self._person(by) if by else self._sender(now),
            target=_source_id(now.ts),
            content=chat_items.text_of(self._text(now), self._limits),
        )

    def _passage(self, room: str, entry: _Message) -> ChatPassage:
        user = self._sender(entry)
        return ChatPassage(
            room=room,
            at=_time(entry.ts),
            actor=user,
            user=user,
            joined=entry.subtype in _JOINED,
            source_id=_source_id(entry.ts),
            kind=chat_items.kind_of(entry.subtype or ""),
            text=chat_items.text_of(self._text(entry), self._limits),
        )

    def _message(self, room: str, entry: _Message) -> Iterator[ChatItem]:
        source_id = _source_id(entry.ts)
        at, sender, raw = _time(entry.ts), self._sender(entry), _raw_text(entry)
        reply_to = entry.thread_ts if entry.thread_ts not in {None, entry.ts} else None
        kind, metadata = _kind(entry)
        text = self._typed(raw)
        if text != raw:
            metadata["source_text"] = raw
        first, *others = _references(entry) or [(kind, {})]
        if first[0] is not MessageType.TEXT:
            kind = first[0]
            metadata |= first[1]
        if unreachable := _unreachable(entry):
            metadata["files"] = unreachable
        answered = None if reply_to is None else _source_id(reply_to)

        def message(
            kind: MessageType, text: str, metadata: dict[str, Any], number: int
        ) -> ChatItem:
            return chat_items.said(
                ExportedMessage,
                room=room,
                at=at,
                sender=sender,
                message_type=kind,
                text=text,
                metadata=metadata,
                source_id=source_id if number == 0 else f"{source_id}:file:{number}",
                reply_to=answered,
                limits=self._limits,
            )

        yield message(kind, text, metadata, 0)
        for number, (file_kind, file_metadata) in enumerate(others, 1):
            yield message(file_kind, "", file_metadata, number)
        if entry.edited is not None and entry.edited.ts:
            yield ChatEdit(
                room=room,
                at=_time(entry.edited.ts),
                actor=self._person(entry.edited.user) if entry.edited.user else sender,
                target=source_id,
                content=chat_items.text_of(text, self._limits),
                reason=EDIT_REASON,
            )

    def _reactions(self, room: str, entry: _Message) -> Iterator[ChatReaction]:
        if sum(len(one.users) for one in entry.reactions) > REACTIONS_PER_MESSAGE_MAX:
            raise BadEntryError(
                f"reactions: a message has at most {REACTIONS_PER_MESSAGE_MAX} reactions"
            )
        for one in entry.reactions:
            emoji = chat_items.emoji_of(one.name)
            for user in one.users:
                # The export does not tell when somebody reacted.
                at, target = _time(entry.ts), _source_id(entry.ts)
                yield ChatReaction(room, at, self._person(user), target, emoji)

    def _sender(self, entry: _Message) -> str:
        bot = entry.bot_profile.name if entry.bot_profile is not None else None
        named = entry.username or bot
        if entry.user and (self._people.knows(entry.user) or not named):
            profile = entry.user_profile
            if not self._people.knows(entry.user) and profile is not None:
                named = profile.email or profile.name or profile.display_name or profile.real_name
                return chat_items.user_id(named or entry.user, "user")
            return self._person(entry.user)
        return chat_items.user_id(named or entry.bot_id or _SLACK, "user")

    def _person(self, slack_id: str) -> str:
        return chat_items.user_id(self._people.id_of(slack_id), "user")

    def _text(self, entry: _Message) -> str:
        return self._typed(_raw_text(entry))

    def _typed(self, raw: str) -> str:
        return as_typed(raw, self._people.id_of, self._channels)


def _raw_text(entry: _Message) -> str:
    lines = [entry.text] if entry.text else []
    lines += attachments_text(entry.attachments or [])
    return "\n".join(lines or blocks_text(entry.blocks or []))


def _kind(entry: _Message) -> tuple[MessageType, dict[str, Any]]:
    if entry.type != "message":
        return MessageType.SYSTEM, {"kind": chat_items.kind_of(entry.type)}
    if entry.subtype is None or entry.subtype in _SAID:
        return MessageType.TEXT, {"action": True} if entry.subtype == "me_message" else {}
    return MessageType.SYSTEM, {"kind": chat_items.kind_of(entry.subtype)}


def _files(entry: _Message) -> list[_File]:
    files = [file for file in entry.files or [] if file is not None]
    if len(files) > FILES_PER_MESSAGE_MAX:
        raise BadEntryError(f"files: at most {FILES_PER_MESSAGE_MAX} in one message")
    return files


def _references(entry: _Message) -> list[tuple[MessageType, dict[str, Any]]]:
    return [_reference(file, url) for file in _files(entry) if (url := _address(file))]


def _reference(file: _File, url: str) -> tuple[MessageType, dict[str, Any]]:
    kind = file.mimetype or "application/octet-stream"
    metadata: dict[str, Any] = {"url": url, "content_type": kind}
    if file.size is not None:
        metadata["size"] = file.size
    name = file.name or file.title or file.id or "file"
    metadata["filename"] = name[:255]
    image = kind.startswith("image/")
    return (MessageType.IMAGE_REF if image else MessageType.FILE_REF), metadata


def _address(file: _File) -> str | None:
    """Where the file lies, without the token that exports add to its address."""
    for given in (file.url_private, file.permalink):
        if given and given.startswith("https://"):
            try:
                parts = urlsplit(given)
                query = [(k, v) for k, v in parse_qsl(parts.query) if k != "t"]
            except ValueError:
                continue
            return urlunsplit(parts._replace(query=urlencode(query)))
    return None


def _unreachable(entry: _Message) -> list[dict[str, Any]]:
    return [
        {"name": file.name or file.title or file.id, "mode": file.mode or ""}
        for file in _files(entry)
        if not _address(file)
    ]


def _source_id(ts: str) -> str:
    _time(ts)
    return f"slack:{ts}"


def _time(ts: str) -> str:
    found = _TS.fullmatch(ts)
    if found is None:
        raise BadEntryError(f"ts: {ts[:40]!r} is not a time such as 1512085950.000216")
    return chat_items.time_of_ms(int(found[1]) * 1000 + int(found[2][:3].ljust(3, "0")), "ts")

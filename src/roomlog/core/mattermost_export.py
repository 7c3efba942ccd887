"""A Mattermost bulk export as items of chat: JSON Lines of users, channels and posts.

Posts come in no order of time, and each holds its replies: all lines are learned first, then the
posts are told in the order in which they were said. Source: docs.mattermost.com, "Bulk loading
data" (the export has the same form) and "Bulk export tool".
"""

from collections.abc import Iterator
from typing import Any, TypeVar, cast

import msgspec

from roomlog.core import chat_items
from roomlog.core.chat_items import (
    BadEntryError,
    ChatEdit,
    ChatItem,
    ChatMember,
    ChatPassage,
    ChatReaction,
    ChatRoom,
    ExportedMessage,
)
from roomlog.core.decide import REACTIONS_PER_MESSAGE_MAX, Limits
from roomlog.core.slack_export import EDIT_REASON
from roomlog.core.slack_text import attachments_text
from roomlog_contract.types import MessageType

POST_LINE_BYTES_MAX = 16 * 1024 * 1024
MEMBERSHIPS_MAX = 1_000_000
USERS_MAX = 1_000_000
CHANNELS_MAX = 100_000
_JOINED = frozenset({"system_join_channel", "system_add_to_channel"})
_LEFT = frozenset({"system_leave_channel", "system_remove_from_channel"})


class _Reaction(msgspec.Struct, frozen=True, gc=False):
    user: str
    emoji_name: str
    create_at: int


class _Attachment(msgspec.Struct, frozen=True, gc=False):
    path: str = ""


class _Post(msgspec.Struct, frozen=True):
    """A post, or one of its replies, which name neither team nor channel."""

    user: str
    create_at: int
    team: str = ""
    channel: str = ""
    type: str | None = None
    message: str | None = ""
    props: dict[str, Any] | None = None
    edit_at: int | None = None
    reactions: list[_Reaction] | None = None
    replies: list[msgspec.Raw] | None = None
    attachments: list[_Attachment] | None = None


class _ChannelLine(msgspec.Struct, frozen=True, gc=False):
    team: str
    name: str
    display_name: str | None = None


class _ChannelMembership(msgspec.Struct, frozen=True, gc=False):
    name: str


class _TeamMembership(msgspec.Struct, frozen=True, gc=False):
    name: str
    channels: list[_ChannelMembership] | None = None


class _User(msgspec.Struct, frozen=True):
    username: str
    email: str | None = None
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    teams: list[_TeamMembership] | None = None


class _Bot(msgspec.Struct, frozen=True, gc=False):
    username: str
    display_name: str | None = None


class _Team(msgspec.Struct, frozen=True, gc=False):
    name: str


class _Info(msgspec.Struct, frozen=True, gc=False):
    created: str | None = None


class _Line(msgspec.Struct, frozen=True):
    type: str
    info: _Info | None = None
    team: _Team | None = None
    channel: _ChannelLine | None = None
    user: _User | None = None
    bot: _Bot | None = None
    post: msgspec.Raw = msgspec.Raw()


class NewPost(msgspec.Struct, frozen=True):
    """A post, or one of a post's replies, to be told later: its JSON in `data`, and `nth`, which
    reply it is of the post before it (from 1; 0 for the post itself)."""

    team: str
    channel: str
    user: str
    at_ms: int
    data: bytes
    nth: int = 0


class _Channel:
    """What is known of a channel so far. `last_at`: when something was last said in it."""

    def __init__(self, team: str, name: str, title: str | None) -> None:
        self.team = team
        self.name = name
        self.title = title
        self.members: list[str] = []
        self.last_at: str | None = None


_line_decoder = msgspec.json.Decoder(_Line)
_post_decoder = msgspec.json.Decoder(_Post)
_T = TypeVar("_T")
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class MattermostExport:
    """Learns the lines of one export, then tells what its posts say.

    `names`: how users here are called. `direct_left_out` counts direct conversations, which
    belong to no room.
    """

    def __init__(self, limits: Limits) -> None:
        self.names: dict[str, str] = {}
        self.direct_left_out = 0
        self._limits = limits
        self._teams: set[str] = set()
        self._channels: dict[tuple[str, str], _Channel] = {}
        self._people: dict[str, str] = {}
        self._memberships = 0
        self._made_at: str | None = None
        self._latest: str | None = None

    def learn(self, data: bytes) -> list[NewPost]:
        """Take a line in; the post of the line and its replies. Raises BadEntryError."""
        if len(data) > POST_LINE_BYTES_MAX:
            raise BadEntryError(f"the line is longer than {POST_LINE_BYTES_MAX} bytes")
        match _decoded(_line_decoder, data):
            case _Line(type="post", post=raw) if bytes(raw):
                return self._posts(raw)
            case _Line(type="version", info=_Info(created=str(created))):
                self._made_at = chat_items.normalised_time(created)
            case _Line(type="team", team=_Team() as team):
                self._teams.add(team.name)
            case _Line(type="channel", channel=_ChannelLine() as one):
                known = self._channel(one.team, one.name)
                known.title = chat_items.room_title(one.display_name or "")
            case _Line(type="user", user=_User() as user):
                self._learn_user(user)
            case _Line(type="bot", bot=_Bot() as bot):
                self._learn_person(bot.username, bot.username, bot.display_name or "")
            case _Line(type="direct_channel"):
                self.direct_left_out += 1
            case _Line(type="post" | "team" | "channel" | "user" | "bot" as kind):
                raise BadEntryError(f"object missing required field {kind}")
            case _:
                pass
        return []

    def opening(self, team: str, channel: str, at_ms: int) -> Iterator[ChatItem]:
        """The room of a channel, where this is the first that is told of it. BadEntryError."""
        known = self._channel(team, channel)
        at = chat_items.time_of_ms(at_ms, "create_at")
        if known.last_at is None:
            yield ChatRoom(self._room(known), at, known.title)
        known.last_at = self._latest = at

    def items(self, post: NewPost, source_id: str, reply_to: str | None) -> Iterator[ChatItem]:
        """What a post says, under ids that the caller made. BadEntryError while it is read."""
        room = self._room(self._channel(post.team, post.channel))
        at = chat_items.time_of_ms(post.at_ms, "create_at")
        told = _decoded(_post_decoder, post.data)
        if told.type in _JOINED or told.type in _LEFT:
            yield self._passage(room, at, told, source_id)
        else:
            yield from self._said(room, at, told, source_id, reply_to)
        if len(told.reactions or []) > REACTIONS_PER_MESSAGE_MAX:
            raise BadEntryError(
                f"reactions: a message has at most {REACTIONS_PER_MESSAGE_MAX} reactions"
            )
        for one in told.reactions or []:
            when = chat_items.time_of_ms(one.create_at, "reactions.create_at")
            emoji = chat_items.emoji_of(one.emoji_name)
            yield ChatReaction(room, when, self._person(one.user), source_id, emoji)

    def ending(self) -> Iterator[tuple[str, Iterator[ChatItem]]]:
        """Channels where nothing was said, and members who said nothing, by channel's name."""
        for channel in self._channels.values():
            at = channel.last_at or self._latest or self._made_at
            if at is not None:
                yield channel.name, self._silent(channel, at)

    def _silent(self, channel: _Channel, at: str) -> Iterator[ChatItem]:
        room = self._room(channel)
        if channel.last_at is None:
            yield ChatRoom(room, at, channel.title)
        for username in channel.members:
            yield ChatMember(room, at, self._person(username))

    def _posts(self, raw: msgspec.Raw) -> list[NewPost]:
        post = _decoded(_post_decoder, raw)
        if not post.channel:
            raise BadEntryError("post: object missing required field channel")
        self._channel(post.team, post.channel)
        chat_items.time_of_ms(post.create_at, "post.create_at")
        posts = [NewPost(post.team, post.channel, post.user, post.create_at, bytes(raw))]
        for nth, one in enumerate(post.replies or [], 1):
            try:
                reply = _decoded(_post_decoder, one)
                chat_items.time_of_ms(reply.create_at, "create_at")
            except BadEntryError as error:
                raise BadEntryError(f"reply {nth}: {error}") from error
            posts.append(
                NewPost(post.team, post.channel, reply.user, reply.create_at, bytes(one), nth)
            )
        return posts

    def _learn_user(self, user: _User) -> None:
        full = f"{user.first_name or ''} {user.last_name or ''}".strip()
        self._learn_person(user.username, user.email or user.username, full or user.nickname or "")
        for team in user.teams or []:
            for channel in team.channels or []:
                self._memberships += 1
                if self._memberships > MEMBERSHIPS_MAX:
                    raise BadEntryError(f"user: at most {MEMBERSHIPS_MAX} memberships in a file")
                self._channel(team.name, channel.name).members.append(user.username)

    def _learn_person(self, username: str, user_id: str, name: str) -> None:
        if len(self._people) >= USERS_MAX:
            raise BadEntryError(f"user: at most {USERS_MAX} users in a file")
        self._people[username] = chat_items.user_id(user_id, "user")
        if name:
            self.names[user_id] = name

    def _channel(self, team: str, name: str) -> _Channel:
        channel = self._channels.get((team, name))
        if channel is None:
            if len(self._channels) >= CHANNELS_MAX:
                raise BadEntryError(f"channel: at most {CHANNELS_MAX} channels in a file")
            channel = self._channels[team, name] = _Channel(team, name, None)
        return channel

    def _room(self, channel: _Channel) -> str:
        # One team's channels go by their names alone; of several teams they may be the same.
        several = len(self._teams) > 1
        return chat_items.room_name(f"{channel.team}/{channel.name}" if several else channel.name)

    def _person(self, username: str) -> str:
        return chat_items.user_id(self._people.get(username, username), "user")

    def _said(
        self, room: str, at: str, post: _Post, source_id: str, root: str | None
    ) -> Iterator[ChatItem]:
        kind, metadata = MessageType.TEXT, cast("dict[str, Any]", {})
        if post.type == "me":
            metadata["action"] = True
        elif (post.type or "").startswith("system_"):
            kind = MessageType.SYSTEM
            metadata["kind"] = chat_items.kind_of(post.type or "")
        if post.attachments:
            metadata["files"] = [{"name": one.path} for one in post.attachments]
        text = _text(post)
        yield chat_items.said(
            ExportedMessage,
            room=room,
            at=at,
            sender=self._person(post.user),
            message_type=kind,
            text=text,
            metadata=metadata,
            source_id=source_id,
            reply_to=root,
            limits=self._limits,
        )
        if post.edit_at and post.edit_at > post.create_at:
            when = chat_items.time_of_ms(post.edit_at, "edit_at")
            who = self._person(post.user)
            yield ChatEdit(room, when, who, source_id, text, EDIT_REASON)

    def _passage(self, room: str, at: str, post: _Post, source_id: str) -> ChatPassage:
        props = post.props or {}
        joined = post.type in _JOINED
        named = props.get("addedUsername" if joined else "removedUsername")
        return ChatPassage(
            room=room,
            at=at,
            actor=self._person(post.user),
            user=self._person(named if isinstance(named, str) else post.user),
            joined=joined,
            source_id=source_id,
            kind=chat_items.kind_of(post.type or ""),
            text=chat_items.text_of(_text(post), self._limits),
        )


def _decoded(decoder: "msgspec.json.Decoder[_T]", data: bytes | msgspec.Raw) -> _T:
    try:
        return decoder.decode(data)
    except _FAULTS as error:
        raise chat_items.json_fault(error) from error


def _text(post: _Post) -> str:
    attachments = (post.props or {}).get("attachments")
    lines = [post.message] if post.message else []
    if isinstance(attachments, list):
        given = [one for one in cast("list[Any]", attachments) if isinstance(one, dict)]
        lines += attachments_text(cast("list[dict[str, Any]]", given))
    return "\n".join(lines)

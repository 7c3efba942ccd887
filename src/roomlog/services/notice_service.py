"""What people are told beside the log: notifications to one, notices to all."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from roomlog.core import policy
from roomlog.core.decide import MENTIONS_FIELD, Limits, message_text
from roomlog.core.mentions import mentioned_users
from roomlog.core.policy import Actor
from roomlog.core.upcasters import decode_body, decode_event
from roomlog.ports import LogUnavailableError
from roomlog.presence_ports import Notices, PersonalNotice, PublicNotice
from roomlog.services import identity
from roomlog.services.once import Once
from roomlog.services.writer import Receipt, check_key
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import RoomState
from roomlog_contract.frames import Notice, Notification
from roomlog_contract.stored import MessageEditedBody, MessageSentBody
from roomlog_contract.types import NotificationKind

USERS_PER_NOTICE_MAX = 1000
NOTICES_REMEMBERED_MAX = 1024

_log = logging.getLogger(__name__)


class NoticeService:
    """Tells users of what concerns them, on whichever node they are connected.

    A notification may be lost, at worst with its node: the log has what it told of.
    """

    def __init__(self, notices: Notices, limits: Limits, once: Once) -> None:
        self._notices = notices
        self._limits = limits
        self._once = once

    def on_personal(self, listener: Callable[[PersonalNotice], None]) -> None:
        """Have `listener` called for each notification."""
        self._notices.on_personal(listener)

    def on_public(self, listener: Callable[[Notice], None]) -> None:
        """Have `listener` called for each notice to all, once however often it was sent."""

        heard: OrderedDict[str, None] = OrderedDict()

        def take(public: PublicNotice) -> None:
            if public.notice_id not in heard:
                heard[public.notice_id] = None
                while len(heard) > NOTICES_REMEMBERED_MAX:
                    heard.popitem(last=False)
                listener(public.notice)

        self._notices.on_public(take)

    async def broadcast(
        self, actor: Actor, command: rs.BroadcastRequest, key: str | None
    ) -> tuple[str, bool]:
        """Send a notice to every connection: its id, and whether the key had been used for it
        before, in which case nothing is sent.

        Raises RefusedError `forbidden`, `invalid`, `too_large`, `idempotency_mismatch`, and
        LogUnavailableError.
        """
        notice_id = identity.new_id()
        if key is not None:
            check_key(key)
            notice_id = identity.keyed_notice_id(actor.user_id, key)

        async def check() -> None:
            policy.require_broadcast(actor)
            self._notice(command)

        async def send() -> None:
            await self._notices.broadcast(PublicNotice(notice_id, self._notice(command)))
            _log.info("a notice to all", extra={"user_id": actor.user_id, "notice_id": notice_id})

        if key is None:
            await check()
            await send()
            return notice_id, False
        request = ("broadcast", command)
        return notice_id, await self._once.run(notice_id, request, check=check, do=send)

    def _notice(self, command: rs.BroadcastRequest) -> Notice:
        content = message_text(command.content, "content", self._limits)
        if not content.strip():
            raise RefusedError(ErrorCode.INVALID, "must not be empty", field="content")
        return Notice(content=content)

    def mentioned(
        self, room: RoomState, author: Actor, receipt: Receipt, before: Collection[str] = ()
    ) -> None:
        """Tell those whom a new message, or its edit, mentions and who were not so `before`."""
        # Of text that says so, every quote is escaped: these bytes are a field's name.
        if receipt.repeated or b'"mentions":' not in receipt.data:
            return
        body = decode_body(decode_event(receipt.data))
        assert isinstance(body, MessageSentBody | MessageEditedBody)
        mentions = (body.metadata or {}).get(MENTIONS_FIELD, ())
        old = set(mentioned_users(before, room.members, author.user_id)) if before else set[str]()
        users = mentioned_users(mentions, room.members, author.user_id)
        self._notify(NotificationKind.MENTION, [user for user in users if user not in old], receipt)

    def added(self, users: Sequence[str], receipt: Receipt) -> None:
        """Tell users that they are members now."""
        self._notify(NotificationKind.ADDED, users, receipt)

    def removed(self, user: str, receipt: Receipt) -> None:
        """Tell a user that the membership ended."""
        self._notify(NotificationKind.REMOVED, [user], receipt)

    def _notify(self, kind: NotificationKind, users: Sequence[str], receipt: Receipt) -> None:
        if receipt.repeated:
            return
        told = Notification(kind=kind, room_id=receipt.room_id, sequence=receipt.sequence)
        try:
            for start in range(0, len(users), USERS_PER_NOTICE_MAX):
                part = list(users[start : start + USERS_PER_NOTICE_MAX])
                self._notices.notify(PersonalNotice(part, told))
        except LogUnavailableError:
            _log.warning("a notification was lost: no connection to NATS")

"""decide -> append, with idempotency: the only way in which events come to be.

An event's id is made from room, actor and idempotency key. The log itself answers a repetition
within its duplicate window; an older one is found by `used_ids`; a digest of the request in the
event's body tells a repetition from another request under the same key.
"""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec

from roomlog import tracing
from roomlog.core.decide import Fact, stamp
from roomlog.core.limits import Quota
from roomlog.core.policy import Actor
from roomlog.core.upcasters import decode_body, decode_event
from roomlog.ports import (
    EVENT_BYTES_MAX,
    Clock,
    EventLog,
    LogUnavailableError,
    NewEvent,
    RoomNotEmptyError,
)
from roomlog.services import identity, operations
from roomlog.services.fresh_keys import FreshKeys
from roomlog.services.limiter import Grant, Limited, Limiter, Rates
from roomlog.services.used_ids import UsedIds
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import RoomState
from roomlog_contract.resources import IDEMPOTENCY_KEY_BYTES_MAX

_RETRY_AFTER_S = 1.0


class Command(msgspec.Struct, frozen=True):
    """What somebody asks for in a room. `request` is what the digest is made of, its name first.

    `limited` says under which limits it falls, and the room as it is; None where it falls under
    none.
    """

    room_id: str
    actor: Actor
    key: str | None
    request: tuple[object, ...]
    first: bool = False
    limited: tuple[Limited, RoomState] | None = None


class Receipt(msgspec.Struct, frozen=True):
    """An event's place in the log, fsynced. `sequence` is that of a command's last event.

    `repeated`: the key had been used for this same request before, and this is what it led to.
    `data` are the stored bytes of the command's first event. `quotas` say what is left of the
    limits that it fell under.
    """

    room_id: str
    event_id: str
    sequence: int
    at: str
    data: bytes
    repeated: bool = False
    quotas: tuple[Quota, ...] = ()

    @property
    def message_id(self) -> str:
        """The message that the event sent or is about."""
        return decode_event(self.data).message_id or self.event_id


Decide = Callable[[], Sequence[Fact]]
Refresh = Callable[[], Awaitable[None]]


class Writer:
    """Appends what commands decide."""

    def __init__(
        self,
        log: EventLog,
        used: UsedIds,
        keys: FreshKeys,
        clock: Clock,
        limiter: Limiter | None = None,
    ) -> None:
        """Without a `limiter` nothing is limited."""
        self._limiter = limiter or Limiter(Rates(), clock)
        self._log = log
        self._used = used
        self._keys = keys
        self._clock = clock

    def appends_at_once(self, actor: Actor, key: str | None) -> bool:
        """Whether a write under this key asks nobody before it appends."""
        return key is None or self._keys.is_fresh(actor.user_id, key, self._clock.now())

    async def write(
        self, command: Command, decide: Decide, *, refresh: Refresh | None = None
    ) -> Receipt | None:
        """Decide and append; None where there was nothing to do and no earlier event either.

        `refresh` brings what `decide` judges by up to the log: it is awaited before a refusal,
        and before the word that there is nothing to do, so that neither is told of the past.

        Raises RefusedError with whatever the decision says, `idempotency_mismatch`,
        `projection_behind` (an old key can't be judged now), `rate_limited` and `spam` (never for a
        key that is known to have been used), `log_unavailable` (its detail says
        whether the outcome is unknown), and DatabaseUnavailableError where a key needs the tables.
        """
        receipt = await self._decide_and_append(command, decide, refresh)
        quotas = () if receipt is None or receipt.quotas else self.left(command)
        return msgspec.structs.replace(receipt, quotas=quotas) if receipt and quotas else receipt

    def left(self, command: Command) -> tuple[Quota, ...]:
        """What is left of the limits that a command falls under, while it is not charged."""
        if command.limited is None:
            return ()
        kind, room = command.limited
        return self._limiter.left(kind, command.actor, room)

    async def _decide_and_append(
        self, command: Command, decide: Decide, refresh: Refresh | None
    ) -> Receipt | None:
        key, now = command.key, self._clock.now()
        if key is None:
            event_id, digest = identity.new_id(), None
        else:
            check_key(key)
            event_id = identity.keyed_event_id(command.room_id, command.actor.user_id, key)
            digest = identity.request_digest(command.request)
            # Of a room's first event the log itself says at any time whether it was there.
            fresh = command.first or await self._keys.judge(command.actor.user_id, key, now)
            if not fresh:
                earlier = await self._earlier(command.room_id, event_id, digest)
                if earlier is not None:
                    return earlier
        try:
            facts = await _decided(decide, refresh)
        except RefusedError:
            if key is None:
                raise
            earlier = await self._earlier(command.room_id, event_id, digest, up_to_now=True)
            if earlier is None:
                raise
            return earlier
        if not facts:
            if key is None:
                return None
            return await self._earlier(command.room_id, event_id, digest, up_to_now=True)
        with tracing.span("append", {"roomlog.event": facts[0].type}):
            return await self._append(command, facts, event_id, digest, identity.rfc3339(now))

    async def _append(
        self,
        command: Command,
        facts: Sequence[Fact],
        event_id: str,
        digest: str | None,
        at: str,
    ) -> Receipt:
        if command.limited is None:
            return await self._append_free(command, facts, event_id, digest, at)
        kind, room = command.limited
        known_id = None if command.key is None else event_id
        grant = self._limiter.admit(kind, command.actor, room, facts[0], known_id)
        return await _granted(grant, self._append_free(command, facts, event_id, digest, at))

    async def _append_free(
        self,
        command: Command,
        facts: Sequence[Fact],
        event_id: str,
        digest: str | None,
        at: str,
    ) -> Receipt:
        ids = [event_id]
        for n in range(1, len(facts)):
            keyed = command.key is not None
            ids.append(str(uuid5(UUID(event_id), str(n))) if keyed else identity.new_id())
        actor, trace = command.actor.user_id, tracing.event_headers()
        events = [
            NewEvent(i, stamp(f, command.room_id, actor, at, identity.new_stamp(i, digest)), trace)
            for i, f in zip(ids, facts, strict=True)
        ]
        if any(len(event.data) > EVENT_BYTES_MAX for event in events):
            raise RefusedError(ErrorCode.TOO_LARGE, f"an event has at most {EVENT_BYTES_MAX} bytes")
        try:
            appended = await self._log.append(command.room_id, events, first=command.first)
        except LogUnavailableError as error:
            detail = error.detail
            if error.outcome_unknown:
                detail += "; whether it was appended is unknown: retry with the same key"
            raise RefusedError(
                ErrorCode.LOG_UNAVAILABLE, detail, retry_after_s=_RETRY_AFTER_S
            ) from error
        except RoomNotEmptyError as error:
            raise RefusedError(
                ErrorCode.IDEMPOTENCY_MISMATCH, "this key made another room before"
            ) from error
        last = appended[-1].sequence
        if appended[0].duplicate and digest is not None:
            first = appended[0].sequence
            earlier = await self._repetition(command.room_id, event_id, first, digest, last)
            # Its salt tells this very event, which an attempt of the log's own put there before
            # its connection was lost, from one of an earlier request.
            if earlier.data != events[0].data:
                return earlier
        operations.record(command, facts, event_id, last)
        return Receipt(command.room_id, event_id, last, at, events[0].data)

    async def _earlier(
        self, room_id: str, event_id: str, digest: str | None, *, up_to_now: bool = False
    ) -> Receipt | None:
        sequence = await self._used.find(room_id, event_id, up_to_now=up_to_now)
        if sequence is None:
            return None
        return await self._repetition(room_id, event_id, sequence, digest, sequence)

    async def _repetition(
        self, room_id: str, event_id: str, sequence: int, digest: str | None, last: int
    ) -> Receipt:
        logged = await self._log.event_at(room_id, sequence)
        if logged is None:
            raise RefusedError(
                ErrorCode.ALREADY_DELETED, "what was written under this key has been redacted"
            )
        stored = decode_event(logged.data)
        if decode_body(stored).digest != digest:
            raise RefusedError(
                ErrorCode.IDEMPOTENCY_MISMATCH, "this key was used for another request"
            )
        return Receipt(room_id, event_id, last, stored.at, logged.data, repeated=True)


async def _granted(grant: Grant, appending: Coroutine[Any, Any, Receipt]) -> Receipt:
    """Charge for what may be in the log, and for nothing else."""
    try:
        receipt = await appending
    except RefusedError as error:
        cause = error.__cause__
        if isinstance(cause, LogUnavailableError) and cause.outcome_unknown:
            grant.done()
        else:
            grant.undo()
        raise
    except BaseException:
        grant.done()
        raise
    if receipt.repeated:
        grant.undo()
    else:
        grant.done()
    return msgspec.structs.replace(receipt, quotas=grant.quotas)


async def _decided(decide: Decide, refresh: Refresh | None) -> Sequence[Fact]:
    if refresh is None:
        return decide()
    with contextlib.suppress(RefusedError):
        if facts := decide():
            return facts
    await refresh()
    return decide()


def check_key(key: str) -> None:
    """Raise RefusedError `invalid` for a key that is empty or too long."""
    if not key or len(key.encode("utf-8", "surrogatepass")) > IDEMPOTENCY_KEY_BYTES_MAX:
        raise RefusedError(
            ErrorCode.INVALID,
            f"must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes",
            field="Idempotency-Key",
        )

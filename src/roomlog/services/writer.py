"""decide -> append, with idempotency: the only way in which events come to be.

An event's id is made from room, actor and idempotency key. The log itself answers a repetition
within its duplicate window; an older one is found by `used_ids`; a digest of the request in the
event's body tells a repetition from another request under the same key.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime
from types import TracebackType
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from roomlog import tracing
from roomlog.core.decide import Fact, stamp
from roomlog.core.limits import Quota
from roomlog.core.policy import Actor
from roomlog.core.times import rfc3339
from roomlog.core.upcasters import decode_body, decode_event
from roomlog.ports import (
    EVENT_BYTES_MAX,
    Appended,
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

    `message_id` is the message that the command's first event sent or is about, else that event.
    `repeated`: the key had been used for this same request before, and this is what it led to.
    `data` are the stored bytes of the command's first event. `quotas` say what is left of the
    limits that it fell under.
    """

    room_id: str
    event_id: str
    message_id: str
    sequence: int
    at: str
    data: bytes
    repeated: bool = False
    quotas: tuple[Quota, ...] = ()


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
        if receipt is None or not (quotas := self.left(command)):
            return receipt
        return msgspec.structs.replace(receipt, quotas=quotas)

    def left(self, command: Command) -> tuple[Quota, ...]:
        """What is left of the limits that a command falls under, charged or not."""
        if command.limited is None:
            return ()
        kind, room = command.limited
        return self._limiter.left(kind, command.actor, room)

    def begin_at_once(self, command: Command, decide: Decide) -> "Appending | None":
        """Decide and begin to append, if that takes asking nobody and nothing is refused; else
        None, and nothing has happened: `write` does and says what is right.

        What was begun is concluded as with `begin`, whose errors it raises.
        """
        self._require_place(command)
        key, now = command.key, self._clock.now()
        if key is not None and not self._keys.is_fresh(command.actor.user_id, key, now):
            return None
        try:
            event_id, digest = _identify(command)
            facts = decide()
        except RefusedError:
            return None
        return self.begin(command, facts, event_id, digest, now) if facts else None

    def _require_place(self, command: Command) -> None:
        try:
            self._log.require_place(command.room_id)
        except LogUnavailableError as error:
            raise _refused(error) from error

    async def _decide_and_append(
        self, command: Command, decide: Decide, refresh: Refresh | None
    ) -> Receipt | None:
        self._require_place(command)
        key, now = command.key, self._clock.now()
        event_id, digest = _identify(command)
        if key is not None:
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
        return await self.conclude(self.begin(command, facts, event_id, digest, now))

    def begin(
        self,
        command: Command,
        facts: Sequence[Fact],
        event_id: str,
        digest: str | None,
        now: datetime,
    ) -> "Appending":
        """Begin to append what was decided, behind all that was begun before.

        The caller has `conclude` tell how it ended, or `receipt_of` once it has. Raises
        RefusedError `rate_limited`, `spam`, `too_large`, `log_unavailable`: then nothing is
        appended.
        """
        grant = None
        if command.limited is not None:
            kind, room = command.limited
            known_id = None if command.key is None else event_id
            grant = self._limiter.admit(kind, command.actor, room, facts[0], known_id)
        at = rfc3339(now)
        span = tracing.open_span("append", {"roomlog.event": facts[0].type})
        with _Accounted(grant, span), span.entered():
            events = _events(command, facts, event_id, digest, at)
            appended = self._log.begin_append(command.room_id, events, first=command.first)
        return Appending(command, facts, events[0], digest, at, grant, span, appended)

    def receipt_of(self, begun: "Appending") -> Receipt | None:
        """What became of an append that is done; None where only the log can tell, which
        `conclude` asks. Raises as `write`."""
        with _Accounted(begun.grant, begun.span):
            appended = begun.appended.result()
        if appended[0].duplicate and begun.digest is not None:
            return None
        return self._taken(begun, appended[-1].sequence)

    async def conclude(self, begun: "Appending") -> Receipt:
        """What became of an append, as soon as it is known. Raises as `write`."""
        event, digest = begun.event, begun.digest
        with _Accounted(begun.grant, begun.span):
            appended = await begun.appended
            last = appended[-1].sequence
            earlier = None
            if appended[0].duplicate and digest is not None:
                with _appended():
                    earlier = await self._repetition(
                        begun.command.room_id, event.event_id, appended[0].sequence, digest, last
                    )
        # Its salt tells this very event, which an attempt of the log's own put there before its
        # connection was lost, from one of an earlier request.
        if earlier is None or earlier.data == event.data:
            return self._taken(begun, last)
        begun.span.end()
        if begun.grant is not None:
            begun.grant.undo()
        return earlier

    def _taken(self, begun: "Appending", last: int) -> Receipt:
        command, event = begun.command, begun.event
        begun.span.end()
        if begun.grant is not None:
            begun.grant.done()
        operations.record(command, begun.facts, event.event_id, last)
        message_id = begun.facts[0].message_id or event.event_id
        return Receipt(command.room_id, event.event_id, message_id, last, begun.at, event.data)

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
        message_id = stored.message_id or event_id
        return Receipt(room_id, event_id, message_id, last, stored.at, logged.data, repeated=True)


class Appending(NamedTuple):
    """An append under way: what was asked and decided, its first event, the log's answer."""

    command: Command
    facts: Sequence[Fact]
    event: NewEvent
    digest: str | None
    at: str
    grant: Grant | None
    span: tracing.OpenSpan
    appended: asyncio.Future[list[Appended]]


def _identify(command: Command) -> tuple[str, str | None]:
    """The id of the command's first event and its request's digest. Raises RefusedError."""
    if command.key is None:
        return identity.new_id(), None
    check_key(command.key)
    event_id = identity.keyed_event_id(command.room_id, command.actor.user_id, command.key)
    return event_id, identity.request_digest(command.request)


def _events(
    command: Command, facts: Sequence[Fact], event_id: str, digest: str | None, at: str
) -> list[NewEvent]:
    room_id, actor, trace = command.room_id, command.actor.user_id, tracing.event_headers()
    ids = [event_id]
    for n, fact in enumerate(facts[1:], 1):
        if fact.key is not None:
            ids.append(identity.keyed_event_id(room_id, actor, fact.key))
        elif command.key is not None:
            ids.append(str(uuid5(UUID(event_id), str(n))))
        else:
            ids.append(identity.new_id())
    events = [
        NewEvent(i, stamp(f, room_id, actor, at, identity.new_stamp(i, digest)), trace)
        for i, f in zip(ids, facts, strict=True)
    ]
    if any(len(event.data) > EVENT_BYTES_MAX for event in events):
        raise RefusedError(ErrorCode.TOO_LARGE, f"an event has at most {EVENT_BYTES_MAX} bytes")
    return events


class _Accounted:
    """Around what appends: where it fails, it has ended, what may be in the log is charged for,
    and nothing else; and the log's failures become refusals."""

    __slots__ = ("_grant", "_span")

    def __init__(self, grant: Grant | None, span: tracing.OpenSpan) -> None:
        self._grant = grant
        self._span = span

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        del kind, at
        if error is None:
            return
        self._span.end()
        unknown = isinstance(error, LogUnavailableError) and error.outcome_unknown
        definite = isinstance(error, RefusedError | LogUnavailableError | RoomNotEmptyError)
        if self._grant is not None:
            if definite and not unknown:
                self._grant.undo()
            else:
                self._grant.done()
        if isinstance(error, LogUnavailableError):
            raise _refused(error) from error
        if isinstance(error, RoomNotEmptyError):
            raise RefusedError(
                ErrorCode.IDEMPOTENCY_MISMATCH, "this key made another room before"
            ) from error


def _refused(error: LogUnavailableError) -> RefusedError:
    detail = error.detail
    if error.outcome_unknown:
        detail += "; whether it was appended is unknown: retry with the same key"
    return RefusedError(ErrorCode.LOG_UNAVAILABLE, detail, retry_after_s=_RETRY_AFTER_S)


@contextlib.contextmanager
def _appended() -> Generator[None]:
    """Around what finds out whose event it is that stands there: it may be this attempt's own."""
    try:
        yield
    except LogUnavailableError as error:
        raise LogUnavailableError(error.detail, outcome_unknown=True) from error


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

"""Who waits for which command, and what they are told."""

import asyncio
from collections.abc import Callable

import msgspec

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.errors import RefusedError, UnsentError
from roomlog_contract.errors import ErrorCode
from roomlog_contract.resources import IDEMPOTENCY_KEY_BYTES_MAX

COMMAND_BYTES_MAX = 1_000_000

Name = tuple[str, str]

_decoder = msgspec.json.Decoder(inp.Command)


class Sent(msgspec.Struct, frozen=True):
    """A command is on disk in the log, at `sequence`; `message_id` is the message that it is
    about. `duplicate`: it was so already, and nothing was added."""

    sequence: int
    message_id: str
    at: str
    duplicate: bool


class _Waiter:
    """Several may wait for a command, where they say the same under the same key."""

    def __init__(self, command: inp.Command) -> None:
        self.command = command
        self.settled: asyncio.Future[ef.Settlement] = asyncio.get_running_loop().create_future()
        self.count = 0


class Waiters:
    """`post` has an input taken by the machine."""

    def __init__(self, post: Callable[[inp.Input], None]) -> None:
        self._post = post
        self._waiters: dict[Name, _Waiter] = {}

    async def command(self, name: Name, command: inp.Command) -> Sent:
        """Have a command carried out; returns at its ack. Raises RefusedError, UnsentError.

        Where the caller is cancelled, it is taken back, unless it may have been sent.
        """
        command = _sendable(name[1], command)
        waiter = self._waiters.get(name)
        if waiter is None:
            self._post(inp.Enqueue(*name, command))
            waiter = self._waiters[name] = _Waiter(command)
        elif waiter.command != command:
            detail = "another command is on its way under this key"
            raise RefusedError(ErrorCode.IDEMPOTENCY_MISMATCH, detail)
        waiter.count += 1
        try:
            settled = await asyncio.shield(waiter.settled)
        except asyncio.CancelledError:
            if waiter.count == 1 and not waiter.settled.done():
                self._post(inp.Withdraw(*name))
            raise
        finally:
            waiter.count -= 1
        return _outcome(settled)

    def settle(self, effect: ef.Settlement) -> bool:
        """Tell whoever waits; false where nobody does."""
        waiter = self._waiters.pop((effect.room_id, effect.key), None)
        if waiter is None or not waiter.count:
            return False
        waiter.settled.set_result(effect)
        return True

    def give_up(self, code: str, detail: str) -> None:
        """No answer is to come any more."""
        for name in list(self._waiters):
            self.settle(ef.Unsent(*name, code, detail, maybe_sent=True, kept=False))


def _sendable(key: str, command: inp.Command) -> inp.Command:
    """The command as it will be sent, whatever the caller does to its metadata meanwhile. Raises
    RefusedError for what no server could take."""
    try:
        encoded = msgspec.json.encode(command)
        key_bytes = len(key.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise RefusedError(ErrorCode.INVALID, str(error)) from error
    if not 1 <= key_bytes <= IDEMPOTENCY_KEY_BYTES_MAX:
        detail = f"must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes"
        raise RefusedError(ErrorCode.INVALID, detail, field="idempotency_key")
    if len(encoded) > COMMAND_BYTES_MAX:
        detail = f"{len(encoded)} bytes, of which {COMMAND_BYTES_MAX} can be sent"
        raise RefusedError(ErrorCode.TOO_LARGE, detail)
    try:
        return _decoder.decode(encoded)
    except msgspec.DecodeError as error:
        raise RefusedError(ErrorCode.INVALID, str(error)) from error


def _outcome(settled: ef.Settlement) -> Sent:
    match settled:
        case ef.Acked():
            return Sent(settled.sequence, settled.message_id, settled.at, settled.duplicate)
        case ef.Refused():
            raise RefusedError(settled.code, settled.detail, field=settled.field)
        case ef.Unsent():
            raise UnsentError(
                settled.code,
                settled.detail,
                key=settled.key,
                maybe_sent=settled.maybe_sent,
                kept=settled.kept,
            )
        case ef.Withdrawn():
            raise asyncio.CancelledError

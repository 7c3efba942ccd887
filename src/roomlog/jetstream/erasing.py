"""Erasing events: the one thing that takes something away from the log.

A connection of its own, made when it is needed, for the one user who may ask it of JetStream.
Source: NATS `STREAM.MSG.DELETE` (ADR-31's API names); with `no_erase` false the server overwrites
the message's bytes in its files at once.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from roomlog.jetstream import subjects
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.wire import ApiError, status
from roomlog.ports import LogUnavailableError

ERASE_TIMEOUT_S: Final = 5.0

_GONE_ALREADY: Final = (10043, 10037)


class _Asked(msgspec.Struct, frozen=True):
    seq: int
    no_erase: bool = False


class _Answer(msgspec.Struct, frozen=True):
    success: bool = False
    error: ApiError | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


class JetStreamEraser:
    """The port Eraser. `url` names the user who may erase."""

    def __init__(self, url: str, partitions: int, *, timeout_s: float = ERASE_TIMEOUT_S) -> None:
        self._url = url
        self._partitions = partitions
        self._timeout_s = timeout_s

    async def erase(self, room_id: str, sequences: Sequence[int]) -> None:
        """See Eraser.erase."""
        if not sequences:
            return
        partition = subjects.partition_of(room_id, self._partitions)
        stream = subjects.stream_name(partition, self._partitions)
        connection = Connection(self._url, name="roomlog erasing")
        await connection.open(timeout_s=self._timeout_s)
        try:
            for sequence in sequences:
                await self._erase(connection, stream, sequence)
        finally:
            await connection.close()

    async def _erase(self, connection: Connection, stream: str, sequence: int) -> None:
        asked = msgspec.json.encode(_Asked(sequence))
        subject = f"$JS.API.STREAM.MSG.DELETE.{stream}"
        try:
            reply = await connection.request(subject, asked, timeout_s=self._timeout_s)
        except LogUnavailableError as error:
            # NATS answers nothing to who may not ask.
            raise LogUnavailableError(
                f"event {sequence} is not erased: {error.detail}; if NATS is there, the user of "
                "ROOMLOG_NATS_ERASE_URL may not erase"
            ) from error
        if code := status(reply.headers):
            raise LogUnavailableError(f"event {sequence} is not erased (status {code})")
        try:
            answer = _answer_decoder.decode(reply.data)
        except msgspec.MsgspecError as error:
            raise LogUnavailableError(f"unreadable answer from JetStream: {error}") from error
        if answer.error is not None and answer.error.err_code not in _GONE_ALREADY:
            raise LogUnavailableError(f"event {sequence} is not erased: {answer.error.description}")

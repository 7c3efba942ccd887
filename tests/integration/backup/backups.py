"""What the tests of backups do: append, erase, back up, restore, and look at streams as they are."""

import asyncio
import uuid
from pathlib import Path

from roomlog.backup import manifest as mf
from roomlog.backup.make import Made, Witnesses, make_backup
from roomlog.backup_ports import StoredMessage
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.raw_streams import JetStreamStreams
from roomlog.ports import NewEvent
from tests.integration.audit.holed_log import envelope_of
from tests.integration.jetstream.conftest import Server
from tests.integration.projector.memory_log import fact_bytes

ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001"
OTHER_ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940002"


def message(content: str, room: str = ROOM) -> NewEvent:
    event_id = str(uuid.uuid4())
    data = fact_bytes(
        *(room, event_id, "message.sent"),
        content=content,
        message_type="text",
        metadata={},
        reply_to=None,
    )
    return NewEvent(event_id, data)


def redaction(erased: NewEvent, sequence: int, envelope: bytes | None = None) -> NewEvent:
    event_id = str(uuid.uuid4())
    data = fact_bytes(
        *(ROOM, event_id, "message.redacted"),
        about=erased.event_id,
        redacted_sequence=sequence,
        redacted_envelope=(envelope or envelope_of(erased.data)).decode(),
        reason=None,
    )
    return NewEvent(event_id, data)


class Backups:
    """One log, and the folder that it is backed up into."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.keys = folder.parent / "secrets"
        self.log: JetStreamLog
        folder.mkdir(mode=0o700)

    async def open(self, **options: object) -> None:
        self.log = await JetStreamLog.connect(self.server.url, **options)

    async def close(self) -> None:
        await self.log.close()

    async def begin_anew(self, **options: object) -> None:
        """Put another log in place of the one there."""
        for stream in ("ROOMLOG", "ROOMLOG_AUDIT"):
            await self.log.connection.request(f"$JS.API.STREAM.DELETE.{stream}")
        await self.close()
        await self.open(**options)

    async def say(self, *contents: str, room: str = ROOM) -> list[int]:
        """Append messages, several at once; return their sequences."""
        events = [message(content, room) for content in contents]
        appended = await asyncio.gather(*(self.log.append(room, [event]) for event in events))
        return [one.sequence for [one] in appended]

    async def append(self, event: NewEvent) -> int:
        [appended] = await self.log.append(ROOM, [event])
        return appended.sequence

    async def erase(self, sequence: int, stream: str = "ROOMLOG") -> None:
        subject = f"$JS.API.STREAM.MSG.DELETE.{stream}"
        reply = await self.log.connection.request(subject, b'{"seq":%d}' % sequence)
        assert b'"success":true' in reply.data

    async def make(self, witnesses: Witnesses | None = None) -> Made:
        source = JetStreamStreams(self.log.connection)
        return await make_backup(
            await source.describe(),
            source,
            self.folder,
            before=mf.load(self.folder),
            keys=self.keys,
            witnesses=witnesses or Witnesses(),
            advance=lambda _count: None,
        )

    def bytes(self) -> bytes:
        """All bytes of the backup's files."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()))


async def messages_in(log: JetStreamLog) -> dict[str, list[StoredMessage]]:
    """Every stream as it is, message by message."""
    source = JetStreamStreams(log.connection)
    return {
        stream.name: [
            message
            async for batch in source.read(stream.name, after=0, up_to=None)
            for message in batch
        ]
        for stream in await source.describe()
    }

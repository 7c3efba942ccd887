"""What an ack says is on disk before it is said: of each system call of nats-server, in order.

Power loss takes what no fsync has returned for. So in a trace of its system calls, each event's
bytes are written to the stream's file, an fsync of that file returns afterwards, and only then
does the first byte of the ack, or of the event itself to whoever follows the room, go to a socket:
for single publishes and for atomic batches.
"""

import asyncio
import re
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from roomlog.embedded.batch_staging import BatchStaging
from roomlog.jetstream.append import BATCH_MIN
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent
from tests.integration.jetstream.conftest import Server, running_server
from tests.integration.jetstream.events import event, eventually

ROOMS = 3
_STRACE = shutil.which("strace")
_CALLS = "write,writev,pwrite64,pwritev,fsync,fdatasync,openat,rename,renameat,renameat2"
# "PID name(FD<PATH>, ...": a call that another thread's interrupts is told in two lines.
_BEGUN = re.compile(r"(\d+) +(\w+)\((\d+)<(.*?)>(.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_STREAM_FILE = re.compile(r"/streams/ROOMLOG/msgs/\d+\.blk$")


@pytest.fixture
def traced(tmp_path: Path) -> Generator[tuple[Server, Path]]:
    """A server whose system calls are traced from its start."""
    if _STRACE is None:
        pytest.skip("strace is not installed here")
    trace = tmp_path / "trace"
    with running_server() as server:
        server.stop()
        server.start(
            under=[
                _STRACE,
                "-D",
                "-f",
                "-yy",
                "-s",
                "100000",
                "-e",
                f"trace={_CALLS}",
                "-o",
                str(trace),
            ]
        )
        yield server, trace


class Disk:
    """What a trace says is on disk, as it goes along."""

    def __init__(self) -> None:
        self.durable = ""
        self.acked: list[str] = []
        self._written: dict[str, str] = {}
        self._pending: dict[str, tuple[str, str, str]] = {}
        self._covered: dict[str, str] = {}

    def read(self, line: str) -> str | None:
        """Take in a line of the trace: the bytes that begin to go to a socket, if they do."""
        if resumed := _RESUMED.match(line):
            pid, _, rest = resumed.groups()
            name, path, _ = self._pending.pop(pid, ("", "", ""))
            if name in {"fsync", "fdatasync"} and rest.rstrip().endswith("= 0"):
                self._synced(pid, path)
            return None
        begun = _BEGUN.match(line)
        if begun is None:
            return None
        pid, name, _, path, rest = begun.groups()
        unfinished = rest.rstrip().endswith("<unfinished ...>")
        if unfinished:
            self._pending[pid] = (name, path, rest)
        if name in {"fsync", "fdatasync"}:
            # What is written while the fsync runs is not known to be covered by it.
            self._covered[pid] = self._written.get(path, "")
            if not unfinished and rest.rstrip().endswith("= 0"):
                self._synced(pid, path)
        elif _STREAM_FILE.search(path):
            self._written[path] = self._written.get(path, "") + rest
        elif path.startswith("TCP"):
            return rest
        return None

    def _synced(self, pid: str, path: str) -> None:
        covered = self._covered.pop(pid, "")
        if _STREAM_FILE.search(path):
            self.durable += covered
            self._written[path] = self._written.get(path, "")[len(covered) :]


def _acks(written: str) -> list[int]:
    """The sequences that bytes to a socket acknowledge."""
    return [
        int(number)
        for number in re.findall(r'\{\\"stream\\":\\"ROOMLOG\\",[^}]*\\"seq\\":(\d+)', written)
    ]


def _check(trace: Path, ids: dict[int, str], *, followed: bool) -> None:
    """Each event is durable when a sequence at or above its own is first acknowledged, and when
    it is told to who follows its room."""
    disk, due, told = Disk(), dict(ids), set[str]()
    for line in trace.read_text(errors="replace").splitlines():
        if not (written := disk.read(line)):
            continue
        for event_id in ids.values():
            if event_id in written:
                assert event_id in disk.durable, f"{event_id} was not on disk when it was told"
                told.add(event_id)
        for acked in _acks(written):
            for sequence in [one for one in due if one <= acked]:
                assert due.pop(sequence) in disk.durable, f"{sequence} was not on disk"
    assert not due, "not acknowledged in the trace"
    assert told == (set(ids.values()) if followed else set())


async def _append(server: Server, news: list[NewEvent], staging: str) -> dict[int, str]:
    log = await JetStreamLog.connect(server.url, append_timeout_s=60)
    if staging == "in memory":
        BatchStaging(server.folder / "store").place()
    followed = [await log.follow(f"r{n}", lambda _: None) for n in range(ROOMS)]
    results = await asyncio.gather(
        *(log.append(f"r{n % ROOMS}", [new]) for n, new in enumerate(news))
    )
    for feed in followed:
        assert await feed.settled()
    await log.close()
    return {result.sequence: new.event_id for [result], new in zip(results, news, strict=True)}


@pytest.mark.parametrize("staging", ["on the disk", "in memory"])
@pytest.mark.parametrize("at_once", [1, BATCH_MIN - 1, 10 * BATCH_MIN])
async def test_no_ack_begins_before_the_events_bytes_are_on_disk(
    traced: tuple[Server, Path], at_once: int, staging: str
):
    server, trace = traced
    ids: dict[int, str] = {}
    for _ in range(3):
        ids |= await _append(server, [event(f"text {n}") for n in range(at_once)], staging)
    server.stop()
    BatchStaging(server.folder / "store").clear()
    await eventually(lambda: "+++ exited with" in trace.read_text(errors="replace")[-200:])
    assert sorted(ids) == list(range(1, 3 * at_once + 1))
    _check(trace, ids, followed=True)


def test_the_check_itself_notices_an_ack_that_comes_too_early(tmp_path: Path):
    blk = "7</d/streams/ROOMLOG/msgs/1.blk>"
    write, sync = f'9 pwrite64({blk}, "...id-1...", 5, 0) = 5', f"9 fsync({blk}) = 0"
    ack = '9 write(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, "{\\"stream\\":\\"ROOMLOG\\", \\"seq\\":1}", 3) = 3'
    later = [f"8 fsync({blk} <unfinished ...>", "8 <... fsync resumed>) = 0"]
    for lines, good in (
        ([write, sync, ack], True),
        ([write, *later, ack], True),
        ([write, ack, sync], False),
        ([sync, write, ack], False),
        ([write, later[0], ack, later[1]], False),
        ([later[0], write, later[1], ack], False),
        ([write, sync.replace("= 0", "= -1 EIO"), ack], False),
        ([write, sync.replace("1.blk", "2.blk"), ack], False),
    ):
        trace = tmp_path / "trace"
        trace.write_text("\n".join(lines))
        if good:
            _check(trace, {1: "id-1"}, followed=False)
        else:
            with pytest.raises(AssertionError, match="not on disk"):
                _check(trace, {1: "id-1"}, followed=False)

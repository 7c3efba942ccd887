"""A log that is restored to an earlier point under clients that go on: what was lost is not shown
any more, and what was said instead is, also under sequences that the clients have seen."""

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from roomlog.embedded.tcp_ports import free_port
from roomlog_client import Reload, Room, RoomlogClient, RoomView
from tests.integration.client.following import ADA, BOB, create_room, until
from tests.stack import Stack, data_directory, run_command, running_stack

REBUILT_WITHIN_S = 120

Run = Callable[[], AbstractContextManager[Stack]]


@pytest.fixture
def data() -> Generator[Path]:
    folder = data_directory()
    (folder / "data").mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def run(data: Path) -> Run:
    """Runs one server again and again: on the same data and port, so that clients come back."""
    port = str(free_port())
    return lambda: running_stack(("--port", port), data=data / "data", CONNECTS_PER_MINUTE="0")


def _copy(source: Path, target: Path) -> None:
    """With owners and rights: PostgreSQL insists on its own."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _rebuilt(live: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """What `projections rebuild` says, as soon as its servers are there to be asked."""
    deadline_s = time.monotonic() + REBUILT_WITHIN_S
    while True:
        done = run_command(live, "projections", "rebuild", *options, timeout_s=REBUILT_WITHIN_S)
        if done.returncode == 0:
            return done
        assert time.monotonic() < deadline_s, done.stderr
        time.sleep(0.2)


class Reader:
    """A room read into a view. `resets` are the epochs in which it was begun anew."""

    def __init__(self) -> None:
        self.view = RoomView()
        self.resets: list[str] = []

    def reset(self, reload: Reload) -> None:
        self.view.reset(reload)
        self.resets.append(reload.epoch)

    async def read(self, room: Room) -> None:
        async for event in room:
            self.view.apply(event)

    @property
    def contents(self) -> list[str]:
        return [one.content for one in self.view.timeline() if one.message_type == "text"]


@pytest.mark.parametrize(
    ("restored", "options"),
    [(".", [("--new-epoch",)]), ("nats", [])],
    ids=["with its tables", "without its tables"],
)
async def test_after_a_restore_no_client_shows_what_was_lost(
    run: Run, data: Path, restored: str, options: list[tuple[str]]
):
    reader = Reader()
    live, backup = data / "data", data / "backup"
    with run() as stack:
        url, token, bobs = stack.base_url, stack.token(ADA), stack.token(BOB)
        async with RoomlogClient(url, token=token) as first:
            room_id = await create_room(first)
            await (await first.room(room_id)).send("kept")
    _copy(live, backup)

    async with RoomlogClient(url, token=token) as client:
        with run():
            room = await client.room(room_id, after=0, on_reset=reader.reset)
            reading = asyncio.create_task(reader.read(room))
            for number in range(3):
                await room.send(f"lost {number}")
            await until(lambda: len(reader.contents) == 4, "all was read")
            epoch = room.epoch
        _copy(backup / restored, live / restored)

        # Where the tables show that the log has lost events, nothing is taken until an operator
        # has said that it is the right one.
        halted = [] if options else [asyncio.create_task(asyncio.to_thread(_rebuilt, live))]
        running = run()
        stack = await asyncio.to_thread(running.__enter__)
        with contextlib.ExitStack() as at_the_end:
            at_the_end.push(running)
            done = [await rebuilt for rebuilt in halted]
            async with RoomlogClient(url, token=bobs) as bob:
                there = await bob.room(room_id)
                for number in range(5):
                    last = await there.send(f"said instead {number}")
            await client.connect()
            done += [await asyncio.to_thread(_rebuilt, live, *option) for option in options]
            assert "the log has a new epoch" in done[0].stderr
            expected = ["kept", *(f"said instead {number}" for number in range(5))]
            await until(lambda: reader.contents == expected, "the view is that of the new log")
            sent = await room.send("and on")
            await until(lambda: reader.contents[-1:] == ["and on"], "it goes on")

            assert sent.sequence > last.sequence
            assert reader.resets[-1:] == [room.epoch] != [epoch]
            page = await room.history(type="text", min_sequence=sent.sequence)
            assert [one.content for one in page.items][::-1] == reader.contents
            verified = await asyncio.to_thread(stack.cli, "projections", "verify")
            assert verified.returncode == 0, verified.stdout
        reading.cancel()

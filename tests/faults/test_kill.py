"""kill -9 of each part while people send: what was acked is kept, once, in order."""

import asyncio
from collections import Counter
from collections.abc import Generator

import pytest

from tests.faults.load import (
    Sender,
    Watcher,
    create_room,
    is_ready,
    kill_and_await_successor,
    logged_events,
    until,
)
from tests.stack import Stack, running_stack

_COMMANDER = "commander@example.org"
_SENDERS = [f"sender{n}@example.org" for n in range(10)]
_ACKS_BEFORE = 100
_ACKS_AFTER_EACH = 10


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
    """A `roomlog up` of this module's own: others would not like what happens to it."""
    with running_stack(
        USER_MESSAGES_PER_SECOND="0",
        ROOM_MESSAGES_PER_SECOND="0",
        CONNECTS_PER_MINUTE="0",
        SPAM_GUARD="off",
    ) as running:
        yield running


@pytest.mark.parametrize("part", ["nats", "postgres", "projector", "api"])
async def test_killing_a_part_loses_no_acked_message_and_doubles_none(
    stack: Stack, part: str
) -> None:
    rooms = [create_room(stack, _COMMANDER, _SENDERS) for _ in range(2)]
    senders = [Sender(stack, rooms[n % 2], user) for n, user in enumerate(_SENDERS)]
    watchers = [Watcher(stack, room, _COMMANDER) for room in rooms]
    watching = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        async with asyncio.TaskGroup() as sending:
            for sender in senders:
                sending.create_task(sender.run())
            await until(lambda: sum(len(s.acks) for s in senders) >= _ACKS_BEFORE, "acks")
            await kill_and_await_successor(stack, part)
            before = [len(s.acks) for s in senders]
            await until(
                lambda: all(
                    len(s.acks) >= n + _ACKS_AFTER_EACH
                    for s, n in zip(senders, before, strict=True)
                ),
                f"sending again after {part} was killed",
            )
            for sender in senders:
                sender.stop()
        for room, watcher, task in zip(rooms, watchers, watching, strict=True):
            await _check_room(stack, room, [s for s in senders if s.room == room], watcher, task)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    await until(lambda: is_ready(stack), "every part ready again")
    verified = await asyncio.to_thread(stack.cli, "projections", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def _check_room(
    stack: Stack, room: str, senders: list[Sender], watcher: Watcher, watching: "asyncio.Task[None]"
) -> None:
    events = await asyncio.to_thread(logged_events, stack, room, _COMMANDER)
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))
    assert [e["prev_sequence"] for e in events] == [0, *sequences[:-1]]
    sent = [e for e in events if e["event"]["type"] == "message.sent"]
    times = Counter(e["event"]["content"] for e in sent)
    assert max(times.values()) == 1
    assert set(times) == {content for s in senders for content in s.sent.values()}
    place = {e["event"]["content"]: (e["sequence"], e["event"]["message_id"]) for e in sent}
    for sender in senders:
        for key, ack in sender.acks.items():
            assert place[sender.sent[key]] == (ack["sequence"], ack["message_id"])
        for acked_in_order in sender.fresh_sequences:
            assert acked_in_order == sorted(acked_in_order)
    await until(
        lambda: watching.done() or watcher.position >= sequences[-1], "the watcher gets everything"
    )
    assert not watching.done(), watching
    assert [(e["sequence"], e["event"]) for e in watcher.events] == [
        (e["sequence"], e["event"]) for e in events
    ]

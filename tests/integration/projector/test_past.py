"""Messages as of any sequence: what a naive fold of the events up to there says, to the field."""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roomlog.core.views import message_response
from roomlog.ports import MessageQuery
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.services.past import room_as_of
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import Fold, MessageErased, MessageState
from roomlog_contract.resources import MessageResponse
from roomlog_contract.types import MessageType
from tests.integration.projector.driving import empty, project
from tests.integration.projector.memory_log import MemoryLog, MemorySnapshots, fact_bytes, log_of
from tests.projections.event_streams import ROOMS, USERS, an_id, steps, stream

ROOM = ROOMS[0]

FEW = settings(
    max_examples=25,
    deadline=None,
    # Shrinking would take minutes; the pure laws shrink the same streams in seconds.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def naive(events: Sequence[RoomEvent], as_of: int) -> list[MessageResponse]:
    """A room's messages right after sequence `as_of`, oldest first. What was redacted, whenever
    that was, is the tombstone that it is now."""
    fold, tombstones = Fold(), dict[str, MessageState]()
    for event in events:
        effect = fold.apply(event)
        if isinstance(effect, MessageErased):
            tombstones[effect.after.message_id] = effect.after
    fold = Fold()
    for event in events:
        if event.sequence <= as_of:
            fold.apply(event)
    stood = {**fold.messages, **tombstones}
    there = [message for message in stood.values() if message.sequence <= as_of]
    return [message_response(m) for m in sorted(there, key=lambda m: m.sequence)]


@FEW
@given(taken=steps(), data=st.data())
async def test_the_past_is_what_the_fold_of_the_events_up_to_there_says(database, taken, data):
    log, events = log_of(taken), stream(taken)
    await empty(database)
    await project(log, database)
    head = events[-1].sequence if events else 0
    moments = sorted({*range(0, head + 2, 7), head, *(e.sequence for e in events[::3])})
    async with open_pool(database, size=2) as pool:
        reads = PostgresReadModel(pool)
        for room_id in ROOMS[:2]:
            of_room = [event for event in events if event.room_id == room_id]
            for as_of in moments:
                expected = naive(of_room, as_of)
                await check_pages(reads, room_id, as_of, expected)
                await check_filters(reads, room_id, as_of, expected, data)
            for message in (await reads.messages(MessageQuery(room_id, 99))).items:
                for as_of in moments:
                    then = await reads.message(message.message_id, as_of=as_of)
                    known = {m.message_id: m for m in naive(of_room, as_of)}
                    assert then == known.get(message.message_id)


@FEW
@given(taken=steps())
async def test_a_room_of_the_past_is_what_the_fold_says_too(database, taken):
    log, events = log_of(taken), stream(taken)
    await empty(database)
    await project(log, database)
    async with open_pool(database, size=2) as pool:
        reads, waypoints = PostgresReadModel(pool), MemorySnapshots()
        for room_id in ROOMS[:2]:
            fold = Fold()
            for event in events:
                if event.room_id == room_id:
                    fold.apply(event)
                    then = await room_as_of(log, reads, waypoints, room_id, event.sequence)
                    assert then == fold.room
            assert await room_as_of(log, reads, waypoints, room_id, 0) is None


async def test_each_event_counts_from_its_own_sequence_on(database):
    log = MemoryLog()
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 1), "room.created", name="payments"))
    said = {"content": "said", "message_type": "text"}
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 2), "message.sent", **said))
    for n, (kind, body) in enumerate(
        [
            ("reaction.added", {"emoji": "👍"}),
            ("message.edited", {"content": "edited"}),
            ("reaction.removed", {"emoji": "👍"}),
            ("reaction.added", {"emoji": "👍"}),
            ("message.deleted", {}),
            ("reaction.removed", {"emoji": "🎉"}),
        ],
        3,
    ):
        log.put(ROOM, fact_bytes(ROOM, an_id(0, n), kind, about=an_id(0, 2), **body))
    await project(log, database)
    async with open_pool(database, size=1) as pool:
        reads = PostgresReadModel(pool)
        shown = []
        for as_of in range(1, 9):
            then = await reads.message(an_id(0, 2), as_of=as_of)
            for after in (None, 0):
                page = (await reads.messages(MessageQuery(ROOM, 9, after=after, as_of=as_of))).items
                assert page == ([] if then is None else [then])
            shown.append(then and (then.content, then.version, len(then.reactions)))
    assert shown == [
        None,
        ("said", 2, 0),
        ("said", 2, 1),
        ("edited", 4, 1),
        ("edited", 4, 0),
        ("edited", 4, 1),
        ("", 7, 1),
        ("", 7, 1),
    ]


@FEW
@given(taken=steps())
async def test_a_message_is_known_to_the_fold_as_it_stands(database, taken):
    log = log_of(taken)
    await empty(database)
    await project(log, database)
    folds = {room_id: Fold() for room_id in ROOMS}
    for event in stream(taken):
        folds[event.room_id].apply(event)
    async with open_pool(database, size=2) as pool:
        reads = PostgresReadModel(pool)
        for fold in folds.values():
            for message in fold.messages.values():
                state, checkpoint = await reads.message_state(message.message_id)
                assert state == message
                assert checkpoint == log.events[0][-1].sequence


async def check_pages(
    reads: PostgresReadModel, room_id: str, as_of: int, expected: list[MessageResponse]
) -> None:
    """Whole, and page after page, either way."""
    assert (await reads.messages(MessageQuery(room_id, 99, as_of=as_of))).items == expected[::-1]
    assert (await reads.messages(MessageQuery(room_id, 99, after=0, as_of=as_of))).items == expected
    found: list[MessageResponse] = []
    before = None
    while page := (
        await reads.messages(MessageQuery(room_id, 3, before=before, as_of=as_of))
    ).items:
        found += page
        before = page[-1].sequence_number
    assert found == expected[::-1]


async def check_filters(
    reads: PostgresReadModel,
    room_id: str,
    as_of: int,
    expected: list[MessageResponse],
    data: st.DataObject,
) -> None:
    sender = data.draw(st.sampled_from(USERS))
    kind = data.draw(st.sampled_from(list(MessageType)))
    asked = MessageQuery(
        room_id, 99, after=4, before=60, sender_id=sender, message_type=kind, as_of=as_of
    )
    assert (await reads.messages(asked)).items == [
        m
        for m in expected
        if 4 < m.sequence_number < 60 and m.sender_id == sender and m.message_type is kind
    ]

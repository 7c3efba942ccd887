"""Names are learnt from tokens, kept once, and told where they can be."""

import asyncio

from roomlog.core.policy import Actor
from roomlog.services import user_names
from roomlog.services.user_names import UserNames
from tests.integration.realtime.memory_log import MemoryNames
from tests.integration.realtime.node import eventually

ANN, BOB = "ann@example.org", "bob@example.org"


async def test_the_name_that_came_last_is_kept_and_told_at_once():
    store = MemoryNames()
    names = UserNames(store)
    names.note(Actor(BOB))
    for name in ("Ann", "Ann Lee"):
        names.note(Actor(ANN, name))
        assert await names.of([ANN, BOB]) == {ANN: name}
    await eventually(lambda: store.names == {ANN: "Ann Lee"})
    assert await UserNames(store).of([ANN, BOB]) == {ANN: "Ann Lee"}


async def test_a_name_that_is_known_is_not_kept_again():
    store = MemoryNames()
    store.names[ANN] = "Ann"
    names = UserNames(store)
    for _ in range(3):
        names.note(Actor(ANN, "Ann"))
        await asyncio.sleep(0)
    names.note(Actor(BOB, "Bob"))
    await eventually(lambda: BOB in store.names)
    assert store.puts == 1


async def test_without_the_store_what_is_known_here_is_told_and_new_names_wait_for_the_next_token():
    store = MemoryNames()
    names = UserNames(store)
    names.note(Actor(ANN, "Ann"))
    await eventually(lambda: ANN in store.names)
    store.gone = True
    names.note(Actor(BOB, "Bob"))
    assert await names.of([ANN, BOB]) == {ANN: "Ann", BOB: "Bob"}
    await eventually(lambda: not names._waiting)
    assert await names.of([ANN, BOB]) == {ANN: "Ann"}
    store.gone = False
    names.note(Actor(BOB, "Bob"))
    await eventually(lambda: store.names == {ANN: "Ann", BOB: "Bob"})


async def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(user_names, "WAITING_MAX", 3)
    monkeypatch.setattr(user_names, "NAMES_MAX", 2)
    store = MemoryNames()
    names = UserNames(store)
    for n in range(10):
        names.note(Actor(f"user{n}", f"User {n}"))
    await eventually(lambda: not names._waiting)
    assert sorted(store.names) == ["user0", "user1", "user2"]
    assert len(names._kept) == 2

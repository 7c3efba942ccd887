"""Two people in two windows: what the one does the other sees, through every outage."""

import os
import signal
from typing import Any

from tests.browser.conftest import SignIn
from tests.browser.person import FIELD, Person
from tests.browser.rooms import ANA, BEN, Room
from tests.stack import Stack, running_stack


def test_what_the_one_does_the_other_sees(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack, title="One request in five")
    ana, ben = sign_in(stack, ANA), sign_in(stack, BEN)
    ana.enter(room.room_id)
    ben.enter(room.room_id)
    ana.page.wait_text("2", ".here .number")

    ana.say("The **pool** is full")
    ben.wait_says("The pool is full")
    assert ben.page.evaluate("document.querySelector('.message strong:not([title])').textContent")

    ben.write("looking")
    ana.page.wait_text("ben is typing", ".typists")
    ben.page.press("Enter")
    ana.wait_says("looking")
    ana.page.wait("!document.querySelector('.typists').textContent.includes('typing')")

    ana.page.act("looking", "react")
    ana.page.click(".emoji button[aria-label=looking]")
    ben.page.wait_text("👀", ".reaction")

    ben.page.act("The pool is full", "reply")
    ben.page.wait_text("Replying to ana", ".writing")
    ben.say("of which service?")
    ana.page.wait_text("The **pool** is full", ".reply-to")

    ana.page.press("ArrowUp")  # in the empty field: her own last message
    ana.page.click(FIELD)
    ana.page.press("ArrowUp")
    ana.rewrite("The pool of **checkout** is full")
    ana.page.press("Enter")
    ben.wait_says("The pool of checkout is full")
    ben.page.wait("document.querySelector('.edited')")

    ben.page.act("of which service?", "delete")
    ben.page.click("dialog button.danger")
    ana.wait_says("This message was deleted.")
    ana.page.wait("!document.body.innerText.includes('of which service?')", timeout_s=10)
    assert seen_alike(ana, ben)


def test_a_mention_is_completed_and_calls_its_reader(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    other = Room(stack, name="elsewhere")
    ana, ben = sign_in(stack, ANA), sign_in(stack, BEN)
    ana.enter(room.room_id)
    ben.enter(other.room_id)
    ana.write("please look @be")
    ana.page.wait_text("@ben", "[role=option][aria-selected=true]")
    ana.page.press("Enter")
    ana.page.wait(f"document.querySelector('{FIELD}').value === 'please look @ben '")
    ana.page.press("Enter")
    ben.page.click(".toast a", "You were mentioned in checkout-errors")
    ben.page.wait_text("please look @ben", ".message.mentions-me")
    ana.page.wait("document.querySelector('.message:not(.mentions-me)')")


def test_what_was_unread_is_counted_and_found(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    room.send_many(BEN, [f"seen {n}" for n in range(60)])
    head = room.call(ANA, "GET", room.path)["head"]
    room.call(ANA, "PUT", f"{room.path}/read-marker", {"sequence": head})
    room.send_many(BEN, [f"new {n}" for n in range(70)])
    ana = sign_in(stack, ANA)
    ana.page.wait_text("70", ".rooms .count")
    ana.enter(room.room_id)
    ana.page.click(".jump.up", "70 unread messages")
    ana.page.wait("document.querySelector('.unread-line')")
    ana.wait_says("new 0")
    ana.page.wait("document.querySelector('.jump.up') === null")
    ana.page.click(".jump.down")
    ana.wait_says("new 69")
    ana.page.wait("document.querySelector('[aria-current] .count') === null")


def test_a_search_leads_to_its_message(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    room.send(ANA, "the needle <b>& thread</b>")
    room.send_many(BEN, [f"hay {n}" for n in range(150)])
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    ana.page.press("k", "Control")
    ana.page.type("needle")
    ana.page.wait_text("1 found", ".panel")
    assert ana.page.evaluate("document.querySelector('.hit mark').textContent") == "needle"
    ana.page.wait_text("the needle <b>& thread</b>", ".hit")
    ana.page.click(".hit")
    ana.page.wait_text("the needle", ".message.marked")
    ana.page.press("Escape")


def test_both_end_equal_after_the_server_was_killed_and_one_was_offline(sign_in: SignIn) -> None:
    with running_stack(
        ("--workers", "2"), USER_MESSAGES_PER_SECOND="0", CONNECTS_PER_MINUTE="0"
    ) as stack:
        room = Room(stack)
        ana, ben = sign_in(stack, ANA), sign_in(stack, BEN)
        for person in (ana, ben):
            person.enter(room.room_id)
        ana.say("before")
        ben.wait_says("before")

        ana.page.go_offline(offline=True)
        ana.page.wait_text("Offline", ".connection")
        for n in range(3):
            ana.say(f"from the train {n}")
            ana.page.wait_text("Sending…", ".pending")
        for pid in (stack.run["pids"]["nats"], *stack.run["pids"]["api"]):
            os.kill(pid, signal.SIGKILL)
        for n in range(3):
            ben.say(f"while it was away {n}")
        assert len(ana.seen()) == 4
        ben.page.wait("document.querySelector('.pending, .unsent') === null", timeout_s=90)
        ana.page.go_offline(offline=False)
        for person in (ana, ben):
            for n in range(3):
                person.wait_says(f"from the train {n}", timeout_s=90)
                person.wait_says(f"while it was away {n}", timeout_s=90)
            person.page.wait("document.querySelector('.pending, .unsent') === null", timeout_s=90)
        assert seen_alike(ana, ben)
        kept = [(m["message_id"], m["content"]) for m in room.messages()]
        assert [(m["id"], m["text"]) for m in ana.seen()] == kept
        assert len({text for _, text in kept}) == len(kept) == 7
        for start in ("from the train", "while it was away"):
            own = [text for _, text in kept if text.startswith(start)]
            assert own == [f"{start} {n}" for n in range(3)]


def test_what_was_refused_is_told_and_can_be_discarded(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(ANA, "in doubt")
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    ana.page.go_offline(offline=True)
    ana.page.wait_text("Offline", ".connection")
    ana.page.act("in doubt", "edit")
    ana.rewrite("certain")
    ana.page.press("Enter")
    ana.wait_says("certain")
    room.delete(ANA, message)
    ana.page.go_offline(offline=False)
    ana.page.wait_text("Not edited", ".refused")
    ana.page.wait_text("certain", ".refused q")
    ana.page.click(".refused button", "Discard")
    ana.page.wait("document.querySelector('.refused') === null")
    ana.wait_says("This message was deleted.")


def test_whoever_only_observes_has_no_field(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack, ((BEN, "observer"),))
    room.send(ANA, "hello")
    ben = sign_in(stack, BEN)
    ben.enter(room.room_id)
    ben.page.wait_text("You can read here, but not write.")
    assert not ben.page.evaluate(f"document.querySelector('{FIELD}')")


def seen_alike(one: Person, other: Person) -> bool:
    """Whether both windows come to show the same."""

    def shown(person: Person) -> list[dict[str, Any]]:
        return [{k: v for k, v in m.items() if k != "pending"} for m in person.seen()]

    for person in (one, other):
        person.page.wait("document.querySelector('.pending, .unsent') === null")
    return shown(one) == shown(other)

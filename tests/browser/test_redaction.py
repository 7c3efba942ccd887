"""An admin removes what was said, and every page that shows it drops it at once."""

from typing import Any

import httpx
import pytest

from tests.browser.conftest import SignIn
from tests.browser.person import Person
from tests.browser.rooms import ANA, BEN, Room
from tests.stack import Stack

ADMIN, AUDITOR = "root@example.com", "aud@example.com"
SECRET = "hunter2-in-production"
TOMBSTONE = "This message was deleted."


def drops(person: Person) -> None:
    """Nothing on the page says it any more."""
    person.page.wait(f"!document.documentElement.outerHTML.includes('{SECRET}')")


def act(person: Person, message: dict[str, Any], action: str) -> None:
    """Press one of the message's buttons, which show when the pointer is over it."""
    row = f"[data-row='{message['message_id']}']"
    person.page.hover(row)
    button = f'document.querySelector("{row} [data-act={action}]")'
    person.page.click_at(*person.page.place(button))


def ask(person: Person, message: dict[str, Any]) -> None:
    act(person, message, "redact")
    person.page.wait_text("Redact this message?", "dialog")


def is_offered(person: Person) -> bool:
    return person.page.evaluate("document.querySelector('dialog .danger').disabled === false")


def redact(person: Person, message: dict[str, Any], reason: str) -> None:
    ask(person, message)
    person.page.click("dialog input:not([type=checkbox])")
    person.page.type(reason)
    person.page.click("dialog .sure input")
    person.page.click("dialog .danger")
    person.page.wait("document.querySelector('dialog') === null")


def test_whoever_has_it_open_loses_it_at_once(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(ANA, f"the password is {SECRET}")
    room.send(BEN, "that should not stand here", reply_to=message["message_id"])
    room.edit(ANA, message, f"the new password is {SECRET}")
    room.send_many(BEN, [f"later {n}" for n in range(120)])
    searcher, admin = sign_in(stack, BEN), sign_in(stack, ADMIN, "admin")
    looker, auditor = sign_in(stack, ANA), sign_in(stack, AUDITOR, "auditor")
    for person in (searcher, admin, looker):
        person.enter(room.room_id)
    # One has found it far above all that is loaded, one has it before them with its versions …
    searcher.page.press("k", "Control")
    searcher.page.type("password")
    searcher.page.wait_text(SECRET, ".hit")
    assert SECRET not in " ".join(one["text"] for one in searcher.seen())
    looker.page.evaluate(
        f"location.hash = '#/rooms/{room.room_id}?message={message['message_id']}'"
    )
    looker.wait_says(SECRET)
    act(looker, message, "versions")
    looker.page.wait_text(SECRET, ".versions")
    # … and one sees the past, and what changed in it.
    at = message["sequence_number"]
    auditor.page.evaluate(f"location.hash = '#/rooms/{room.room_id}/timeline?at={at}'")
    auditor.wait_says(SECRET)
    auditor.page.click("button[aria-label=Changes]")
    auditor.page.wait_text(SECRET, ".change")
    admin.page.evaluate(f"location.hash = '#/rooms/{room.room_id}?message={message['message_id']}'")
    admin.wait_says(SECRET)

    redact(admin, message, "a production password was pasted")

    for person in (admin, searcher, looker, auditor):
        drops(person)
    searcher.page.wait_text("Nothing was found.", ".panel")
    auditor.page.wait_text("redacted a message", ".change")
    auditor.page.wait_text(TOMBSTONE, ".tombstone")
    for person in (admin, looker):
        person.page.wait_text(TOMBSTONE, ".tombstone")
    redactions = [
        one["event"]
        for one in room.call(ANA, "GET", f"{room.path}/events?after={at}&limit=500")["items"]
        if one["event"]["type"] == "message.redacted"
    ]
    assert len(redactions) == 2
    assert redactions[0]["redacted_sequence"] == at
    assert {(one["actor"], one["reason"]) for one in redactions} == {
        (ADMIN, "a production password was pasted")
    }


def test_it_says_what_it_does_and_asks_before(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(BEN, f"oh, {SECRET}")
    admin = sign_in(stack, ADMIN, "admin")
    admin.enter(room.room_id)
    ask(admin, message)
    told = admin.page.evaluate("document.querySelector('dialog').innerText")
    assert "be undone" in told
    assert "It stays on record for good" in told
    assert admin.page.evaluate("document.querySelector('.afterwards .tombstone').innerText") == (
        TOMBSTONE
    )
    assert not is_offered(admin)  # without a reason, and without knowing
    admin.page.click("dialog input:not([type=checkbox])")
    admin.page.type("pasted by mistake")
    assert not is_offered(admin)
    admin.page.press("Enter")
    admin.page.click("dialog .sure input")
    admin.page.wait("document.querySelector('dialog .danger').disabled === false")
    admin.page.press("Escape")
    admin.page.wait("document.querySelector('dialog') === null")
    assert SECRET in admin.seen()[-1]["text"]


def test_a_deleted_message_can_be_redacted_too(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(BEN, f"oh, {SECRET}")
    room.delete(BEN, message)
    admin = sign_in(stack, ADMIN, "admin")
    admin.enter(room.room_id)
    admin.wait_says(TOMBSTONE)
    past = f"{room.path}/messages/{message['message_id']}?as_of={message['sequence_number']}"
    assert SECRET in room.call(ANA, "GET", past)["content"]
    assert acts(admin) == ["redact"]

    redact(admin, message, "a password")

    assert room.call(ANA, "GET", past)["content"] == ""


def test_in_the_timeline(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(BEN, f"oh, {SECRET}")
    room.delete(BEN, message)
    admin = sign_in(stack, ADMIN, "admin")
    at = message["sequence_number"]
    admin.page.evaluate(f"location.hash = '#/rooms/{room.room_id}/timeline?at={at}'")
    admin.wait_says(SECRET)

    redact(admin, message, "a password")

    drops(admin)
    admin.page.wait_text(TOMBSTONE, ".tombstone")


@pytest.mark.parametrize("roles", [(), ("auditor",)])
def test_nobody_else_is_offered_it(stack: Stack, sign_in: SignIn, roles: tuple[str, ...]) -> None:
    room = Room(stack)
    room.send(ANA, "something")
    ana = sign_in(stack, ANA, *roles)
    ana.enter(room.room_id)
    ana.wait_says("something")
    assert "redact" not in acts(ana)


def test_what_goes_wrong_is_told_where_it_was_asked(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    message = room.send(BEN, f"oh, {SECRET}")
    admin = sign_in(stack, ADMIN, "admin")
    admin.enter(room.room_id)
    ask(admin, message)
    admin.page.click("dialog input:not([type=checkbox])")
    admin.page.type("a password")
    admin.page.click("dialog .sure input")
    admin.page.evaluate(
        """{ const asked = window.fetch; window.fetch = (url, init) => init?.method === 'POST'
        ? Promise.resolve(new Response(JSON.stringify({ code: 'forbidden', detail: 'not you' }),
            { status: 403, headers: { 'Content-Type': 'application/problem+json' } }))
        : asked(url, init); 0 }"""
    )
    admin.page.click("dialog .danger")
    admin.page.wait_text("not you", "dialog [role=alert]")
    assert is_offered(admin)


def test_what_a_system_message_says_is_shown_and_removed_as_well(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    # Whatever kind of change it says it is of, it may say anything.
    answer = httpx.post(
        f"{stack.base_url}{room.path}/messages",
        headers=stack.headers(ADMIN, "admin"),
        json={
            "content": f"deployed with {SECRET}",
            "message_type": "system",
            "metadata": {"event": "status_changed", "status": "closed"},
        },
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    said = answer.json()
    admin, reader = sign_in(stack, ADMIN, "admin"), sign_in(stack, BEN)
    for person in (admin, reader):
        person.enter(room.room_id)
        person.page.wait_text(f"deployed with {SECRET}")
    made_of_changes = "document.querySelectorAll('.system[data-event=member_added]')"
    assert admin.page.evaluate(f"{made_of_changes}.length")
    assert not admin.page.evaluate(f"[...{made_of_changes}].some((r) => r.querySelector('button'))")
    assert not reader.page.evaluate("document.querySelector('.system [data-act]')")
    redact(admin, said, "a password was pasted")
    for person in (admin, reader):
        drops(person)
        person.page.wait_text(TOMBSTONE)


def test_of_a_system_message_that_is_deleted_no_redaction_is_offered(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    told = room.call(ANA, "GET", f"{room.path}/messages?type=system")["items"][0]
    admin = sign_in(stack, ADMIN, "admin")
    admin.enter(room.room_id)
    row = f"document.querySelector(\"[data-row='{told['message_id']}']\")"
    admin.page.wait(f"{row} !== null")

    room.delete(ANA, told)

    admin.page.wait(f"{row}.textContent.includes('{TOMBSTONE}')")
    assert not admin.page.evaluate(f"{row}.querySelector('[data-act=redact]')")
    answer = httpx.post(
        f"{stack.base_url}/api/messages/{told['message_id']}/redact",
        headers=stack.headers(ADMIN, "admin"),
        json={"reason": "it would be refused"},
        timeout=30,
    )
    assert answer.status_code == 422, answer.text


def acts(person: Person) -> list[Any]:
    """What is offered for the last message."""
    return person.page.evaluate(
        "[...[...document.querySelectorAll('.message')].at(-1)"
        ".querySelectorAll('[data-act]')].map((one) => one.dataset.act)"
    )

"""The timeline: a room as it stood at any moment."""

import json
from typing import Any

import pytest

from tests.browser.conftest import SignIn
from tests.browser.person import Person
from tests.browser.rooms import ANA, BEN, Room
from tests.stack import Stack

SLIDER = "[role=slider]"


class Story:
    """A room in which things were said, changed and taken back."""

    def __init__(self, stack: Stack) -> None:
        self.room = Room(stack, title="Slow")
        self.cause = self.room.send(ANA, "the pool is full")
        self.secret = self.room.send(BEN, "password=hunter2")
        self.room.call(BEN, "POST", f"/api/messages/{self.cause['message_id']}/reactions",
                       {"emoji": "👀"})  # fmt: skip
        self.edited = self.room.edit(ANA, self.cause, "the disk is full")
        self.room.delete(BEN, self.secret)
        self.room.call(ANA, "PATCH", self.room.path, {"status": "mitigated"})
        self.last = self.room.send(ANA, "all is well")


@pytest.fixture(scope="module")
def story(stack: Stack) -> Story:
    return Story(stack)


def open_timeline(person: Person, story: Story) -> None:
    person.enter(story.room.room_id)
    person.page.click(".button", "Timeline")
    person.page.wait_text("As it stood on", ".as-of")
    person.wait_says("all is well")


def texts(person: Person) -> list[str]:
    return [message["text"] for message in person.seen()]


def wait_texts(person: Person, expected: list[str]) -> None:
    quoted = json.dumps(expected)
    person.page.wait(
        f"""JSON.stringify([...document.querySelectorAll('.message')].map((one) =>
          [...one.querySelectorAll('.prose, .tombstone')].map((p) => p.textContent.trim())
            .join(' '))) === JSON.stringify({quoted})"""
    )


def test_the_scrubber_shows_the_room_as_it_stood(stack: Stack, sign_in: SignIn, story: Story):
    ben = sign_in(stack, BEN)
    open_timeline(ben, story)
    now = ["the disk is full", "This message was deleted.", "all is well"]
    assert texts(ben) == now
    ben.page.click("button[aria-label='Previous change']")  # the status
    wait_texts(ben, now[:2])
    ben.page.wait_text("Mitigated", ".room-header .status")
    ben.page.click("button[aria-label='Previous change']")  # the deletion
    ben.page.wait_text("Open", ".room-header .status")
    ben.page.click("button[aria-label='Previous change']")  # the edit
    wait_texts(ben, ["the disk is full", "password=hunter2"])
    ben.page.click("button[aria-label='Previous event']")
    wait_texts(ben, ["the pool is full", "password=hunter2"])
    assert ben.seen()[0]["reactions"] == ["👀1"]
    ben.page.evaluate(f"document.querySelector('{SLIDER}').focus()")
    ben.page.press("ArrowLeft")
    ben.page.wait("document.querySelector('.reaction') === null")
    ben.page.press("Home")
    wait_texts(ben, [])
    ben.page.press("End")
    wait_texts(ben, now)
    x, y = ben.page.place(f"document.querySelector('{SLIDER}')")
    left = ben.page.evaluate(f"document.querySelector('{SLIDER}').getBoundingClientRect().left")
    ben.page.click_at(left + 2, y)
    wait_texts(ben, [])
    assert x > left


def test_it_plays_to_the_end(stack: Stack, sign_in: SignIn, story: Story) -> None:
    ben = sign_in(stack, BEN)
    open_timeline(ben, story)
    ben.page.evaluate(f"document.querySelector('{SLIDER}').focus()")
    ben.page.press("Home")
    wait_texts(ben, [])
    ben.page.evaluate(
        """(() => { const speed = document.querySelector('.speeds select');
        Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set.call(speed, '1');
        speed.dispatchEvent(new Event('change', { bubbles: true })); })()"""
    )
    ben.page.evaluate(
        """window.__shown = new Set(); new MutationObserver(() => __shown.add(
        document.querySelectorAll('.message').length)).observe(document.querySelector('.messages'),
        { childList: true, subtree: true })"""
    )
    ben.page.press(" ")
    wait_texts(ben, ["the disk is full", "This message was deleted.", "all is well"])
    ben.page.wait("document.querySelector(\"button[aria-label='Play']\")")
    assert ben.page.evaluate("__shown.size") >= 2


def test_a_messages_versions_are_shown_with_their_differences(
    stack: Stack, sign_in: SignIn, story: Story
) -> None:
    ben = sign_in(stack, BEN)
    open_timeline(ben, story)
    ben.page.act("the disk is full", "versions")
    ben.page.wait_text("pool", ".versions del")
    assert parts(ben, "del") == ["pool"]
    assert parts(ben, "ins") == ["disk"]
    ben.page.click(".versions .link")  # of the newest version
    wait_texts(ben, ["the disk is full", "password=hunter2"])
    ben.page.click(".panel header button")
    ben.page.click("button[aria-label=Changes]")
    ben.page.wait_text("ben deleted: password=hunter2", ".change")
    assert ben.page.evaluate(
        "[...document.querySelectorAll('.change')].map((one) => one.dataset.kind)"
    ) == ["member", "edit", "delete", "status"]
    ben.page.click(".changes .link")
    ben.page.wait_text("password=hunter2", ".versions del")


def parts(person: Person, name: str) -> list[Any]:
    return person.page.evaluate(
        f"[...document.querySelectorAll('.versions {name}')].map((one) => one.childNodes[1].data)"
    )


def test_a_moment_has_an_address(stack: Stack, sign_in: SignIn, story: Story) -> None:
    ben = sign_in(stack, BEN)
    at = story.edited["version"]
    room = story.room.room_id
    ben.page.evaluate(f"location.hash = '#/rooms/{room}/timeline?at={at}'")
    wait_texts(ben, ["the disk is full", "password=hunter2"])
    ben.page.click("button[aria-label='Previous event']")
    wait_texts(ben, ["the pool is full", "password=hunter2"])
    ben.page.wait(f"location.hash.endsWith('?at={at - 1}')")
    ben.page.click(".button", "Back to now")
    ben.wait_says("all is well")

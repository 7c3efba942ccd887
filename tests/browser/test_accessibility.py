"""Every view, dark and light, wide and on a phone, before axe-core."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import SignIn
from tests.browser.person import Person
from tests.browser.rooms import ANA, BEN, Room
from tests.house.repository import ROOT
from tests.npm import node_with_packages
from tests.stack import Stack

CONSOLE = ROOT / "src" / "console"


@pytest.fixture(scope="module")
def axe() -> str:
    node_with_packages(CONSOLE)
    return (CONSOLE / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def room(stack: Stack) -> Room:
    """With a message of each kind."""
    room = Room(stack, title="One request in five", severity="sev1")
    first = room.send(ANA, "The **pool** is full, see <https://example.org> and `pool.max`")
    room.send(BEN, "```\nif (a < b) { grow(); }\n```", reply_to=first["message_id"])
    room.send(BEN, "@ana look", message_type="incident_data",
              metadata={"kind": "alert", "data": {"rate": 0.2, "hosts": ["a", "b"]}})  # fmt: skip
    room.send(ANA, "", message_type="image_ref",
              metadata={"url": "https://example.org/a.png", "content_type": "image/png",
                        "alt": "A line that jumps"})  # fmt: skip
    room.delete(ANA, room.send(ANA, "slip"))
    room.edit(ANA, first, "The **pool** of checkout is full")
    room.call(ANA, "POST", f"/api/messages/{first['message_id']}/reactions", {"emoji": "👀"})
    room.call(ANA, "PATCH", room.path, {"status": "mitigated"})
    return room


def findings(person: Person, axe: str) -> list[Any]:
    """What axe finds serious or critical, in both colours."""
    page = person.page
    page.evaluate(axe + "; 'loaded'")
    found = []
    for dark in (False, True):
        page.show_dark(dark=dark)
        told = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found += [
            (one["id"], node["html"], node["failureSummary"], {"dark": dark})
            for one in told["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
    return found


def show_nothing(_: Person) -> None:
    pass


def show_people(person: Person) -> None:
    person.page.click(".here")
    person.page.wait("document.querySelector('.people li')")


def show_search(person: Person) -> None:
    person.page.click("button[aria-label=Search]")
    person.page.type("pool")
    person.page.wait("document.querySelector('.hit')")


def show_versions(person: Person) -> None:
    person.page.act("The pool of checkout", "versions")
    person.page.wait("document.querySelector('.versions ins')")


def show_emoji(person: Person) -> None:
    person.page.act("The pool of checkout", "react")
    person.page.wait("document.querySelector('.emoji')")


def show_mentions(person: Person) -> None:
    person.write("@b")
    person.page.wait("document.querySelector('[role=listbox]')")


def show_removal(person: Person) -> None:
    person.page.act("The pool of checkout", "delete")
    person.page.wait("document.querySelector('dialog[open]')")


def show_keys(person: Person) -> None:
    person.page.click("button[aria-label=Keys]")
    person.page.wait("document.querySelector('dialog[open]')")


def show_timeline(person: Person) -> None:
    person.page.click(".button", "Timeline")
    person.page.wait("document.querySelector('.where')")
    person.page.click("button[aria-label=Changes]")
    person.page.wait("document.querySelector('.change')")


def show_pending(person: Person) -> None:
    person.page.go_offline(offline=True)
    person.page.wait_text("Offline", ".connection")
    person.say("from the train")
    person.page.wait("document.querySelector('.pending')")


VIEWS = (
    *(show_nothing, show_people, show_search, show_versions, show_emoji),
    *(show_mentions, show_removal, show_keys, show_timeline, show_pending),
)


def test_no_view_has_a_serious_fault(stack: Stack, sign_in: SignIn, room: Room, axe: str) -> None:
    ana = sign_in(stack, ANA)
    found: dict[str, list[Any]] = {"rooms": findings(ana, axe)}
    for view in VIEWS:
        found[view.__name__] = seen_by(ana, room, view, axe)
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize("view", [show_nothing, show_timeline], ids=lambda view: view.__name__)
def test_nor_has_one_on_a_phone(
    stack: Stack, sign_in: SignIn, room: Room, axe: str, view: Callable[[Person], None]
) -> None:
    ana = sign_in(stack, ANA)
    ana.page.resize(390, 780, phone=True)
    assert seen_by(ana, room, view, axe) == []
    wide = ana.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390


def seen_by(person: Person, room: Room, view: Callable[[Person], None], axe: str) -> list[Any]:
    person.page.call("Page.reload")
    person.page.wait("document.querySelector('.rooms')")
    person.enter(room.room_id)
    view(person)
    return findings(person, axe)


def test_the_sign_in_has_none_either(stack: Stack, sign_in: SignIn, axe: str) -> None:
    ana = sign_in(stack, ANA)
    ana.page.click("button[aria-label='Sign out']")
    ana.page.wait("document.querySelector('textarea.token')")
    ana.page.type("nonsense")
    ana.page.press("Enter")
    ana.page.wait_text("not a token", "[role=alert]")
    assert findings(ana, axe) == []
    ana.page.click("a[href='#/bundle']")
    ana.page.wait("document.querySelector('input[type=file]')")
    assert findings(ana, axe) == []


def test_the_keyboard_alone_suffices(stack: Stack, sign_in: SignIn, room: Room) -> None:
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    page = ana.page
    page.evaluate("document.body.focus(); document.activeElement.blur()")
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.press("Enter")
    page.wait("document.activeElement.id === 'main'")
    page.evaluate("document.querySelector('.scroller').focus()")
    page.press("Home")
    page.wait("document.activeElement.matches('.system')")
    page.press("ArrowDown")
    page.wait("document.activeElement.textContent.includes('The pool of checkout')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("+")
    page.wait("document.activeElement.matches('.emoji button')")
    page.press("ArrowRight")
    page.press("Enter")
    page.wait_text("👎", ".reaction")
    page.evaluate("document.querySelector('.scroller').focus()")
    page.press("Home")
    page.wait("document.activeElement.matches('.system')")
    page.press("ArrowDown")
    page.press("r")
    page.wait_text("Replying to ana", ".writing")
    page.wait("document.activeElement.matches('.composer textarea')")
    page.press("Escape")
    page.wait("document.querySelector('.writing') === null")

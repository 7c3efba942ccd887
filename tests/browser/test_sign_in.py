"""Signing in: what is taken, what is refused, and what the tab remembers."""

from tests.browser.conftest import OpenPage, SignIn
from tests.browser.person import Person
from tests.browser.rooms import ANA, Room
from tests.stack import Stack


def test_what_the_server_refuses_is_told(stack: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(stack.base_url)
    page.wait("document.activeElement.matches('textarea.token')")
    page.type("not a token")
    page.press("Enter")
    page.wait_text("This is not a token", "[role=alert]")
    page.evaluate("document.querySelector('textarea.token').select()")
    page.type(stack.token(ANA, ttl_s=-60))
    page.wait_text(f"It is that of {ANA}", ".whose")
    page.press("Enter")
    page.wait_text("The server does not take this token", "[role=alert]")
    page.evaluate("document.querySelector('textarea.token').select()")
    page.type(stack.token(ANA))
    page.press("Enter")
    page.wait("document.querySelector('.rooms')")


def test_the_tab_remembers_until_somebody_signs_out(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    room.send(ANA, "still here")
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    ana.page.call("Page.reload")
    ana.wait_says("still here")
    kept = ana.page.evaluate("JSON.stringify([{...localStorage}, document.cookie])")
    assert stack.token(ANA)[:30] not in kept
    ana.page.click("button[aria-label='Sign out']")
    ana.page.wait("document.querySelector('textarea.token')")
    assert ana.page.evaluate("sessionStorage.length") == 0
    ana.page.call("Page.reload")
    ana.page.wait("document.querySelector('textarea.token')")


def test_a_token_that_runs_out_is_asked_for_again_and_nothing_is_lost(
    stack: Stack, open_page: OpenPage
) -> None:
    room = Room(stack)
    room.send(ANA, "hello")
    page = open_page()
    page.goto(stack.base_url)
    page.wait("document.activeElement.matches('textarea.token')")
    page.type(stack.token(ANA, ttl_s=8))
    page.press("Enter")
    page.wait("document.querySelector('.rooms')")
    ana = Person(page, stack, ANA)
    ana.enter(room.room_id)
    page.wait_text("Your token does not hold any more", timeout_s=60)
    page.wait("document.activeElement.matches('textarea.token')")
    page.type(stack.token(ANA))
    page.press("Enter")
    ana.wait_says("hello")
    ana.wait_connected()
    ana.say("and on it goes")
    ana.page.wait("document.querySelector('.pending, .unsent') === null")


def test_a_token_in_the_address_is_offered_and_taken_out_of_it(
    stack: Stack, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(f"{stack.base_url}/#token={stack.token(ANA)}")
    page.wait_text(f"It is that of {ANA}", ".whose")
    assert page.evaluate("location.href") == f"{stack.base_url}/"
    page.click("button[type=submit]")
    page.wait("document.querySelector('.rooms')")

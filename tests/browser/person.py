"""Somebody at the page: what they do in a room, and what they see there."""

import json
from dataclasses import dataclass
from typing import Any, Self

from tests.browser.chromium import Page
from tests.stack import Stack

FIELD = ".composer textarea"


@dataclass(frozen=True)
class Person:
    page: Page
    stack: Stack
    user: str

    @classmethod
    def sign_in(cls, page: Page, stack: Stack, user: str, *roles: str) -> Self:
        """Open the page and bring a token, as it is done by hand."""
        page.goto(stack.base_url)
        page.wait("document.querySelector('textarea.token')")
        page.click("textarea.token")
        page.type(stack.token(user, *roles))
        page.press("Enter")
        page.wait("document.querySelector('.rooms')")
        return cls(page, stack, user)

    def enter(self, room_id: str) -> None:
        """Open a room and wait until it is live."""
        self.page.evaluate(f"location.hash = '#/rooms/{room_id}'")
        self.page.wait("document.querySelector('.message, .system')")
        self.wait_connected()

    def wait_connected(self) -> None:
        self.page.wait(
            "[...document.querySelectorAll('[role=status]')]"
            ".some((one) => one.textContent === 'Connected')",
            timeout_s=60,
        )

    def write(self, text: str) -> None:
        """Write into the field, without sending."""
        self.page.click(FIELD)
        self.page.type(text)

    def say(self, text: str) -> None:
        self.write(text)
        self.page.press("Enter")
        self.page.wait(f"document.querySelector({json.dumps(FIELD)}).value === ''")

    def rewrite(self, text: str) -> None:
        """Put other text into the field in place of what is there."""
        self.page.wait(f"document.querySelector({json.dumps(FIELD)}).value !== ''")
        self.page.click(FIELD)
        self.page.press("a", "Control")
        self.page.evaluate(f"document.querySelector({json.dumps(FIELD)}).select()")
        self.page.type(text)

    def wait_says(self, text: str, *, timeout_s: float = 30) -> None:
        self.page.wait_text(text, ".message", timeout_s=timeout_s)

    def seen(self) -> list[dict[str, Any]]:
        """The messages that are shown, oldest first, as they look."""
        return self.page.evaluate(
            """[...document.querySelectorAll('.message')].map((one) => ({
              id: one.dataset.row,
              sequence: Number(one.dataset.sequence),
              text: [...one.querySelectorAll('.prose, .typed, .tombstone')]
                .map((part) => part.textContent.trim()).join(' '),
              edited: one.querySelector('.edited') !== null,
              reactions: [...one.querySelectorAll('.reaction')].map((part) =>
                part.firstChild.textContent + part.childNodes[2].textContent),
              pending: one.matches('.unsent') || one.querySelector('.pending, .refused') !== null,
            }))"""
        )

"""A browser for all tests of the page, and people who are signed in."""

import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.browser.person import Person
from tests.stack import Stack

OpenPage = Callable[[], chromium.Page]
SignIn = Callable[..., Person]


@pytest.fixture(scope="session")
def browser() -> Generator[chromium.Browser]:
    program = chromium.find()
    if program is None:
        reason = "there is no Chromium"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}: .ci/run installs it")
        pytest.skip(f"{reason} (Debian: apt-get install chromium)")
    with (
        # What Chromium's helpers still write while it ends is nobody's concern.
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chromium.running_browser(program, Path(folder)) as running,
    ):
        yield running


@pytest.fixture
def open_page(browser: chromium.Browser) -> Generator[OpenPage]:
    """Opens tabs of people who share nothing. What their policy stopped, and errors that nobody
    caught, fail the test at its end."""
    pages: list[chromium.Page] = []
    with ExitStack() as tabs:

        def opened() -> chromium.Page:
            pages.append(tabs.enter_context(browser.page()))
            return pages[-1]

        yield opened
        told = [told for page in pages for told in page.told]
    assert told == []


@pytest.fixture
def sign_in(open_page: OpenPage) -> SignIn:
    """Signs somebody in, in a window of their own."""

    def signed_in(stack: Stack, user: str, *roles: str) -> Person:
        return Person.sign_in(open_page(), stack, user, *roles)

    return signed_in

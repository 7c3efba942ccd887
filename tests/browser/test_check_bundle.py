"""Checking a bundle in the page: without a token, and without sending it anywhere."""

from pathlib import Path

from tests.audit import rooms
from tests.browser.chromium import Page
from tests.browser.conftest import OpenPage
from tests.stack import Stack


def choose(page: Page, file: Path) -> None:
    found = page.call("Runtime.evaluate", expression="document.querySelector('input[type=file]')")
    object_id = found["result"]["objectId"]
    page.call("DOM.setFileInputFiles", files=[str(file)], objectId=object_id)
    page.wait("!document.querySelector('button.primary').disabled")


def test_a_bundle_is_checked_in_the_page(stack: Stack, open_page: OpenPage, tmp_path: Path) -> None:
    bundle, exported = rooms.bundle_of(rooms.plain_log())
    whole, changed = tmp_path / "whole.html", tmp_path / "changed.html"
    whole.write_bytes(bundle)
    changed.write_bytes(bundle.replace(b"checkout is slow", b"checkout is fast"))
    page = open_page()
    page.goto(stack.base_url)
    page.click("a[href='#/bundle']")
    page.wait("document.querySelector('input[type=file]')")

    choose(page, whole)
    page.click("button.primary")
    page.wait_text("Whole and unchanged. 12 events, 1 of them erased", "[role=status]")
    page.wait_text("whose key it is", "[role=status]")

    page.evaluate("document.querySelectorAll('textarea')[0].focus()")
    page.type(str(rooms.KEY.verifier))
    # What was said without the key is not what the fields say now.
    page.wait("document.querySelector('[role=status]').textContent === ''")
    page.evaluate("document.querySelectorAll('textarea')[1].focus()")
    page.type(exported.checkpoint)
    page.click("button.primary")
    page.wait_text("the first 12 events are those of your checkpoint", "[role=status]")
    page.wait_text("the key is one that you gave", "[role=status]")

    choose(page, changed)
    page.click("button.primary")
    page.wait_text("Not proved (body)", "[role=status]")
    page.wait_text("First bad event: 6.", "[role=status]")


def test_a_check_that_ends_late_says_nothing_of_another_file(
    stack: Stack, open_page: OpenPage, tmp_path: Path
) -> None:
    bundle, _ = rooms.bundle_of(rooms.plain_log())
    first, second = tmp_path / "first.html", tmp_path / "second.html"
    first.write_bytes(bundle)
    second.write_bytes(bundle.replace(b"checkout is slow", b"checkout is fast"))
    page = open_page()
    page.goto(f"{stack.base_url}/#/bundle")
    page.wait("document.querySelector('input[type=file]')")
    choose(page, first)
    # A file whose end is read only when the test says so.
    page.evaluate("""(() => {
        const streamed = File.prototype.stream;
        File.prototype.stream = function () {
            if (this.name !== "first.html") return streamed.call(this);
            const whole = streamed.call(this);
            return new ReadableStream({
                async start(made) {
                    await new Promise((read) => { window.readOn = read; });
                    for await (const chunk of whole) made.enqueue(chunk);
                    made.close();
                    window.readAll = true;
                },
            });
        };
    })()""")
    page.click("button.primary")
    page.wait("window.readOn !== undefined")

    choose(page, second)
    page.evaluate("window.readOn()")
    page.wait("window.readAll")
    page.click("button.primary")

    page.wait_text("Not proved (body)", "[role=status]")
    assert "Whole" not in page.evaluate("document.querySelector('[role=status]').textContent")

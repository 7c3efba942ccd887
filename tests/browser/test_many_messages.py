"""A room of 50,000 messages: only what is in sight exists, and it scrolls smoothly."""

import json
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import SignIn
from tests.browser.person import Person
from tests.browser.rooms import ANA
from tests.stack import Stack

MESSAGES = 50_000
ROWS_MAX = 150
FRAME_CPU_MS_MAX = 16


@pytest.fixture(scope="module")
def room_id(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The imported room; some of its messages are long."""
    file: Path = tmp_path_factory.mktemp("chat") / "chat.jsonl"
    with file.open("w") as lines:
        for n in range(MESSAGES):
            more = " and then some more of it" * (n % 7 if n % 50 == 0 else 0)
            said = {
                "room": "many",
                "at": f"2030-01-{1 + n // 2000:02}T{n // 90 % 24:02}:{n % 60:02}:00Z",
                "sender": ANA if n % 3 else "ben@example.com",
                "kind": "message",
                "text": f"message {n}{more}",
            }
            lines.write(json.dumps(said) + "\n")
    done = stack.cli("import", str(file), timeout_s=240)
    assert done.returncode == 0, done.stderr
    rooms = httpx.get(f"{stack.base_url}/api/rooms?limit=500", headers=stack.headers(ANA)).json()
    return next(room["room_id"] for room in rooms["items"] if room["name"] == "many")


def test_it_scrolls_smoothly_to_its_beginning(stack: Stack, sign_in: SignIn, room_id: str) -> None:
    ana = sign_in(stack, ANA)
    ana.enter(room_id)
    page = ana.page
    ana.wait_says(f"message {MESSAGES - 1}")
    # Its own time on the processor: how long a frame takes beside it depends on who else works.
    page.call("Performance.enable", timeDomain="threadTicks")
    before = page.metric("TaskDuration")
    told = page.evaluate(_SCROLL_UP)
    cpu_ms = (page.metric("TaskDuration") - before) * 1000 / told["frames"]
    assert told["places"] == [], "what is read stays where it is while older ones come"
    assert told["rows"] <= ROWS_MAX
    assert cpu_ms <= FRAME_CPU_MS_MAX
    _go_to_beginning(ana)
    assert page.evaluate("document.querySelectorAll('[data-row]').length") <= ROWS_MAX
    page.click(".jump.down")
    ana.wait_says(f"message {MESSAGES - 1}")
    ana.say("the last word")
    ana.wait_says("the last word")


# Goes up in steps, one each frame; notes where a message did not move as far as the reader went.
_SCROLL_UP = """new Promise((resolve) => {
  const [step, count] = [160, 200];
  const scroller = document.querySelector('.scroller');
  const told = { frames: 0, places: [], rows: 0 };
  let held = null;
  let place = 0;
  const frame = () => {
    told.frames += 1;
    told.rows = Math.max(told.rows, document.querySelectorAll('[data-row]').length);
    const moved = held?.isConnected ? held.getBoundingClientRect().top - place : step;
    if (Math.abs(moved - step) > 2) told.places.push(moved);
    if (told.frames > count) return resolve(told);
    const { top, height } = scroller.getBoundingClientRect();
    held = scroller.scrollTop < step ? null
      : [...document.querySelectorAll('.message')].find((one) =>
          one.getBoundingClientRect().top > top + height / 2);
    place = held?.getBoundingClientRect().top;
    scroller.scrollTop -= step;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


def _go_to_beginning(person: Person) -> None:
    person.page.evaluate("document.querySelector('.scroller').focus()")
    person.page.evaluate(
        """new Promise((resolve) => {
          const scroller = document.querySelector('.scroller');
          const step = () => {
            if (document.body.textContent.includes('The room begins here.')) return resolve(true);
            scroller.scrollTop = 0;
            requestAnimationFrame(step);
          };
          step();
        })"""
    )
    person.page.wait_text("message 0", ".message")

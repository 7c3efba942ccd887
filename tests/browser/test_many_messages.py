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
FRAME_MS_MAX = 120


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
    frames = page.evaluate(_SCROLL_UP)
    assert frames["places"] == [], "what is read stays where it is while older ones come"
    assert frames["rows"] <= ROWS_MAX
    slow = sorted(frames["ms"])[int(len(frames["ms"]) * 0.95)]
    assert slow <= FRAME_MS_MAX, frames["ms"]
    _go_to_beginning(ana)
    assert page.evaluate("document.querySelectorAll('[data-row]').length") <= ROWS_MAX
    page.click(".jump.down")
    ana.wait_says(f"message {MESSAGES - 1}")
    ana.say("the last word")
    ana.wait_says("the last word")


# Goes up a screen a frame; notes how long each frame took, and messages that were pushed about.
_SCROLL_UP = """new Promise((resolve) => {
  const scroller = document.querySelector('.scroller');
  const told = { ms: [], places: [], rows: 0 };
  let before = performance.now();
  let frames = 0;
  const middle = () => {
    const { top, height } = scroller.getBoundingClientRect();
    return [...document.querySelectorAll('.message')].find((one) =>
      one.getBoundingClientRect().top > top + height / 2);
  };
  const step = (now) => {
    told.ms.push(Math.round(now - before));
    before = now;
    told.rows = Math.max(told.rows, document.querySelectorAll('[data-row]').length);
    if (++frames > 200) return resolve(told);
    const held = middle();
    const place = held?.getBoundingClientRect().top;
    scroller.scrollTop -= 160;
    if (held && scroller.scrollTop > 0) {
      setTimeout(() => {
        const moved = held.getBoundingClientRect().top - place;
        if (held.isConnected && Math.abs(moved - 160) > 40 && moved !== 0 &&
            scroller.scrollTop > 200) told.places.push(moved);
      });
    }
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
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

"""What a room shows beside the talk: cards and links, its status, colours, and what is said aloud."""

from tests.browser.chromium import Page
from tests.browser.conftest import SignIn
from tests.browser.person import FIELD
from tests.browser.rooms import ANA, BEN, Room
from tests.stack import Stack

DATA = {"error_rate": 0.213, "hosts": ["pay-1", "pay-2"], "pool": {"max": 400, "full": True}}


def test_each_kind_of_message_shows_as_what_it_is(stack: Stack, sign_in: SignIn) -> None:
    room = Room(stack)
    room.send(ANA, "the alert", message_type="incident_data",
              metadata={"kind": "latency_alert", "data": DATA})  # fmt: skip
    room.send(ANA, "", message_type="image_ref",
              metadata={"url": "https://pictures.example.org/a.png", "content_type": "image/png",
                        "alt": "A line that jumps", "width": 1200, "height": 480})  # fmt: skip
    room.send(ANA, "", message_type="file_ref",
              metadata={"url": "https://files.example.org/heap.gz", "filename": "heap.gz",
                        "content_type": "application/gzip", "size": 183_500_800})  # fmt: skip
    ben = sign_in(stack, BEN)
    ben.enter(room.room_id)
    ben.page.wait_text("heap.gz", ".reference")

    assert ben.page.evaluate("document.querySelector('.card h3').textContent") == "latency alert"
    assert ben.page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.card dt')].map((one) =>
          [one.textContent, one.nextSibling.querySelector('dl') ? null
            : one.nextSibling.textContent]))"""
    ) == {
        "error rate": "0.213",
        "hosts": "pay-1, pay-2",
        "pool": None,
        "max": "400",
        "full": "yes",
    }
    assert ben.page.evaluate(
        """[...document.querySelectorAll('.reference')].map((one) => [one.href, one.rel,
          one.querySelector('.what').textContent, one.querySelector('.facts').textContent])"""
    ) == [
        [
            *("https://pictures.example.org/a.png", "noopener noreferrer nofollow"),
            *(
                "A line that jumps",
                "image/png · 1200 \N{MULTIPLICATION SIGN} 480 · pictures.example.org",
            ),
        ],
        [
            *("https://files.example.org/heap.gz", "noopener noreferrer nofollow"),
            *("heap.gz", "application/gzip · 184 MB · files.example.org"),
        ],
    ]
    loaded = "[...performance.getEntriesByType('resource')].map((one) => new URL(one.name).origin)"
    assert set(ben.page.evaluate(loaded)) == {stack.base_url}
    assert ben.page.evaluate("document.querySelectorAll('main img').length") == 0


def test_the_commander_changes_the_status_and_a_closed_room_takes_nothing_more(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    room.send(ANA, "hello")
    ana, ben = sign_in(stack, ANA), sign_in(stack, BEN)
    ana.enter(room.room_id)
    ben.enter(room.room_id)
    assert not ben.page.evaluate("document.querySelector('select.status')")

    choose_status(ana.page, "mitigated")
    ben.page.wait_text("Mitigated", ".room-header .status")
    ben.page.wait_text("ana changed the status to Mitigated", ".system")
    ben.page.wait(f"document.querySelector('{FIELD}')")
    choose_status(ana.page, "closed")
    for person in (ana, ben):
        person.page.wait_text("This room is closed: nothing more is said here.", ".note")
        assert not person.page.evaluate(f"document.querySelector('{FIELD}')")


def choose_status(page: Page, status: str) -> None:
    page.evaluate("document.querySelector('select.status').focus()")
    page.evaluate(
        f"""(() => {{ const choice = document.querySelector('select.status');
        choice.value = '{status}';
        choice.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"""
    )


def test_colours_follow_the_device_unless_the_reader_chooses(stack: Stack, sign_in: SignIn) -> None:
    page = sign_in(stack, ANA).page

    def is_dark() -> bool:
        """Whether what is written is light."""
        colour = page.evaluate("getComputedStyle(document.body).color")
        return int(colour.removeprefix("rgb(").partition(",")[0]) > 128

    page.show_dark(dark=False)
    assert not is_dark()
    page.show_dark(dark=True)
    assert is_dark()
    page.click("button[aria-label^='Colours: system']")
    page.wait("document.querySelector(\"button[aria-label^='Colours: light']\")")
    assert not is_dark()
    page.click("button[aria-label^='Colours: light']")
    page.wait("document.querySelector(\"button[aria-label^='Colours: dark']\")")
    page.show_dark(dark=False)
    assert is_dark()
    page.call("Page.reload")
    page.wait("document.querySelector(\"button[aria-label^='Colours: dark']\")")
    assert is_dark()


def test_what_others_say_is_said_aloud_and_the_connection_too(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    room.send(ANA, "hello")
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    room.send(BEN, "the disk is full")
    ana.page.wait_text("ben: the disk is full", "[aria-live=polite]")
    ana.page.go_offline(offline=True)
    ana.page.wait_text("Offline", "[role=status]")
    ana.page.go_offline(offline=False)
    ana.wait_connected()


def test_what_was_written_offline_is_sent_though_the_page_was_left(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    room.send(BEN, "hello")
    ana = sign_in(stack, ANA)
    ana.enter(room.room_id)
    ana.page.go_offline(offline=True)
    ana.page.wait_text("Offline", ".connection")
    ana.say("one, from the tunnel")
    ana.say("two, from the tunnel")
    ana.page.wait_text("two, from the tunnel", ".unsent")
    kept = "Object.keys(localStorage).filter((name) => name.startsWith('roomlog:')).length"
    assert ana.page.evaluate(kept) == 2
    ana.page.goto("about:blank")

    ana.page.go_offline(offline=False)
    ana.page.goto(stack.base_url)
    ana.page.wait("document.querySelector('.rooms')")
    ana.enter(room.room_id)
    ana.wait_says("two, from the tunnel")
    ana.page.wait("document.querySelector('.pending, .unsent') === null")
    ana.page.wait(f"{kept} === 0")
    said = [m["content"] for m in room.messages()]
    assert said == ["hello", "one, from the tunnel", "two, from the tunnel"]


def test_on_a_phone_one_goes_from_the_rooms_to_a_room_and_back(
    stack: Stack, sign_in: SignIn
) -> None:
    one, other = Room(stack, name="one-phone"), Room(stack, name="other-phone")
    one.send(BEN, "in the one")
    other.send(BEN, "in the other")
    ana = sign_in(stack, ANA)
    ana.page.resize(360, 740, phone=True)
    ana.page.click(".rooms a", "one-phone")
    ana.wait_says("in the one")
    ana.page.click(".room-header button[aria-label=Rooms]")
    ana.page.click(".rooms a", "other-phone")
    ana.wait_says("in the other")
    ana.say("from a phone")
    ana.wait_says("from a phone")
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_lines_stay_lines_and_each_paragraph_runs_in_its_own_direction(
    stack: Stack, sign_in: SignIn
) -> None:
    room = Room(stack)
    room.send(ANA, "one\ntwo\n\n- three\n- four\n  five\n- six\n  - seven")
    room.send(ANA, "שלום עולם! abc\n\nabc שלום עולם!")
    ben = sign_in(stack, BEN)
    ben.enter(room.room_id)
    ben.wait_says("seven")
    ben.wait_says("שלום")

    assert ben.page.evaluate(
        "[...document.querySelectorAll('.prose')].map((one) => one.innerText)[0].split(/\\n+/)"
    ) == ["one", "two", "three", "four", "five", "six", "seven"]
    assert ben.page.evaluate(
        """[...document.querySelectorAll('.prose')].at(-1).querySelectorAll('p').values()
          .map((paragraph) => {
            const first = document.createRange();
            first.setStart(paragraph.firstChild, 0);
            first.setEnd(paragraph.firstChild, 1);
            const { left, right } = paragraph.getBoundingClientRect();
            return first.getBoundingClientRect().left > (left + right) / 2 ? "right" : "left";
          }).toArray()"""
    ) == ["right", "left"]

"""What a bundle holds, and when there is none."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser

import pytest

from roomlog.audit.export import ExportError, export_room, time_text
from roomlog.audit.verify_bundle import verify
from roomlog.core.leaves import event_leaf_hash, parts_of
from roomlog.core.merkle import RightEdge
from roomlog.core.signed_note import parse_note
from roomlog.core.signed_note import verify as verify_note
from roomlog.core.tree_head import parse_tree_head
from roomlog.ports import LogEvent
from tests.audit import rooms
from tests.audit.rooms import RoomLog


def test_every_event_is_in_it_byte_for_byte_with_its_place_and_time():
    log = rooms.plain_log()
    bundle, exported = rooms.bundle_of(log)
    lines = [line for line in bundle.decode().splitlines() if "<code>event " in line]

    assert exported.events == len(log.events) + 1
    for line, event in zip(lines, log.events, strict=True):
        text = line.split("<code>")[1].split("</code>")[0]
        said = event.data.decode()
        assert text == f"event {event.sequence} {time_text(event.appended_ns)} {said}"


def test_its_checkpoint_is_that_of_the_rooms_tree():
    log = rooms.plain_log()
    erased = RoomLog()
    erased.events = log.events[:3]
    secret = erased.put(rooms.sent(4, "the password is hunter2", actor="rob@example.org"))
    leaves = {one.sequence: one.data for one in [*log.events, erased.at(secret)]}
    tree = RightEdge()
    for sequence in sorted(leaves):
        tree.append(event_leaf_hash(sequence, parts_of(leaves[sequence]).envelope))
    _, exported = rooms.bundle_of(log)
    note = parse_note(exported.checkpoint.encode())

    assert verify_note(note, [rooms.KEY.verifier])
    head = parse_tree_head(note.text)
    assert (head.size, head.root) == (tree.size, tree.root())


def test_nothing_of_an_erased_event_is_in_it():
    bundle, exported = rooms.bundle_of(rooms.plain_log())

    assert exported.erased == 1
    assert b"hunter2" not in bundle


def test_what_was_redacted_is_left_out_while_its_bytes_are_still_there():
    log = RoomLog()
    log.put(rooms.stored("room.created", 1, {"name": "payments"}))
    secret = log.put(rooms.sent(2, "the password is hunter2"))
    log.put(rooms.redaction_of(log.at(secret), 3))
    before, exported = rooms.bundle_of(log)
    log.erase(secret)

    assert exported.erased == 1
    assert b"hunter2" not in before
    assert rooms.bundle_of(log)[0] == before
    assert verify(io.BytesIO(before)).ok


def test_a_redaction_that_tells_of_the_event_otherwise_hides_nothing():
    log = RoomLog()
    log.put(rooms.stored("room.created", 1, {"name": "payments"}))
    log.put(rooms.sent(2, "one"))
    other = LogEvent(2, 1, rooms.ROOM, rooms.sent(2, "two"), 0)
    log.put(rooms.redaction_of(other, 3))
    bundle, exported = rooms.bundle_of(log)

    assert exported.erased == 0
    assert verify(io.BytesIO(bundle)).ok


def test_a_redaction_made_twice_explains_once():
    log = RoomLog()
    log.put(rooms.stored("room.created", 1, {"name": "payments"}))
    secret = log.put(rooms.sent(2, "hunter2"))
    log.put(rooms.redaction_of(log.at(secret), 3))
    log.put(rooms.redaction_of(log.at(secret), 4))
    log.erase(secret)
    bundle, _ = rooms.bundle_of(log)

    found = verify(io.BytesIO(bundle))
    assert (found.ok, found.events, found.erased) == (True, 4, 1)


def test_a_room_as_of_a_place_is_a_bundle_too():
    bundle, exported = rooms.bundle_of(rooms.plain_log(), up_to=12)

    assert exported.head == 12
    assert verify(io.BytesIO(bundle)).ok


def test_a_place_before_the_explanation_of_what_was_erased_is_refused():
    with pytest.raises(ExportError, match="up to event 10"):
        rooms.bundle_of(rooms.plain_log(), up_to=9)


def test_a_room_that_is_not_there_is_refused():
    with pytest.raises(ExportError, match="no events"):
        rooms.bundle_of(RoomLog())


class _RedactedMeanwhile(RoomLog):
    """An event is redacted and erased while the room is read for the second time."""

    reads = 0

    async def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        self.reads += 1
        if self.reads == 2:
            self.put(rooms.redaction_of(self.at(2), 3))
            self.erase(2)
        async for batch in super().read(room_id, after=after, up_to=up_to):
            yield batch


def test_what_is_redacted_meanwhile_ends_the_export():
    log = _RedactedMeanwhile()
    log.put(rooms.stored("room.created", 1, {"name": "payments"}))
    log.put(rooms.sent(2, "hunter2"))

    with pytest.raises(ExportError, match="again"):
        rooms.bundle_of(log)


def test_progress_goes_up_to_twice_the_head():
    told: list[int] = []
    log = rooms.plain_log()
    asyncio.run(
        export_room(
            log,  # type: ignore[arg-type]
            rooms.ROOM,
            rooms.KEY,
            io.BytesIO(),
            exported_at=rooms.EXPORTED_AT,
            progress=lambda done, _what: told.append(done),
        )
    )

    assert told == sorted(told)
    assert told[-1] == 2 * log.events[-1].sequence


class _Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_that_was_said_becomes_part_of_the_page():
    page = _Page()
    page.feed(rooms.bundle_of(rooms.nasty_log())[0].decode())

    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "pre", "code", "ol"),
        *("li", "time", "b", "bdi", "i", "a", "details", "summary"),
    }
    assert page.attributes == {"lang", "charset", "http-equiv", "content", "id", "href"}
    assert "<script>alert(1)</script>" in page.text
    assert '"><img src=x onerror=alert(1)>' in page.text

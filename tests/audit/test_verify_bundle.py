"""Whatever is changed in a bundle is noticed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.audit.bundle_notes import parse_key
from roomlog.audit.verify_bundle import LINE_BYTES_MAX, Verdict, verify
from tests.audit import rooms

WHOLE, _ = rooms.bundle_of(rooms.plain_log())
NASTY, _ = rooms.bundle_of(rooms.nasty_log())


def verdict(data: bytes) -> Verdict:
    return verify(io.BytesIO(data))


@pytest.mark.parametrize("bit", [0, 5])
def test_no_byte_can_be_changed_without_being_noticed(bit: int):
    for at in range(len(WHOLE)):
        changed = WHOLE[:at] + bytes([WHOLE[at] ^ 1 << bit]) + WHOLE[at + 1 :]
        assert not verdict(changed).ok, at


def test_no_byte_can_be_left_out_without_being_noticed():
    for at in range(len(WHOLE)):
        assert not verdict(WHOLE[:at] + WHOLE[at + 1 :]).ok, at


@given(s.data())
def test_no_part_can_be_put_in_place_of_another_without_being_noticed(data: s.DataObject):
    bundle = data.draw(s.sampled_from([WHOLE, NASTY]))
    places = s.integers(0, len(bundle))
    begin, end = sorted((data.draw(places), data.draw(places)))
    lines = s.sampled_from(bundle.splitlines(keepends=True))
    insert = data.draw(s.binary(max_size=20) | lines | s.text(max_size=20).map(str.encode))
    changed = bundle[:begin] + insert + bundle[end:]

    assert verdict(changed).ok == (changed == bundle)


def test_it_says_what_was_proved_and_what_was_not():
    known = verify(io.BytesIO(WHOLE), [parse_key(str(rooms.KEY.verifier))])
    unknown = verdict(WHOLE)

    assert (unknown.events, unknown.erased, unknown.key) == (12, 1, str(rooms.KEY.verifier))
    assert any("--key" in line for line in unknown.not_proved)
    assert not any("--key" in line for line in known.not_proved)
    assert len(known.proved) == len(unknown.proved) + 1
    assert any("--against" in line for line in known.not_proved)
    assert any("erased events said" in line for line in known.not_proved)


def test_where_something_is_wrong_nothing_is_called_proved():
    found = verdict(WHOLE.replace(b"checkout is slow", b"checkout is fast"))

    assert (found.code, found.sequence, found.last_good) == ("body", 6, 4)
    assert found.proved == []


def test_a_line_without_end_is_not_read_to_the_end():
    begin = WHOLE.index(b"<li id=")
    endless = io.BytesIO(WHOLE[:begin] + b"x" * (LINE_BYTES_MAX * 3))

    assert verify(endless).code == "malformed"
    assert endless.tell() < LINE_BYTES_MAX + 100_000


@pytest.mark.parametrize("data", [b"", b"\n", b"\x00" * 100, b"{}", b"PK\x03\x04" + bytes(5000)])
def test_what_is_no_bundle_is_said_to_be_none(data: bytes):
    assert verdict(data).code == "not_a_bundle"

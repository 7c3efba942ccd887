"""The stored bytes of version 1: what is in a log already is never encoded or read otherwise."""

import msgspec
import pytest

from roomlog.core.upcasters import room_event
from roomlog_contract import stored as st
from tests.core import golden_events as golden


@pytest.mark.parametrize("name", golden.NAMES)
def test_encoding_gives_the_very_bytes_of_the_golden_file(name: str):
    assert golden.encoded(name) == golden.stored_file(name).read_bytes()


@pytest.mark.parametrize("name", golden.NAMES)
def test_readers_see_what_they_always_saw(name: str):
    event = room_event(*golden.PLACE, golden.stored_file(name).read_bytes())

    assert msgspec.json.encode(event) == golden.reader_file(name).read_bytes()


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_commit_of_a_golden_file_is_true_and_its_envelope_says_nothing(name: str):
    data = golden.stored_file(name).read_bytes()
    event = st.decode_stored(data)
    envelope = st.envelope_of(data)

    assert st.commit_is_true(event)
    assert envelope[:-1] + b',"body":' + bytes(event.body) + b"}" == data
    assert "body" not in msgspec.json.decode(envelope)


def test_every_event_type_has_golden_files_with_all_and_with_few_fields():
    assert {f"{kind} full" for kind in st.BODY_TYPES} <= set(golden.NAMES)
    assert {f"{kind} minimal" for kind in st.BODY_TYPES} <= set(golden.NAMES)


@pytest.mark.parametrize("kind", list(st.BODY_TYPES))
def test_the_full_golden_file_sets_every_field_of_the_body(kind: str):
    stored = st.decode_stored(golden.stored_file(f"{kind} full").read_bytes())

    assert set(msgspec.json.decode(stored.body)) == set(st.BODY_TYPES[kind].__struct_fields__)


def test_no_golden_file_is_without_its_test():
    known = {golden.stored_file(name).name for name in golden.NAMES}
    known |= {golden.reader_file(name).name for name in golden.NAMES}

    assert {file.name for file in golden.GOLDEN.iterdir()} == known

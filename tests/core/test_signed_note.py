"""Signed notes, with keys and notes that were published elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import signed_note as sn
from roomlog.core.signed_note import NoteError

# From the documentation of Go's golang.org/x/mod/sumdb/note.
_GO_SIGNING = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
_GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
_GO_NOTE = (
    f"{_GO_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZS"
    "NXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of C2SP signed-note.
_C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMou"
    "FSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)


def _key(name: str = "example.org/log", seed: int = 1) -> sn.SigningKey:
    return sn.SigningKey(name, bytes([seed]) * 32)


def test_keys_of_other_tools_are_read_and_written_as_they_are():
    signing = sn.parse_signing_key(_GO_SIGNING)

    assert signing.written() == _GO_SIGNING
    assert str(signing.verifier) == _GO_VERIFIER
    assert sn.parse_verifier_key(_GO_VERIFIER) == signing.verifier


def test_a_note_of_other_tools_verifies_and_is_signed_to_the_same_bytes():
    note = sn.parse_note(_GO_NOTE.encode())

    assert note.text == _GO_TEXT
    assert sn.verify(note, [sn.parse_verifier_key(_GO_VERIFIER)])
    assert sn.sign(_GO_TEXT, [sn.parse_signing_key(_GO_SIGNING)]) == _GO_NOTE


def test_the_note_of_the_specification_is_read_with_its_empty_line():
    note = sn.parse_note(_C2SP_NOTE.encode())

    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    (signature,) = note.signatures
    assert signature.name == "quasimodo.example/salvatore"
    assert signature.key_id.hex() == "367ba04b"
    assert len(signature.signature) == 64


def test_any_change_of_a_note_is_noticed():
    note = sn.sign("origin\n5\nroot\n", [_key()]).encode()
    known = [_key().verifier]
    assert sn.verify(sn.parse_note(note), known)

    for at in range(len(note)):
        for changed in (note[at] ^ 1, note[at] ^ 0x20):
            other = note[:at] + bytes([changed]) + note[at + 1 :]
            with pytest.raises(NoteError):
                sn.verify(sn.parse_note(other), known)
    for end in range(len(note)):
        with pytest.raises(NoteError):
            sn.verify(sn.parse_note(note[:end]), known)


def test_signatures_of_unknown_keys_are_passed_over_and_those_of_two_known_ones_found():
    old, new, stranger = _key(seed=1), _key(seed=2), _key("stranger.example", seed=3)
    note = sn.parse_note(sn.sign("text\n", [stranger, old, new]).encode())

    assert sn.verify(note, [new.verifier, old.verifier]) == [old.verifier, new.verifier]
    assert sn.verify(note, [new.verifier]) == [new.verifier]
    with pytest.raises(NoteError, match="no known key"):
        sn.verify(note, [_key("example.org/log", seed=4).verifier])


def test_one_wrong_signature_by_a_known_key_spoils_the_note():
    good, other = sn.sign("text\n", [_key()]), sn.sign("other\n", [_key(seed=2)])
    note = sn.parse_note((good + other.rpartition("\n\n")[2]).encode())

    assert sn.verify(note, [_key().verifier])
    with pytest.raises(NoteError, match="wrong"):
        sn.verify(note, [_key().verifier, _key(seed=2).verifier])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u00a0b", "a\u2003b", "x" * 201])
def test_a_name_with_spaces_or_plus_is_refused(name: str):
    with pytest.raises(NoteError):
        sn.check_name(name)


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("text\n", "empty line"),
        ("text\n\n", "empty line"),
        ("text\n\n- name AAAAAAA=\n", "dash"),
        ("text\n\n— name AAAAAAA=", "empty line"),
        ("text\n\n— name  AAAAAAA=\n", "dash"),
        ("text\n\n— name AAAAAA==\n", "4 bytes"),
        ("text\n\n— name AAAAAAB=\n", "canonical"),
        ("text\n\n— name AAAA AAA=\n", "dash"),
        ("te\rxt\n\n— name AAAAAAA=\n", "control"),
        ("text\n\n" + "— name AAAAAAA=\n" * 65, "64 signatures"),
        ("x" * sn.NOTE_BYTES_MAX + "\n\n— name AAAAAAA=\n", "bytes"),
    ],
)
def test_what_is_no_note_is_refused_with_the_reason(note: str, reason: str):
    with pytest.raises(NoteError, match=reason):
        sn.parse_note(note.encode())


def test_bytes_that_are_no_text_are_no_note():
    with pytest.raises(NoteError, match="UTF-8"):
        sn.parse_note(b"\xff\n\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        _GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        _GO_VERIFIER.replace("PeterNeumann", "PeterNeuman"),
        _GO_VERIFIER.replace("ARpc", "Arpc"),
        _GO_VERIFIER[:-4],
    ],
)
def test_a_damaged_verifier_key_is_refused(text: str):
    with pytest.raises(NoteError):
        sn.parse_verifier_key(text)


def test_a_damaged_signing_key_is_refused_without_being_told():
    for text in (_GO_SIGNING.removeprefix("PRIVATE+KEY+"), _GO_SIGNING.replace("c74f", "c74e")):
        with pytest.raises(NoteError) as refused:
            sn.parse_signing_key(text)
        assert "AYEKFALV" not in str(refused.value)
    assert "AYEKFALV" not in repr(sn.parse_signing_key(_GO_SIGNING))


def test_a_text_that_does_not_end_with_a_newline_is_not_signed():
    with pytest.raises(NoteError, match="newline"):
        sn.sign("text", [_key()])


@given(s.lists(s.text(s.characters(exclude_categories=("Cs", "Cc")), max_size=20), max_size=5))
def test_every_text_of_lines_comes_back_as_it_was_signed(lines: list[str]):
    text = "".join(f"{line}\n" for line in ["first", *lines])
    note = sn.parse_note(sn.sign(text, [_key()]).encode())

    assert note.text == text
    assert sn.verify(note, [_key().verifier]) == [_key().verifier]

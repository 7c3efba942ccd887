"""What was erased, looked for in files."""

from pathlib import Path

import pytest

from roomlog.audit.erased_files import commit_of, left_in
from roomlog.core.leaves import parts_of
from roomlog_contract import stored as st
from roomlog_contract.types import MessageType
from tests.audit.rooms import ROOM

AT = "2030-01-31T12:00:00.000Z"


def _said(content: str) -> bytes:
    body = st.MessageSentBody(content=content, message_type=MessageType.TEXT, salt="00")
    return st.encode_stored(
        type="message.sent", id=content, room_id=ROOM, actor="a", at=AT, body=body
    )


def _commit(data: bytes) -> bytes:
    commit = commit_of(parts_of(data).envelope)
    assert commit is not None
    return commit


@pytest.mark.parametrize("around", [b"", b"\x00\xff\n" * 5000])
def test_only_what_is_redacted_and_lies_there_with_its_body_is_left(tmp_path: Path, around: bytes):
    erased, left, stays = (_said(content) for content in ("erased", "left", "stays"))
    block, empty = tmp_path / "1.blk", tmp_path / "2.blk"
    # A redaction tells of the envelope, in a string of its own.
    told = parts_of(erased).envelope.replace(b'"', b'\\"') + b',"body":{}'
    block.write_bytes(around.join([stays, told, parts_of(erased).envelope, left, b""]))
    empty.touch()
    files = [block, empty, tmp_path / "gone.blk"]
    redacted = {_commit(erased), _commit(left)}

    assert left_in(files, redacted) == {_commit(left)}
    assert left_in(files, {_commit(erased)}) == set()
    assert left_in(files, set()) == set()


def test_what_has_no_commit_is_known_by_nothing():
    assert commit_of(b"anything at all") is None
    assert commit_of(parts_of(b'{"id":"x"}').envelope) is None

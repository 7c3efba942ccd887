from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core.message_types import HANDLERS
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import MessageType, SystemEventType

IMAGE = {"url": "https://x.example/a.png", "content_type": "image/png"}
FILE = {"url": "https://x.example/a", "filename": "a.log", "content_type": "text/plain"}

_GOOD: list[tuple[MessageType, dict[str, Any]]] = [
    (MessageType.TEXT, {}),
    (MessageType.TEXT, {"anything": [1, None, {"url": 7}]}),
    (MessageType.IMAGE_REF, IMAGE),
    (MessageType.IMAGE_REF, {**IMAGE, "alt": "a graph", "width": 1, "height": 2, "size": 0}),
    (MessageType.IMAGE_REF, {**IMAGE, "own": "field", "content_type": "image/svg+xml"}),
    (MessageType.IMAGE_REF, {**IMAGE, "width": 1200.0, "height": 4e2}),
    (MessageType.IMAGE_REF, {**IMAGE, "url": "https://x.example:8443/p?q=1&r=a%20b#f"}),
    (MessageType.FILE_REF, FILE),
    (MessageType.FILE_REF, {**FILE, "size": 2**53, "sha256": "0a" * 32, "own": 1}),
    (MessageType.INCIDENT_DATA, {"kind": "metric", "data": {}}),
    (MessageType.INCIDENT_DATA, {"kind": "k", "data": {"a": [1, {"b": None}]}, "own": 1}),
    *((MessageType.SYSTEM, {"event": kind.value}) for kind in SystemEventType),
]


@pytest.mark.parametrize(("kind", "metadata"), _GOOD)
def test_metadata_of_its_kind_is_taken(kind: MessageType, metadata: dict[str, Any]):
    HANDLERS[kind](metadata)


def _without(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != name}


_BAD: list[tuple[MessageType, dict[str, Any], str]] = [
    *((MessageType.IMAGE_REF, _without(IMAGE, name), f"metadata.{name}") for name in IMAGE),
    *((MessageType.FILE_REF, _without(FILE, name), f"metadata.{name}") for name in FILE),
    (MessageType.INCIDENT_DATA, {"data": {}}, "metadata.kind"),
    (MessageType.INCIDENT_DATA, {"kind": "metric"}, "metadata.data"),
    (MessageType.INCIDENT_DATA, {"kind": "", "data": {}}, "metadata.kind"),
    (MessageType.INCIDENT_DATA, {"kind": "k", "data": []}, "metadata.data"),
    (MessageType.INCIDENT_DATA, {"kind": "k", "data": "{}"}, "metadata.data"),
    (MessageType.SYSTEM, {}, "metadata.event"),
    (MessageType.SYSTEM, {"event": "party"}, "metadata.event"),
    *(
        (MessageType.IMAGE_REF, {**IMAGE, "url": url}, "metadata.url")
        for url in (
            *("http://x.example/a", "javascript:alert(1)", "https://", "https:///a", "https://?q"),
            *("https://x.example/a b", "https://x.example/\n", "ftp://x", "//x.example/a", ""),
            *(" https://x.example/a", "https://x.example/" + "a" * 2048, None, 7, ["https://x"]),
            *("https://x.example/\x1e", "https://x\x85.example/", "https://x.example/\ufeffa"),
        )
    ),
    *(
        (MessageType.IMAGE_REF, {**IMAGE, "content_type": kind}, "metadata.content_type")
        for kind in ("text/html", "image/", "image", "image/png\n", "image/png; x=y", None)
    ),
    *(
        (MessageType.IMAGE_REF, {**IMAGE, name: value}, f"metadata.{name}")
        for name in ("width", "height")
        for value in (0, -1, 1.5, "10", True, 100_001)
    ),
    (MessageType.IMAGE_REF, {**IMAGE, "alt": "x" * 1001}, "metadata.alt"),
    (MessageType.IMAGE_REF, {**IMAGE, "size": -1}, "metadata.size"),
    (MessageType.FILE_REF, {**FILE, "filename": ""}, "metadata.filename"),
    (MessageType.FILE_REF, {**FILE, "filename": "x" * 256}, "metadata.filename"),
    (MessageType.FILE_REF, {**FILE, "content_type": "text"}, "metadata.content_type"),
    (MessageType.FILE_REF, {**FILE, "size": 2**53 + 1}, "metadata.size"),
    (MessageType.FILE_REF, {**FILE, "sha256": "0A" * 32}, "metadata.sha256"),
    (MessageType.FILE_REF, {**FILE, "sha256": "0a" * 31}, "metadata.sha256"),
    (MessageType.FILE_REF, {**FILE, "sha256": "0a" * 32 + "\n"}, "metadata.sha256"),
]


@pytest.mark.parametrize(("kind", "metadata", "field"), _BAD)
def test_metadata_that_is_not_of_its_kind_is_refused_with_the_field(
    kind: MessageType, metadata: dict[str, Any], field: str
):
    with pytest.raises(RefusedError) as refused:
        HANDLERS[kind](metadata)

    assert refused.value.code == ErrorCode.INVALID
    assert [error.field for error in refused.value.errors] == [field]


def test_a_field_deep_down_is_named_by_its_path():
    with pytest.raises(RefusedError) as refused:
        HANDLERS[MessageType.INCIDENT_DATA]({"kind": 7, "data": {}})

    assert refused.value.errors[0].field == "metadata.kind"
    assert "`" not in refused.value.errors[0].field


@given(
    s.sampled_from(MessageType),
    s.dictionaries(
        s.sampled_from([*IMAGE, *FILE, "kind", "data", "event", "alt", "width", "size", "sha256"]),
        s.none() | s.booleans() | s.integers() | s.floats() | s.text() | s.lists(s.none()),
    ),
)
def test_any_metadata_is_taken_unchanged_or_refused_as_invalid(
    kind: MessageType, metadata: dict[str, Any]
):
    before = repr(metadata)
    refused: RefusedError | None = None
    try:
        HANDLERS[kind](metadata)
    except RefusedError as error:
        refused = error
    assert refused is None or refused.errors[0].field.startswith("metadata")
    assert repr(metadata) == before


def test_every_kind_has_its_handler():
    assert set(HANDLERS) == set(MessageType)

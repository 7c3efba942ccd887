"""One handler for each kind of message: what its metadata must say.

A handler takes a message's metadata, raises RefusedError `invalid` with the field at fault, and
returns nothing: metadata is kept as given, with fields of the caller's own beside the known ones.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import MessageType, SystemEventType

_URL_CHARS_MAX = 2048
_SIZE_BYTES_MAX = 2**53

_HttpsUrl = Annotated[str, Meta(pattern=r"^https://[^\s/?#]+[^\s]*\Z", max_length=_URL_CHARS_MAX)]
_MediaType = Annotated[str, Meta(pattern=r"^[\w.+-]+/[\w.+-]+\Z", max_length=255)]
_ImageType = Annotated[str, Meta(pattern=r"^image/[\w.+-]+\Z", max_length=255)]
_Size = Annotated[int, Meta(ge=0, le=_SIZE_BYTES_MAX)]
_Pixels = Annotated[int, Meta(ge=1, le=100_000)]


class _ImageReference(msgspec.Struct):
    url: _HttpsUrl
    content_type: _ImageType
    alt: Annotated[str, Meta(max_length=1000)] | None = None
    width: _Pixels | None = None
    height: _Pixels | None = None
    size: _Size | None = None


class _FileReference(msgspec.Struct):
    url: _HttpsUrl
    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content_type: _MediaType
    size: _Size | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class _IncidentData(msgspec.Struct):
    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    data: dict[str, Any]


class _SystemMessage(msgspec.Struct):
    event: SystemEventType


def _check(metadata: dict[str, Any], shape: type[msgspec.Struct]) -> None:
    try:
        msgspec.convert(metadata, shape)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at ")
        field = "metadata" + path.strip("`").removeprefix("$")
        if "missing required field" in detail:
            field += "." + detail.split("`")[1]
        raise RefusedError(ErrorCode.INVALID, detail, field=field) from error


def handle_text_message(_metadata: dict[str, Any]) -> None:
    """Text asks nothing of its metadata."""


def handle_image_reference(metadata: dict[str, Any]) -> None:
    """`url` (https) and `content_type` (image/*); optional `alt`, `width`, `height`, `size`."""
    _check(metadata, _ImageReference)


def handle_file_reference(metadata: dict[str, Any]) -> None:
    """`url` (https), `filename` and `content_type`; optional `size`, `sha256` (hex)."""
    _check(metadata, _FileReference)


def handle_incident_data(metadata: dict[str, Any]) -> None:
    """`kind` and any JSON object `data`."""
    _check(metadata, _IncidentData)


def handle_system_message(metadata: dict[str, Any]) -> None:
    """`event`, one of SystemEventType."""
    _check(metadata, _SystemMessage)


HANDLERS: dict[MessageType, Callable[[dict[str, Any]], None]] = {
    MessageType.TEXT: handle_text_message,
    MessageType.IMAGE_REF: handle_image_reference,
    MessageType.FILE_REF: handle_file_reference,
    MessageType.INCIDENT_DATA: handle_incident_data,
    MessageType.SYSTEM: handle_system_message,
}

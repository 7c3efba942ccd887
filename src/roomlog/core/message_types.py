"""One handler for each kind of message: what its metadata must say.

A handler takes a message's metadata, raises RefusedError `invalid` with the field at fault, and
returns nothing: metadata is kept as given, with fields of the caller's own beside the known ones.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from roomlog.core.wrong_shape import wrong_shape
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import MessageType, SystemEventType

_URL_CHARS_MAX = 2048
_SIZE_BYTES_MAX = 2**53

# What is white space is not the same for all who read the pattern: controls are named as well.
_HIDDEN = r"\s\x00-\x1f\x7f-\x9f\ufeff"
_HttpsUrl = Annotated[
    str, Meta(pattern=rf"^https://[^{_HIDDEN}/?#]+[^{_HIDDEN}]*\Z", max_length=_URL_CHARS_MAX)
]
_RESTRICTED_NAME = "[A-Za-z0-9!#$&^_.+-]+"  # RFC 6838, 4.2
_MediaType = Annotated[
    str, Meta(pattern=rf"^{_RESTRICTED_NAME}/{_RESTRICTED_NAME}\Z", max_length=255)
]
_ImageType = Annotated[str, Meta(pattern=rf"^image/{_RESTRICTED_NAME}\Z", max_length=255)]
_Size = Annotated[int, Meta(ge=0, le=_SIZE_BYTES_MAX)]
_Pixels = Annotated[int, Meta(ge=1, le=100_000)]


class ImageReference(msgspec.Struct):
    """A picture that lies elsewhere; `size` in bytes, `width` and `height` in pixels."""

    url: _HttpsUrl
    content_type: _ImageType
    alt: Annotated[str, Meta(max_length=1000)] | None = None
    width: _Pixels | None = None
    height: _Pixels | None = None
    size: _Size | None = None


class FileReference(msgspec.Struct):
    """A file that lies elsewhere; `size` in bytes, `sha256` in hex."""

    url: _HttpsUrl
    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content_type: _MediaType
    size: _Size | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class IncidentData(msgspec.Struct):
    """Structured data of an incident: what `kind` it is, and any JSON object."""

    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    data: dict[str, Any]


class SystemMessage(msgspec.Struct):
    """What a service tells the room, or what happened to it."""

    event: SystemEventType


def _whole(value: Any) -> Any:
    # JSON knows numbers only, and 5.0 is one without a fraction.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check(metadata: dict[str, Any], shape: type[msgspec.Struct]) -> None:
    try:
        msgspec.convert({name: _whole(value) for name, value in metadata.items()}, shape)
    except msgspec.ValidationError as error:
        detail, field = wrong_shape(error)
        raise RefusedError(ErrorCode.INVALID, detail, field=f"metadata.{field}") from error


def handle_text_message(_metadata: dict[str, Any]) -> None:
    """Text asks nothing of its metadata."""


def handle_image_reference(metadata: dict[str, Any]) -> None:
    """`url` (https) and `content_type` (image/*); optional `alt`, `width`, `height`, `size`."""
    _check(metadata, ImageReference)


def handle_file_reference(metadata: dict[str, Any]) -> None:
    """`url` (https), `filename` and `content_type`; optional `size`, `sha256` (hex)."""
    _check(metadata, FileReference)


def handle_incident_data(metadata: dict[str, Any]) -> None:
    """`kind` and any JSON object `data`."""
    _check(metadata, IncidentData)


def handle_system_message(metadata: dict[str, Any]) -> None:
    """`event`, one of SystemEventType."""
    _check(metadata, SystemMessage)


SHAPES: dict[MessageType, type[msgspec.Struct]] = {
    MessageType.IMAGE_REF: ImageReference,
    MessageType.FILE_REF: FileReference,
    MessageType.INCIDENT_DATA: IncidentData,
    MessageType.SYSTEM: SystemMessage,
}
"""What the metadata of each kind must hold; that of a text holds anything."""

HANDLERS: dict[MessageType, Callable[[dict[str, Any]], None]] = {
    MessageType.TEXT: handle_text_message,
    MessageType.IMAGE_REF: handle_image_reference,
    MessageType.FILE_REF: handle_file_reference,
    MessageType.INCIDENT_DATA: handle_incident_data,
    MessageType.SYSTEM: handle_system_message,
}

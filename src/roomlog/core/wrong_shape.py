"""What the JSON decoder finds wrong with a value, in words for whoever sent it."""

from types import MappingProxyType

import msgspec

from roomlog_contract.types import MessageType, RoomRole, RoomStatus, SearchOrder, SystemEventType

# A field of one of these names means the same in every command and question.
_CHOICES = MappingProxyType(
    {
        "role": RoomRole,
        "status": RoomStatus,
        "type": MessageType,
        "message_type": MessageType,
        "event": SystemEventType,
        "order": SearchOrder,
    }
)
_FORMS = MappingProxyType(
    {
        "url": "must be an https address without white space",
        "content_type": "must be a media type such as image/png",
        "sha256": "must be 64 hex digits in lower case",
    }
)
_IMAGE = "must be a media type of pictures such as image/png"


def wrong_shape(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and the dotted path of the field at fault ("" for the whole)."""
    detail, _, where = str(error).partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    if detail.startswith("Object missing required field"):
        return "is missing", ".".join(filter(None, (path, detail.split("`")[1])))
    return in_words(detail, path.rpartition(".")[2]), path


def in_words(detail: str, field: str) -> str:
    """The decoder's text about the field of this name, for who does not know the decoder."""
    if detail.startswith("Invalid enum value") and field in _CHOICES:
        return f"must be one of {', '.join(_CHOICES[field])}"
    if "matching regex" in detail and field in _FORMS:
        return _IMAGE if "'^image/" in detail else _FORMS[field]
    return detail.replace("`", "")

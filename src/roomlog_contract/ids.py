"""The ids that clients know how to make as the server does."""

from uuid import UUID, uuid5


def keyed_event_id(room_id: str, actor: str, key: str) -> str:
    """The id of the event that this user's command under this idempotency key becomes.

    A UUIDv5 (RFC 9562, section 5.5) in the namespace of the room. A client knows its own event
    by it, before any ack. Raises ValueError where `room_id` is no UUID.
    """
    return str(uuid5(UUID(room_id), f"{len(actor)}:{actor}{key}"))

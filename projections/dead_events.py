"""`dead_events`: what was set aside goes with its redaction. To set it aside is no effect of an
event, and so is the business of whoever projects."""

from collections.abc import Sequence

from projections.row_changes import DeleteWhere, RowChange
from roomlog_contract.events import MessageRedacted, RoomEvent

TABLE = "dead_events"


def project(event: RoomEvent, partition: int) -> Sequence[RowChange]:
    """A fold that begins later finds nothing at the redacted sequence that it could set aside."""
    redaction = event.event
    if not isinstance(redaction, MessageRedacted):
        return ()
    where = {"partition": partition, "sequence": redaction.redacted_sequence}
    return [DeleteWhere(TABLE, {**where, "room_id": event.room_id})]

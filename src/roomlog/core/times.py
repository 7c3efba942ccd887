"""How times are written."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """A time as it stands in events and answers: RFC 3339, in UTC, with milliseconds (cut off, not
    rounded). Takes a third of what `isoformat` does."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # Twice as fast as an f-string.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031
        utc.year,
        utc.month,
        utc.day,
        utc.hour,
        utc.minute,
        utc.second,
        utc.microsecond // 1000,
    )

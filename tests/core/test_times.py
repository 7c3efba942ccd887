"""Times are written in one way."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from roomlog.core.times import rfc3339

ZONES = st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=-9, minutes=-30))])
EARLIEST, LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - hypothesis adds it
TIMES = st.datetimes(EARLIEST, LATEST, timezones=ZONES)


@given(TIMES)
def test_a_time_is_written_in_utc_to_the_millisecond(moment: datetime):
    written = rfc3339(moment)

    assert written == moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert timedelta(0) <= moment - datetime.fromisoformat(written) < timedelta(milliseconds=1)

"""Denials in the log: who, what and where; never a flood of them."""

import pytest

from roomlog.core.policy import DeniedError
from roomlog.services.denials import LINES_PER_S_MAX, DenialLog
from roomlog_contract.errors import ErrorCode, RefusedError

_DENIED = DeniedError("may not", user_id="oda@example.org", act="send", room_id="room")


def test_a_denial_is_one_line_with_its_fields(caplog: pytest.LogCaptureFixture):
    log = DenialLog()
    log.record(_DENIED, "rest", "request-1")
    log.record(RefusedError(ErrorCode.FORBIDDEN, "of another kind"), "rest")
    log.record(ValueError(), "rest")

    (line,) = caplog.records
    told = {k: line.__dict__.get(k) for k in ("user_id", "act", "room_id", "by", "request_id")}
    assert told == {
        "user_id": "oda@example.org",
        "act": "send",
        "room_id": "room",
        "by": "rest",
        "request_id": "request-1",
    }


def test_a_flood_of_denials_is_counted_and_not_written(caplog: pytest.LogCaptureFixture):
    now_s = 100.0
    log = DenialLog(lambda: now_s)
    for _ in range(LINES_PER_S_MAX + 5):
        log.record(_DENIED, "websocket")
    assert len(caplog.records) == LINES_PER_S_MAX
    now_s = 101.0
    log.record(_DENIED, "websocket")

    assert caplog.records[-1].__dict__["left_out_before"] == 5

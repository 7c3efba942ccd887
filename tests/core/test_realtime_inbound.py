import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.realtime.inbound import (
    MALFORMED_MAX,
    MALFORMED_WINDOW_S,
    MalformedBudget,
    UnusableFrameError,
    parse,
)
from roomlog_contract.errors import ErrorCode
from roomlog_contract.frames import Ping, Send


def _refused(line: str) -> UnusableFrameError:
    with pytest.raises(UnusableFrameError) as caught:
        parse(line)
    return caught.value


def test_a_frame_is_parsed_and_unknown_fields_are_passed_over():
    assert parse('{"type":"ping","ref":"r","colour":"red"}') == Ping(ref="r")
    assert parse('{"type":"send","ref":"r","content":"é"}') == Send(ref="r", content="é")


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ({"type": "dance"}, ErrorCode.UNKNOWN_TYPE, "type"),
        ({"type": "dance", "ref": 5}, ErrorCode.UNKNOWN_TYPE, "type"),
        ({"type": 5}, ErrorCode.INVALID, "type"),
        ({}, ErrorCode.INVALID, "type"),
        ([], ErrorCode.INVALID, None),
        (None, ErrorCode.INVALID, None),
        ({"type": "send", "content": "x"}, ErrorCode.INVALID, "ref"),
        ({"type": "send", "ref": "r", "content": None}, ErrorCode.INVALID, "content"),
        ({"type": "seen", "sequence": 2**64}, ErrorCode.INVALID, "sequence"),
        ({"type": "react", "ref": "r", "message_id": "m", "emoji": ""}, ErrorCode.INVALID, "emoji"),
        ({"type": "ping", "ref": "r" * 201}, ErrorCode.INVALID, "ref"),
    ],
)
def test_what_is_wrong_with_a_frame_is_told_by_code_and_field(
    frame: Any, code: ErrorCode, field: str | None
):
    refusal = _refused(json.dumps(frame)).refusal
    assert refusal.code is code
    assert [e.field for e in refusal.errors] == ([field] if field else [])


def test_the_marks_of_an_unusable_frame_are_kept_where_they_are_text():
    error = _refused('{"type":"dance","ref":"r","room_id":"x"}')
    assert (error.ref, error.room_id) == ("r", "x")
    error = _refused('{"type":"dance","ref":["r"],"room_id":1}')
    assert (error.ref, error.room_id) == (None, None)


@pytest.mark.parametrize(
    "line", ["", "{", "nonsense", "\x00", '{"type":"ping"', "[" * 10**5, '"\\ud800"']
)
def test_what_is_no_json_is_invalid(line: str):
    assert _refused(line).refusal.code is ErrorCode.INVALID


@pytest.mark.parametrize(
    ("line", "field", "ref"),
    [
        (r'{"type":"send","ref":"r","content":"a\ud800b"}', "content", "r"),
        (r'{"type":"send","ref":"r\udc00","content":"a"}', "ref", None),
        (r'{"type":"send","content":"\ud800","ref":"r\udc00"}', "content", None),
        (r'{"type":"send","ref":"r","metadata":{"a":[1,{"b":"\udfff"}]}}', "metadata.a[1].b", "r"),
        (r'{"type":"send","ref":"r","metadata":{"\ud800":1}}', "metadata", "r"),
    ],
)
def test_a_lone_surrogate_is_told_by_its_field(line: str, field: str, ref: str | None):
    error = _refused(line)
    assert (error.refusal.code, error.refusal.errors[0].field) == (ErrorCode.INVALID, field)
    assert "lone surrogate" in error.refusal.detail
    assert error.ref == ref


@given(s.text())
def test_any_text_is_a_frame_or_refused_with_a_short_detail(line: str):
    details: list[str] = []
    try:
        parse(line)
    except UnusableFrameError as error:
        details.append(error.refusal.detail)
    assert all(0 < len(detail) <= 400 for detail in details)


def test_too_many_malformed_frames_within_the_window_are_too_many():
    budget = MalformedBudget()
    times_s = [n * MALFORMED_WINDOW_S / MALFORMED_MAX for n in range(MALFORMED_MAX)]
    assert [budget.spend(t) for t in times_s] == [True] * (MALFORMED_MAX - 1) + [False]


def test_malformed_frames_that_come_slowly_are_borne():
    budget = MalformedBudget()
    pause_s = MALFORMED_WINDOW_S / (MALFORMED_MAX - 1) + 0.001
    assert all(budget.spend(n * pause_s) for n in range(100))

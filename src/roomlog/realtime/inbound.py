"""What a client says, line by line: a frame, or why it is none."""

import json
from collections import deque
from typing import Any, get_args

import msgspec

from roomlog.core.content import LONE_SURROGATE, lone_surrogate
from roomlog.core.wrong_shape import wrong_shape
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.frames import REF_BYTES_MAX, WebSocketMessage

MALFORMED_MAX = 10
MALFORMED_WINDOW_S = 10.0
_DETAIL_CHARS_MAX = 300


class _Marks(msgspec.Struct):
    """What a line that is no valid frame may still say about itself."""

    type: Any = None
    ref: Any = None
    room_id: Any = None


_decoder = msgspec.json.Decoder(WebSocketMessage)
_marks_decoder = msgspec.json.Decoder(_Marks)
_KNOWN_TYPES = frozenset(str(one.__struct_config__.tag) for one in get_args(WebSocketMessage))


class UnusableFrameError(Exception):
    """A line that is no frame. `refusal` says why; `ref` and `room_id` are the line's, if any."""

    def __init__(self, refusal: RefusedError, ref: str | None, room_id: str | None) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal
        self.ref = ref
        self.room_id = room_id


def parse(line: str) -> WebSocketMessage:
    """The client frame that a line of JSON holds. Raises UnusableFrameError."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise _unusable(line, error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        if place := lone_surrogate(line):
            raise _unstorable(line, place) from None
        refusal = RefusedError(ErrorCode.INVALID, f"not JSON: {_short(str(error))}")
        raise UnusableFrameError(refusal, None, None) from None


def _unusable(line: str, error: msgspec.ValidationError) -> UnusableFrameError:
    try:
        marks = _marks_decoder.decode(line)
    except (msgspec.DecodeError, RecursionError):
        marks = _Marks()
    ref, room_id = _text(marks.ref), _text(marks.room_id)
    if isinstance(marks.type, str) and marks.type not in _KNOWN_TYPES:
        detail = f"no frame has the type {marks.type[:50]!r}"
        return UnusableFrameError(
            RefusedError(ErrorCode.UNKNOWN_TYPE, detail, field="type"), ref, room_id
        )
    detail, field = wrong_shape(error)
    return UnusableFrameError(
        RefusedError(ErrorCode.INVALID, _short(detail), field=field[:100] or None), ref, room_id
    )


def _unstorable(line: str, place: str) -> UnusableFrameError:
    refusal = RefusedError(ErrorCode.INVALID, LONE_SURROGATE, field=place[:100])
    said = json.loads(line)  # which takes what a strict decoder does not
    if not isinstance(said, dict):
        said = {}
    return UnusableFrameError(refusal, _text(said.get("ref")), _text(said.get("room_id")))


def _text(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > REF_BYTES_MAX:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _short(text: str) -> str:
    return text[:_DETAIL_CHARS_MAX]


class MalformedBudget:
    """Counts malformed frames: MALFORMED_MAX within MALFORMED_WINDOW_S are too many."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=MALFORMED_MAX)

    def spend(self, now_s: float) -> bool:
        """Count one at this (monotonic) time; false where it was one too many."""
        self._times_s.append(now_s)
        full = len(self._times_s) == MALFORMED_MAX
        return not (full and now_s - self._times_s[0] <= MALFORMED_WINDOW_S)

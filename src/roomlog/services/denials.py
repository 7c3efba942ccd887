"""Denials, for the log: who wanted to do what in which room, and nothing of what was said."""

import logging
import time
from collections.abc import Callable

from roomlog.core.policy import DeniedError

LINES_PER_S_MAX = 20

_logger = logging.getLogger(__name__)


class DenialLog:
    """Writes a line for each denial, at most LINES_PER_S_MAX a second: whoever is denied a
    thousand times a second shall not fill the disk. What was left out is counted."""

    def __init__(self, time_s: Callable[[], float] = time.monotonic) -> None:
        self._time_s = time_s
        self._since_s = 0.0
        self._lines = 0
        self._left_out = 0

    def record(self, error: Exception, how: str, request_id: str | None = None) -> None:
        """Log `error` if it is a denial. `how` it came: `rest` or `websocket`."""
        if not isinstance(error, DeniedError):
            return
        now_s = self._time_s()
        if now_s - self._since_s >= 1:
            self._since_s, self._lines = now_s, 0
        if self._lines >= LINES_PER_S_MAX:
            self._left_out += 1
            return
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        given = {
            "user_id": error.user_id,
            "act": error.act,
            "room_id": error.room_id,
            "by": how,
            "request_id": request_id,
            "left_out_before": left_out or None,
        }
        _logger.warning("denied", extra={k: v for k, v in given.items() if v is not None})

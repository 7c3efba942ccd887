"""Log lines: JSON for machines, a plain line on a terminal, and never a token in either."""

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TextIO

import msgspec

from roomlog.core.printable import printable
from roomlog.tracing import log_fields

LogFormat = Literal["auto", "json", "human"]

FLUSH_INTERVAL_S = 0.1
LINES_WAITING_MAX = 256

# uvicorn logs each WebSocket's path with its query, whatever its access log is set to; the
# other forms are where clients put tokens, and where addresses of servers carry passwords.
_HIDDEN = "…"
# What each may scan from one place is bounded: clients choose how long a path in a line is.
_TOKENS = re.compile(
    r"""
      (?P<query>\b(?:token|access_token)=)[^&\s"'\#]+
    | (?P<bearer>\bbearer[ .+]|\bbearer%20)[A-Za-z0-9_\-.~+/]{16,}=*
    | (?P<userinfo>\b[a-z][a-z0-9+.\-]{0,30}://[^\s:/@"']{0,256}:)[^\s@"']{1,1024}(?=@)
    | (?P<jwt>\beyJ[A-Za-z0-9_\-]{5,2048})\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Each of the forms above has one of these in it: where none is, the search itself is spared.
_SIGNS = ("token=", "bearer", "://", "eyj")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def hide_tokens(text: str) -> str:
    """`text` with JWTs, `token=` parameters, bearer tokens and URL passwords taken out."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    return _TOKENS.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kept = match.group(match.lastgroup or 0)
    return _HIDDEN if match.lastgroup == "jwt" else kept + _HIDDEN


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What `tell` was given, to become a line when lines are written."""

    created: float
    logger: str
    message: str
    fields: Mapping[str, object]


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what `extra` gave, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = _beginning(
            record.created, record.levelname.lower(), record.name, record.getMessage()
        )
        line |= log_fields()
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encoded(line)


def _beginning(created: float, level: str, logger: str, message: str) -> dict[str, object]:
    return {"time": _rfc3339(created), "level": level, "logger": logger, "message": message}


_encoder = msgspec.json.Encoder(enc_hook=str)


def _encoded(line: dict[str, object]) -> str:
    try:
        return _encoder.encode(line).decode()
    except (UnicodeEncodeError, ValueError, TypeError):
        # Half of a surrogate pair in a name, a key that is no text: escaped or told as text.
        return json.dumps({str(name): value for name, value in line.items()}, default=str)


class _HumanLines(logging.Formatter):
    """Time, level, message, and what `extra` gave, on one line; tracebacks below."""

    def format(self, record: logging.LogRecord) -> str:
        told = log_fields()
        told |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        # What others chose is in it: it may neither begin a line nor move the terminal's cursor.
        extra = "".join(f" {name}={printable(str(value))}" for name, value in told.items())
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = printable(record.getMessage(), indent="    ")
        line = f"{moment} {record.levelname.lower():7} {message}{extra}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return hide_tokens(line)


class _Lines(logging.Handler):
    """Writes lines to a stream, many at once: a system call for each would cost a busy server
    more than the line itself. No token leaves by it.

    Lines below WARNING wait for FLUSH_INTERVAL_S at most, or until LINES_WAITING_MAX wait;
    a warning is written at once, with what waits before it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        # Written from several threads: a deque's ends are safe without a lock.
        self._waiting: deque[str | _Told] = deque()
        self._due = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._write_waiting, name="log lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record. For logging, which holds the lock."""
        try:
            self._waiting.append(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers: a line must end nothing
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            self.flush()
        else:
            self._flush_soon()

    def take(self, told: _Told) -> None:
        """Take what `tell` was given."""
        self._waiting.append(told)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if len(self._waiting) >= LINES_WAITING_MAX:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        """Write what waits."""
        with self.lock or contextlib.nullcontext():
            self._due.clear()
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not waiting:
                return
            text = "\n".join(line if isinstance(line, str) else _line(line) for line in waiting)
            # Nobody can be told of a stream that is full or gone.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(hide_tokens(text) + "\n")
                self._stream.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._due.set()
        self.flush()
        super().close()

    def _write_waiting(self) -> None:
        while not self._ended.is_set():
            self._due.wait()
            self._ended.wait(FLUSH_INTERVAL_S)
            self.flush()


def _line(told: _Told) -> str:
    line = _beginning(told.created, "info", told.logger, told.message)
    line.update(told.fields)
    return _encoded(line)


_root = logging.getLogger()


class _Current:
    """The handler that `set_up_logging` installed, where it writes JSON."""

    lines: _Lines | None = None


def tell(logger: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """Log what happens very often, at INFO: as `logger.info(message, extra=fields)` does, at a
    quarter of the cost. `fields` must not be changed afterwards.

    Filters, and handlers of loggers below the root, do not see it while lines are JSON.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    lines = _Current.lines
    if lines is None or _root.handlers != [lines]:
        logger.info(message, extra=fields)
    else:
        lines.take(_Told(time.time(), logger.name, message, {**log_fields(), **fields}))


def set_up_logging(
    level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None
) -> None:
    """Send every logger's lines to `stream` (standard error), in place of what was set before.

    Tokens are removed from the finished line, whichever logger, argument or traceback they
    came by. uvicorn must be run with `log_config=None`, else it adds handlers of its own.
    """
    target = stream or sys.stderr
    human = log_format == "human" or (log_format == "auto" and target.isatty())
    handler = logging.StreamHandler(target) if human else _Lines(target)
    handler.setFormatter(_HumanLines() if human else _JsonLines())
    for old in list(_root.handlers):
        _root.removeHandler(old)
        if isinstance(old, _Lines):
            old.close()
    _root.addHandler(handler)
    _Current.lines = handler if isinstance(handler, _Lines) else None
    _root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "nats"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)


_OF_A_SECOND = [f".{ms:03d}Z" for ms in range(1000)]


def _rfc3339(seconds: float) -> str:
    return _second(int(seconds)) + _OF_A_SECOND[int(seconds * 1000) % 1000]


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))

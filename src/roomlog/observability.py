"""Log lines: JSON for machines, a plain line on a terminal, and never a token in either."""

import logging
import re
import sys
import time
from typing import Literal, TextIO

import msgspec

from roomlog.tracing import log_fields

LogFormat = Literal["auto", "json", "human"]

# uvicorn logs each WebSocket's path with its query, whatever its access log is set to; the
# other forms are where clients put tokens, and where addresses of servers carry passwords.
_HIDDEN = "…"
_TOKENS = re.compile(
    r"""
      (?P<query>\b(?:token|access_token)=)[^&\s"'\#]+
    | (?P<bearer>\bbearer[ .+]|\bbearer%20)[A-Za-z0-9_\-.~+/]{16,}=*
    | (?P<userinfo>\b[a-z][a-z0-9+.\-]*://[^\s:/@"']*:)[^\s@"']+(?=@)
    | (?P<jwt>\beyJ[A-Za-z0-9_\-]{5,})\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*
    """,
    re.VERBOSE | re.IGNORECASE,
)
# One of these stands in all that it finds; most lines have none, and it is slow.
_TOKEN_SIGNS = ("token=", "bearer", "://", "eyj")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def hide_tokens(text: str) -> str:
    """`text` with JWTs, `token=` parameters, bearer tokens and URL passwords taken out."""
    folded = text.lower()
    if not any(sign in folded for sign in _TOKEN_SIGNS):
        return text
    return _TOKENS.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kept = match.group(match.lastgroup or 0)
    return _HIDDEN if match.lastgroup == "jwt" else kept + _HIDDEN


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what `extra` gave, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= log_fields()
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return hide_tokens(msgspec.json.encode(line, enc_hook=str).decode())


class _HumanLines(logging.Formatter):
    """Time, level, message, and what `extra` gave, on one line; tracebacks below."""

    def format(self, record: logging.LogRecord) -> str:
        told = log_fields()
        told |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        extra = "".join(f" {name}={value}" for name, value in told.items())
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()}{extra}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return hide_tokens(line)


def set_up_logging(
    level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None
) -> None:
    """Send every logger's lines to `stream` (standard error), in place of what was set before.

    Tokens are removed from the finished line, whichever logger, argument or traceback they
    came by. uvicorn must be run with `log_config=None`, else it adds handlers of its own.
    """
    target = stream or sys.stderr
    human = log_format == "human" or (log_format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(_HumanLines() if human else _JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "nats"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)


def _rfc3339(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"

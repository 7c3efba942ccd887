"""What is asked once a command's event is in the log: no failure of it may sound as if nothing had
happened."""

from collections.abc import Generator
from contextlib import contextmanager

from roomlog.ports import DatabaseUnavailableError, LogUnavailableError
from roomlog_contract.errors import ErrorCode, RefusedError

_RETRY_AFTER_S = 1.0


@contextmanager
def appended_already() -> Generator[None]:
    """Around what is read for the answer to a command that was appended.

    Raises RefusedError `database_unavailable` or `log_unavailable` in place of what says that one
    of these is away: with a detail that tells that the command may well have been done.
    """
    try:
        yield
    except (DatabaseUnavailableError, LogUnavailableError) as error:
        away = isinstance(error, DatabaseUnavailableError)
        code = ErrorCode.DATABASE_UNAVAILABLE if away else ErrorCode.LOG_UNAVAILABLE
        raise RefusedError(
            code,
            f"appended, but its effect is unknown while the {'database' if away else 'log'} "
            "does not answer: retry with the same key",
            retry_after_s=_RETRY_AFTER_S,
        ) from error

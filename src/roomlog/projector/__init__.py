"""The projector: the log's events folded into the tables, live or all anew."""

from roomlog.projector.partition import ProjectorHaltedError
from roomlog.projector.rebuild import Rebuilt, rebuild
from roomlog.projector.retry import Retried, retry
from roomlog.projector.runner import run_projector
from roomlog.projector.verify import verify

__all__ = [
    "ProjectorHaltedError",
    "Rebuilt",
    "Retried",
    "rebuild",
    "retry",
    "run_projector",
    "verify",
]

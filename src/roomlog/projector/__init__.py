"""The projector: the log's events folded into the tables, live or all anew."""

from roomlog.projector.partition import ProjectorHaltedError
from roomlog.projector.rebuild import Rebuilt, rebuild
from roomlog.projector.runner import run_projector
from roomlog.projector.verify import verify

__all__ = ["ProjectorHaltedError", "Rebuilt", "rebuild", "run_projector", "verify"]

"""REST: Litestar routes over the services, with every error a problem."""

from roomlog.http.app import create_app
from roomlog.http.parts import HttpParts, PartStatus

__all__ = ["HttpParts", "PartStatus", "create_app"]
